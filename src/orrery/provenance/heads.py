"""The workflows at work in a folder, so that the lock that a killed one left behind can go by itself.

Snakemake locks a folder by files in ``.snakemake/locks``. They stay after SIGKILL or a power cut, and the next run
would ask for ``--unlock``. Each run of the workflow therefore holds a lock of the kernel as long as it lives: a run
that finds nobody holding it knows that those files are of a run that has ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

_held: list[int] = []  # descriptors, open as long as this process lives


@dataclass(frozen=True)
class Entry:
    """What a run found when it began.

    Attributes:
        released: whether it removed the lock of a killed run.
        alone: whether no other run can be alive in the folder, on this machine or another.
    """

    released: bool
    alone: bool


def enter(folder: Path) -> Entry:
    """Say that this process runs the workflow of a folder, and release the folder from runs that were killed.

    Nothing is released where a run that is alive is in the folder, or where a run of another machine was the last:
    some network file systems keep such locks within one machine, so that one could be alive there unseen.

    Args:
        folder: Snakemake's own, ``.snakemake``.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "orrery.heads", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    host = socket.gethostname().encode()
    released = alone = False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # somebody is at work
    except OSError:
        os.close(descriptor)  # a file system without such locks: Snakemake's own is all there is
        return Entry(released=False, alone=False)
    else:
        alone = _hosts(descriptor) <= {host}
        released = _release(descriptor, folder / "locks")
    if host not in _hosts(descriptor):
        os.lseek(descriptor, 0, os.SEEK_END)
        os.write(descriptor, host + b"\n")
    # Shared: Snakemake lets two runs into one folder where they make different files.
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _held.append(descriptor)
    return Entry(released, alone)


def _release(descriptor: int, locks: Path) -> bool:
    """Remove the lock files, where all runs since they were last removed were of this machine."""
    left = locks.is_dir() and any(locks.iterdir())
    if left and not _hosts(descriptor) <= {socket.gethostname().encode()}:
        return False
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(locks)
    os.ftruncate(descriptor, 0)
    return left


def _hosts(descriptor: int) -> set[bytes]:
    return set(os.pread(descriptor, 1 << 16, 0).split())
