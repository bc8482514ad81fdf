"""Snakemake, imported once and forked for every dry run: a dry run takes a second, and its imports another.

Reads one JSON request a line: folder, environment, arguments, and the files that take what it prints. Answers with the
exit code.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

import pydantic
import smart_open
from snakemake.cli import get_argument_parser, main


def run(request: dict[str, Any]) -> int:
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    # What ``python -m`` and PYTHONPATH put first.
    sys.path[:0] = [request["folder"], *request["environment"]["PYTHONPATH"].split(os.pathsep)]
    for descriptor, file in ((1, request["out"]), (2, request["err"])):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.argv[1:] = request["arguments"]
    try:
        main(request["arguments"])
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    # What a start imports besides: plugins, and what nothing of ours is a part of.
    get_argument_parser()
    loaded = (pydantic, smart_open)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = run(json.loads(line))
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
