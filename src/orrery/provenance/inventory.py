"""What lies in the store: each result with all that belongs to it, and how large it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_OF_A_RESULT = re.compile(r"(?P<result>[^@]+@[0-9a-f]{16})(\..*)?")


def find_results(root: Path) -> Iterator[tuple[Path, Path]]:
    """Yield every file and folder below ``root`` that belongs to a result, with the result that it belongs to.

    What belongs to the result ``a/b@<digest>`` is its folder, its manifest ``a/b@<digest>.json``, and all else whose
    name begins so: copies for a report, a folder that is being written, locks, logs. Links are told and never
    followed.

    Args:
        root: a folder such as ``results/store``; it need not exist.

    Yields:
        The path of the result below ``root`` (its stage, its name, its digest), and the path of the file or folder.
    """
    for folder, entry in _entries(root):
        found = _result_of(entry.name)
        if found:
            yield folder.relative_to(root) / found, folder / entry.name


def find_links(root: Path) -> Iterator[Path]:
    """Yield the links to folders that ``find_results`` does not follow, ``root`` itself among them."""
    if root.is_symlink():
        yield root
        return
    for folder, entry in _entries(root):
        if entry.is_symlink() and entry.is_dir() and not _result_of(entry.name):
            yield folder / entry.name


def _entries(root: Path) -> Iterator[tuple[Path, os.DirEntry[str]]]:
    """All below ``root`` with the folder that it lies in; what belongs to a result is not entered."""
    pending = [] if root.is_symlink() else [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                present = sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in present:
            yield folder, entry
            if entry.is_dir(follow_symlinks=False) and not _result_of(entry.name):
                pending.append(folder / entry.name)


def _result_of(name: str) -> str:
    # A file that was being replaced when its writer ended has a dot before its name.
    found = _OF_A_RESULT.fullmatch(name.removeprefix("."))
    return found["result"] if found else ""


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder: their apparent sizes. A link counts as what it is, a few bytes."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(
        os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(path) for name in names
    )
