"""A full disk, faked: Python finds this module on its path, so that every process of a test has it.

What is faked: an audit hook sees each file that is about to be opened for writing, and each folder that is about to
be made, below ``FAKED_FOLDER``, and raises ENOSPC once the files there fill more than ``FAKED_BYTES``, counted in
blocks of 4 kB. So the error comes at the opening of a file, where a disk raises it mostly at the writing; a file that
is opened in time is written whole; and programs that are not Python notice nothing.
"""

from __future__ import annotations

import errno
import os
import sys

FOLDER = os.environ.get("FAKED_FOLDER", "")
BYTES = int(os.environ.get("FAKED_BYTES", "0"))
_WRITES = os.O_WRONLY | os.O_RDWR


def used(folder: str) -> int:
    """Bytes of all files below a folder, in whole blocks."""
    total = 0
    for place, _, files in os.walk(folder):
        for file in files:
            try:
                total += -(-os.lstat(os.path.join(place, file)).st_size // 4096) * 4096
            except FileNotFoundError:
                continue
    return total


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Raise the error where something is about to be written that there is no room for."""
    if event == "open":
        if not isinstance(arguments[2], int) or not arguments[2] & _WRITES:
            return
    elif event != "os.mkdir":
        return
    if not isinstance(arguments[0], str | bytes):
        return
    path = os.fsdecode(arguments[0])
    if os.path.abspath(path).startswith(FOLDER + os.sep) and used(FOLDER) >= BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


if FOLDER:
    sys.addaudithook(refuse)
