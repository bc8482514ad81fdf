"""One writer for one store."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType

from orrery.config.errors import OrreryError
from orrery.provenance.storage import in_a_sentence


class StoreLock:
    """Exclusive lock on a store: ``with StoreLock(store): …``.

    The lock is the kernel's (``flock`` on ``<store>.lock``), so that it is gone with its holder, however that ended;
    a file that was left behind locks nothing. On NFS the server keeps it between machines (Linux turns it into
    a byte-range lock); Lustre has to be mounted with ``flock``. Where a file system locks within one machine
    only, two machines are kept apart by the workflow's own lock alone.

    Args:
        path: the store; its folder need not exist, the folder it lies in has to.
        patience: seconds to wait for another holder before giving up.
    """

    def __init__(self, path: Path, patience: float = 0.0) -> None:
        self.path = Path(path)
        self.file = self.path.with_name(self.path.name + ".lock")
        self.patience = patience
        self._descriptor: int | None = None

    def __enter__(self) -> StoreLock:
        """Take the lock.

        Raises:
            OrreryError: another live process holds it, or the lock file cannot be written.
        """
        deadline = time.monotonic() + self.patience
        while not self._try():
            if time.monotonic() >= deadline:
                raise OrreryError(
                    f"store {self.path} is being written by {self._holder()}: wait until that ends, or stop it"
                )
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the lock and remove its file."""
        if self._descriptor is not None:
            # Removed while still held: whoever opened this file meanwhile sees that it is no longer at its place.
            with contextlib.suppress(OSError):
                self.file.unlink()
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self) -> bool:
        try:
            with in_a_sentence(self.path):
                descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise OrreryError(f"lock {self.file} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino != os.stat(self.file).st_ino:
                raise BlockingIOError  # the holder before us removed it after we opened it
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return False
        except OSError as error:
            os.close(descriptor)
            raise OrreryError(f"lock {self.file} cannot be taken: {error.strerror}") from None
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T %z")}
        with contextlib.suppress(OSError):  # a word to others; the lock holds without it
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(holder).encode())
        self._descriptor = descriptor
        return True

    def _holder(self) -> str:
        try:
            holder = json.loads(self.file.read_text())
            return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


def is_locked(path: Path) -> bool:
    """Whether a live process holds the lock on a store; asking leaves no file behind."""
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # whose it is cannot be told, so it counts as somebody's
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
