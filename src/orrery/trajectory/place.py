"""Where a store lies, on disk or in an object store, and what readers need of either."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orrery.provenance.object_store import reached, zarr_store
from orrery.provenance.objects import SCHEME, ObjectPath

if TYPE_CHECKING:
    import zarr

Place = Path | ObjectPath


def place_at(path: str | Place) -> Place:
    """Return the place that a path or an address such as ``s3://bucket/name/data.zarr`` stands for."""
    if isinstance(path, str) and path.startswith(SCHEME):
        return ObjectPath(path.rstrip("/"))
    return path if isinstance(path, ObjectPath) else Path(path)


def files_in(place: Place) -> list[str]:
    """Return the names of all files below a place, with ``/`` and sorted; none where there is nothing.

    Raises:
        UnreachableError: an object store did not answer.
    """
    if isinstance(place, ObjectPath):
        return list(place.files())
    found = []
    for folder, _, names in os.walk(place):
        inner = os.path.relpath(folder, place).replace(os.sep, "/")
        found += names if inner == "." else [f"{inner}/{name}" for name in names]
    return sorted(found)


def reading(place: Place) -> AbstractContextManager[None]:
    """Say in one sentence what an object store refuses inside the block; of a disk the runner does so."""
    return reached(place.url) if isinstance(place, ObjectPath) else nullcontext()


def open_array(place: Place) -> zarr.Array[Any]:
    """Open an array for reading."""
    import zarr

    if isinstance(place, ObjectPath):
        return zarr.open_array(zarr_store(place.bucket, place.key), mode="r")
    return zarr.open_array(place, mode="r")
