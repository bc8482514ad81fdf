"""Open one store of a trajectory: what it holds, with its large arrays left on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import zarr

from orrery.config.errors import OrreryError
from orrery.trajectory.check import require_complete
from orrery.trajectory.components import Entry, table_from_json
from orrery.trajectory.layout import RUNS, STEP_OF_GROUP

if TYPE_CHECKING:
    from jaxtyping import Int


class Source:
    """A Zarr array for Dask, whose reading errors name the store and the chunk."""

    def __init__(self, path: Path, array: zarr.Array[Any]) -> None:
        self._path = path
        self._array = array
        self.shape = array.shape
        self.dtype = array.dtype
        self.ndim = array.ndim

    def __getitem__(self, key: Any) -> np.ndarray:
        try:
            return np.asarray(self._array[key])
        except (ValueError, RuntimeError, TypeError, OSError) as error:
            raise OrreryError(
                f"{self._path}: {self._where(key)} of array '{self._array.basename}' cannot be read, its "
                f"bytes are not those that were written ({error}); record the trajectory again"
            ) from error

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        stamp = (self._path / "zarr.json").stat()
        return (
            str(self._path),
            self._array.name,
            self.shape,
            stamp.st_mtime_ns,
            stamp.st_ino,
        )

    def _where(self, key: Any) -> str:
        parts = self._array.shards or self._array.chunks
        slices = key if isinstance(key, tuple) else (key,)
        if len(slices) != self.ndim or not all(isinstance(part, slice) for part in slices):
            return "a chunk"
        spans = [
            (part.indices(size)[0] // chunk, max(part.indices(size)[1] - 1, 0) // chunk)
            for part, size, chunk in zip(slices, self.shape, parts, strict=True)
        ]
        names = "/".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
        return f"chunk {names}"


@dataclass(frozen=True)
class Store:
    """One finished store: a block of runs over a segment of steps.

    Attributes:
        path: where it lies.
        group: its Zarr group.
    """

    path: Path
    group: zarr.Group

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open the store at ``path`` after a look whether all its chunks are there.

        Raises:
            OrreryError: there is no store, it is no trajectory, or a chunk is missing.
        """
        place = Path(path)
        require_complete(place)
        return cls(place, zarr.open_group(place, mode="r"))

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes of the store."""
        return dict(self.group.attrs)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The component table of ``state``."""
        return table_from_json(self.attributes["components"])

    @cached_property
    def observables(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape for one run of each observable."""
        return {name: tuple(shape) for name, shape in self.attributes["observables"].items()}

    def numbers(self, name: str) -> Int[np.ndarray, " length"]:
        """Read a small array."""
        return Source(self.path, self._array(name))[:]

    @cached_property
    def run(self) -> Int[np.ndarray, " run"]:
        """Index of each run in its condition."""
        return self.numbers("run")

    @cached_property
    def step(self) -> Int[np.ndarray, " step"]:
        """The recorded steps."""
        return self.numbers("step")

    @cached_property
    def outcome(self) -> tuple[Int[np.ndarray, " run"], Int[np.ndarray, " run"]]:
        """Status (0 ok, 1 diverged) and last finite step of each run."""
        return self.numbers(f"{RUNS}/status"), self.numbers(f"{RUNS}/last_step")

    def series(self, group: str) -> list[str]:
        """Names of the metrics in a group; none where the store has no such group."""
        if group not in self.group:
            return []
        skip = {"run", "seed", "copy", STEP_OF_GROUP[group]}
        return sorted(name for name in self._group(group).array_keys() if name not in skip)

    def lazy(self, name: str) -> da.Array:
        """The array as Dask blocks that are whole chunk files, or where those are large, parts of them."""
        array = self._array(name)
        chunks = list(array.chunks)
        if array.shards is not None:
            chunks[1] = array.shards[1]
        source = Source(self.path, array)
        return da.from_array(
            source,
            chunks=tuple(chunks),
            inline_array=True,
            meta=np.empty((0,) * array.ndim, array.dtype),
        )

    def _array(self, name: str) -> zarr.Array[Any]:
        array = self.group[name]
        if not isinstance(array, zarr.Array):
            raise OrreryError(f"{self.path}: '{name}' is not an array")
        return array

    def _group(self, name: str) -> zarr.Group:
        group = self.group[name]
        if not isinstance(group, zarr.Group):
            raise OrreryError(f"{self.path}: '{name}' is not a group")
        return group
