"""What a start of Python does, for a fork of a process that has started already."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Callable


def begin(folder: str, environment: dict[str, str], first: str, descriptors: dict[int, int]) -> None:
    """Take on a folder, an environment, the paths of imports and the files of input and output."""
    for number, descriptor in descriptors.items():
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:0] = [first, *environment.get("PYTHONPATH", "").split(os.pathsep)]
    # A system's own, which this process has, is not that of these paths.
    sys.modules.pop("sitecustomize", None)
    if importlib.util.find_spec("sitecustomize"):
        importlib.import_module("sitecustomize")


def end(call: Callable[[], object]) -> None:
    """Call a function and end the process as Python would end after it."""
    code = 0
    try:
        call()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        code = 1 if isinstance(ended.code, str) else int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
