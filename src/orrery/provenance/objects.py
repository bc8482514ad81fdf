"""Files in an object store, handled like paths: joined, read, listed; there is no folder and no rename."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orrery.provenance.object_store import UnreachableError, connect, reached, zarr_store

SCHEME = "s3://"
AT_A_TIME = 8
"""Objects that are sent at a time."""
_ONE_PIECE = 16 << 20
"""Files up to this size are sent whole, so that nothing of an interrupted one is left at the store."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ObjectPath:
    """An object, or all objects whose names begin with its own and a slash.

    Attributes:
        url: ``s3://bucket/name``, without a slash at the end.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(f"{self.url}/{name}")

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.url.removeprefix(SCHEME).partition("/")[0]

    @property
    def key(self) -> str:
        """Name within the bucket."""
        return self.url.removeprefix(SCHEME).partition("/")[2]

    def zarr_store(self) -> Any:
        """What Zarr reads below this name."""
        return zarr_store(self.bucket, self.key)

    def reading(self) -> AbstractContextManager[None]:
        """Turn what is refused inside a block that reads here into one sentence."""
        return reached(self.url)

    def is_file(self) -> bool:
        """Whether there is an object of exactly this name.

        Raises:
            UnreachableError: nobody can tell.
        """
        import obstore

        try:
            with reached(self.url):
                obstore.head(connect(self.bucket), self.key)
        except FileNotFoundError:
            return False
        return True

    def read_bytes(self) -> bytes:
        """Read an object.

        Raises:
            FileNotFoundError: there is none.
            UnreachableError: the store did not answer, or refused.
        """
        import obstore

        with reached(self.url):
            return bytes(obstore.get(connect(self.bucket), self.key).bytes())

    def read_text(self) -> str:
        """Read an object that holds text, as ``read_bytes``."""
        return self.read_bytes().decode("utf-8")

    def sha256(self, progress: Callable[[int], None] | None = None) -> str:
        """Return the SHA-256 of the bytes of an object, in hexadecimal, reading it anew.

        Args:
            progress: called with the number of bytes of each block.

        Raises:
            As ``read_bytes``.
        """
        import obstore

        digest = hashlib.sha256()
        with reached(self.url):
            for block in obstore.get(connect(self.bucket), self.key).stream(min_chunk_size=_BLOCK):
                digest.update(block)
                if progress is not None:
                    progress(len(block))
        return digest.hexdigest()

    def ask(self) -> None:
        """Ask for a name below this one that nothing has, to see whether there is an answer.

        Raises:
            UnreachableError: the store did not answer, or refused.
        """
        import obstore

        with reached(self.url):
            next(iter(obstore.list(connect(self.bucket), f"{self.key}/.probe".lstrip("/"))), None)

    def files(self) -> dict[str, int]:
        """Return name below this one → bytes of all objects, sorted; empty where there are none.

        Raises:
            UnreachableError: the store did not answer, or refused.
        """
        import obstore

        found = {}
        try:
            with reached(self.url):
                for batch in obstore.list(connect(self.bucket), self.key or None):
                    for entry in batch:
                        found[entry["path"].removeprefix(f"{self.key}/")] = int(entry["size"])
        except FileNotFoundError as error:
            raise UnreachableError(f"{self.url} cannot be listed ({error})") from None
        return dict(sorted(found.items()))

    def remove(self, names: Iterable[str] | None = None) -> None:
        """Remove objects below this name: some, or all.

        Raises:
            UnreachableError: the store did not answer, or refused; some may be gone.
        """
        import obstore

        listed = [f"{self.key}/{name}" for name in (self.files() if names is None else names)]
        if listed:
            with reached(self.url):
                obstore.delete(connect(self.bucket), listed)

    def send(self, folder: Path, names: Iterable[str]) -> None:
        """Copy files of a folder to the names below this one, several at a time.

        An object appears when all its bytes are there. What was sent before a failure stays, and the caller has
        to hold it for nothing until this returns.

        Raises:
            UnreachableError: the store did not answer, or refused.
            OSError: a file cannot be read.
        """
        import obstore

        store = connect(self.bucket)

        def send(name: str) -> None:
            path = folder / name
            with reached(f"{self.url}/{name}"):
                if path.stat().st_size <= _ONE_PIECE:
                    obstore.put(store, f"{self.key}/{name}", path.read_bytes(), use_multipart=False)
                else:
                    obstore.put(store, f"{self.key}/{name}", path)

        pool = ThreadPoolExecutor(AT_A_TIME)
        try:
            for done in [pool.submit(send, name) for name in names]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)
