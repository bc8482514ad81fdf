"""Where a store lies, on disk or in an object store, and what readers need of either.

How an object store is reached is none of a reader's business and no part of any spec: its places are handed to
readers and know themselves how they are read.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import zarr


class Remote(Protocol):
    """A place in an object store; ``orrery.provenance.objects`` has the one that there is."""

    def __truediv__(self, name: str) -> Remote:
        """The place below this one."""

    def is_file(self) -> bool:
        """Whether there is an object of this name."""

    def read_bytes(self) -> bytes:
        """Read an object."""

    def read_text(self) -> str:
        """Read an object that holds text."""

    def files(self) -> dict[str, int]:
        """Name → bytes of all objects below."""

    def zarr_store(self) -> Any:
        """What Zarr reads below."""

    def reading(self) -> AbstractContextManager[None]:
        """Turns what is refused inside into a sentence."""


Place = Path | Remote


def place_at(path: str | Place) -> Place:
    """Return the place that a path stands for; a place is one already."""
    return Path(path) if isinstance(path, str) else path


def files_in(place: Place) -> list[str]:
    """Return the names of all files below a place, with ``/`` and sorted; none where there is nothing.

    Raises:
        OrreryError: an object store did not answer.
    """
    if not isinstance(place, Path):
        return list(place.files())
    found = []
    for folder, _, names in os.walk(place):
        inner = os.path.relpath(folder, place).replace(os.sep, "/")
        found += names if inner == "." else [f"{inner}/{name}" for name in names]
    return sorted(found)


def reading(place: Place) -> AbstractContextManager[None]:
    """Say in one sentence what an object store refuses inside the block; of a disk the runner does so."""
    return nullcontext() if isinstance(place, Path) else place.reading()


def open_array(place: Place) -> zarr.Array[Any]:
    """Open an array for reading."""
    import zarr

    return zarr.open_array(place if isinstance(place, Path) else place.zarr_store(), mode="r")
