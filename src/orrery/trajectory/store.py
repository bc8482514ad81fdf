"""Open one store of a trajectory: what it holds, with its large arrays left on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from orrery.trajectory.check import require_complete
from orrery.trajectory.components import Entry, table_from_json
from orrery.trajectory.layout import RUNS, STEP_OF_GROUP
from orrery.trajectory.place import Place, place_at
from orrery.trajectory.source import Source

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@dataclass(frozen=True)
class Store:
    """One finished store: a block of runs over a segment of steps.

    Attributes:
        path: where it lies.
        attributes: what it says about itself.
        arrays: metadata of each array by its path in the store.
    """

    path: Place
    attributes: Mapping[str, Any]
    arrays: Mapping[str, Mapping[str, Any]]

    @classmethod
    def open(cls, path: str | Place) -> Store:
        """Open the store at ``path`` after a look whether all its chunks are there.

        Raises:
            OrreryError: there is no store, it is no trajectory, or a chunk is missing.
        """
        place = place_at(path)
        arrays = require_complete(place)
        return cls(place, json.loads((place / "zarr.json").read_text())["attributes"], arrays)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The component table of ``state``."""
        return table_from_json(self.attributes["components"])

    @cached_property
    def observables(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape for one run of each observable."""
        return {name: tuple(shape) for name, shape in self.attributes["observables"].items()}

    def source(self, name: str) -> Source:
        """The array of this name, to be sliced."""
        return Source(self.path, name, self.arrays[name])

    def numbers(self, name: str) -> Int[np.ndarray, " length"]:
        """Read a small array."""
        return np.array(self.source(name)[:])

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
        skip = {"run", "seed", "copy", STEP_OF_GROUP[group]}
        names = (name.removeprefix(f"{group}/") for name in self.arrays if name.startswith(f"{group}/"))
        return sorted(name for name in names if name not in skip)

    def lazy(self, name: str) -> Float[da.Array, "run step ..."]:
        """The state, an observable or a metric, left on disk.

        Its blocks are whole chunk files, or where those are shards, parts of them.
        """
        source = self.source(name)
        chunks = list(source.chunk)
        if source.chunk != source.file:
            chunks[1] = source.file[1]
        empty = np.empty((0,) * source.ndim, source.dtype)
        return da.from_array(source, chunks=tuple(chunks), inline_array=True, meta=empty)
