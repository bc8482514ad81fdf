"""What a file system refuses, in a sentence: no space, a used-up quota, read only, no permission."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from orrery.config.errors import OrreryError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
REFUSED = frozenset({*FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})
_KEPT = "what is finished is kept"
_LITTLE = 1 << 20
_WAITS = (0.0, 0.05, 0.1, 0.2, 0.4)  # seconds; a chunk is written in less


class StorageError(OrreryError):
    """The file system refused to read or write; nothing is wrong with the study."""


@contextlib.contextmanager
def in_a_sentence(place: Path | str) -> Iterator[None]:
    """Turn what a file system refuses inside the block into one sentence.

    Args:
        place: what the block makes or reads: a store, a folder.

    Raises:
        StorageError: an ``OSError`` that ``REFUSED`` lists was raised, or stands behind what was raised.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        # A damaged store and a store that may not be read look alike to what reads it, and only the first is made anew.
        refusal = refused(error)
        if refusal is None:
            raise
        raise StorageError(sentence(refusal, place)) from error


def refused(error: BaseException | None) -> OSError | None:
    """Return the refusal of the file system that is behind an exception, if one is."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in REFUSED:
            return error
        # Only what an exception was deliberately raised from: another may have been dealt with before.
        error = error.__cause__
    return None


def sentence(error: OSError, place: Path | str) -> str:
    """Say what was refused, where, and what to do.

    Args:
        error: one of ``REFUSED``.
        place: the store or folder at work when it was raised.
    """
    file = str(error.filename) if error.filename is not None else str(place)
    inside = f" ({file})" if error.filename is not None and file != str(place) else ""
    if error.errno in FULL:
        disk = _full_disk(file, place)
        what = (
            "is full" if error.errno == errno.ENOSPC else "holds no more of your files: the quota is used up"
        )
        of = f" and {place} could not be written" if str(disk) != str(place) else ""
        return f"the disk that holds {disk} {what}{of}; free space and run again, {_KEPT}"
    if error.errno == errno.EROFS:
        return (
            f"{place} cannot be written, its file system is read-only{inside}: "
            f"have it mounted for writing and run again; {_KEPT}"
        )
    if error.errno == errno.EIO:
        return (
            f"{place} cannot be read or written, the disk reports a fault{inside}: look at the disk; {_KEPT}"
        )
    return (
        f"{place}: no permission to read or write {file}: give it to your user (chmod) and run again; {_KEPT}"
    )


def check_writable(folder: Path, size: int = 4096) -> None:
    """Make sure that files can be made in a folder, by making one; the folder is made where it is missing.

    Args:
        folder: where results or records will be written.
        size: bytes that there has to be room for; 0 asks for a name only.

    Raises:
        StorageError: it cannot be written.
    """
    probe = folder / f".probe.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(bytes(size))
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
    except OSError as error:
        if not refused(error):
            raise
        error.filename = str(folder)  # a person knows of no probe
        raise StorageError(sentence(error, folder)) from error


def remove_while_written(folder: Path) -> None:
    """Remove a folder that threads may still write into, which makes it anew.

    Zarr writes the chunks of an array in threads and raises at the first that is refused; it does not wait for
    the others.

    Args:
        folder: what to remove; it may be missing. What cannot be removed stays.
    """
    for wait in _WAITS:
        time.sleep(wait)
        shutil.rmtree(folder, ignore_errors=True)


def _full_disk(file: str, place: Path | str) -> Path | str:
    """The place whose disk is full: that of the store, or that of temporary files where only it has no room."""
    temporary = tempfile.gettempdir()
    if _room(Path(place)) > _LITTLE >= _room(Path(temporary)):
        return temporary
    # A file elsewhere, e.g. in the cache of datasets.
    inside = os.path.abspath(file).startswith(os.path.abspath(place))
    return place if inside or not os.path.isabs(file) else file


def _room(path: Path) -> int:
    """Free bytes on the disk of a path, of its nearest folder that exists."""
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            found = os.statvfs(folder)
            return found.f_bavail * found.f_frsize
    return 0
