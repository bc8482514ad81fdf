"""Snakemake, imported once and forked for every run: a dry run takes a second, and its imports another.

Reads one JSON request a line: folder, environment, arguments, the files that take what it prints, and the command that
stands for Python where a job is started. Answers with the exit code.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pydantic
import smart_open
from snakemake.cli import get_argument_parser, main
from starts import begin, end


def run(request: dict[str, Any]) -> None:
    output = {
        number: os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number, file in ((1, request["out"]), (2, request["err"]))
    }
    begin(request["folder"], request["environment"], request["folder"], output)
    sys.argv[1:] = request["arguments"]
    if request["python"]:
        sys.executable = request["python"]
    end(lambda: main(request["arguments"]))


if __name__ == "__main__":
    # What a start imports besides: plugins, and what nothing of ours is a part of.
    get_argument_parser()
    loaded = (pydantic, smart_open)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                run(json.loads(line))
            finally:
                os._exit(1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
