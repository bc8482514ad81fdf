"""Write the small arrays of a store: coordinates, metrics, outcomes, the component table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import zarr

from orrery.trajectory import layout as lay
from orrery.trajectory.arrays import put
from orrery.trajectory.components import Entry
from orrery.trajectory.series import Series

if TYPE_CHECKING:
    from jaxtyping import Int


@dataclass(frozen=True)
class RunTable:
    """Index, seed and copy of each run."""

    run: Int[np.ndarray, " run"]
    seed: Int[np.ndarray, " run"]
    copy: Int[np.ndarray, " run"]

    def write(self, group: zarr.Group) -> None:
        """Write the coordinates of the runs into a group."""
        put(group, "run", self.run, ("run",), {"long_name": "index of the run in its condition"})
        put(group, "seed", self.seed, ("run",), {"long_name": "seed"})
        put(group, "copy", self.copy, ("run",), {"long_name": "copy; 0 is the original"})


def write_tables(
    root: zarr.Group,
    entries: Sequence[Entry],
    runs: RunTable,
    steps: Int[np.ndarray, " step"],
    series: Mapping[str, Mapping[str, Series]],
    status: Int[np.ndarray, " run"],
    last_step: Int[np.ndarray, " run"],
) -> None:
    """Write all that is known when the states are on disk.

    Args:
        root: group of the store.
        entries: the component table.
        runs: of the store.
        steps: the recorded steps.
        series: metrics by group and name.
        status: 0 or 1 (diverged) for each run.
        last_step: last finite step of each run.
    """
    runs.write(root)
    put(root, "step", steps, ("step",), {"long_name": "optimizer steps taken", "units": "1"})
    for name, metrics in series.items():
        _write_series(root, name, metrics, runs)
    outcomes = root.create_group(lay.RUNS, attributes={"coordinates": "copy seed"})
    runs.write(outcomes)
    meaning = {"long_name": "outcome", "flag_values": [0, 1], "flag_meanings": "ok diverged"}
    put(outcomes, "status", status, ("run",), meaning)
    put(
        outcomes,
        "last_step",
        last_step,
        ("run",),
        {"long_name": "last step with finite values", "units": "1"},
    )
    tensors = root.create_group(lay.TENSORS)
    offsets = np.asarray([entry.offset for entry in entries], np.int64)
    sizes = np.asarray([entry.size for entry in entries], np.int64)
    put(tensors, "offset", offsets, ("tensor",), {"long_name": "index of the first component of the tensor"})
    put(tensors, "size", sizes, ("tensor",), {"long_name": "number of components of the tensor"})


def _write_series(root: zarr.Group, name: str, metrics: Mapping[str, Series], runs: RunTable) -> None:
    steps = np.asarray(sorted({step for metric in metrics.values() for step in metric.steps}), np.int64)
    if not len(steps):
        return
    group = root.create_group(name, attributes={"coordinates": "copy seed"})
    runs.write(group)
    dim = lay.STEP_OF_GROUP[name]
    put(group, dim, steps, (dim,), {"long_name": "optimizer steps taken", "units": "1"})
    for label, metric in metrics.items():
        put(group, label, metric.at(steps), ("run", dim), {"long_name": label})
