"""Which runs and tensors of a trajectory the analyses of stability read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from orrery.config.errors import OrreryError
from orrery.systems.system import MOVED

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory


def moving_tensors(trajectory: Trajectory, patterns: Sequence[str], analysis: str) -> list[str]:
    """Names or patterns of the tensors that are read: all weights, biases and variables where none are given.

    Raises:
        OrreryError: none of these was recorded.
    """
    if patterns:
        return list(patterns)
    names = [entry.name for entry in trajectory.components if entry.role in MOVED]
    if not names:
        raise OrreryError(
            f"{analysis}: no weight, bias or variable was recorded; write record: {{state: all}}, or name what is "
            "read under tensors"
        )
    return names


def rows_of(
    array: Float[xr.DataArray, "run step component"],
) -> tuple[Int[np.ndarray, " seed"], Int[np.ndarray, " copy"], Int[np.ndarray, "seed copy"]]:
    """Seeds in their order, copies in ascending order, and the place of each along ``run`` of ``array(run, step)``.

    Raises:
        OrreryError: the seeds do not have the same copies.
    """
    of_seed: dict[int, dict[int, int]] = {}
    pairs = zip(array["seed"].values.tolist(), array["copy"].values.tolist(), strict=True)
    for place, (seed, copy) in enumerate(pairs):
        of_seed.setdefault(seed, {})[copy] = place
    copies = sorted({copy for places in of_seed.values() for copy in places})
    if any(sorted(places) != copies for places in of_seed.values()):
        raise OrreryError(
            "the seeds of the trajectory do not all have the same copies; train them in one study"
        )
    rows = np.array([[places[copy] for copy in copies] for places in of_seed.values()], dtype=int)
    return np.array(list(of_seed), dtype=int), np.array(copies, dtype=int), rows.reshape(len(of_seed), -1)


def every_step(steps: Int[np.ndarray, " step"], analysis: str, what: str) -> None:
    """Refuse steps with gaps.

    Raises:
        OrreryError: two neighbouring steps are more than one apart.
    """
    wide = np.flatnonzero(np.diff(steps) != 1)
    if wide.size:
        first, second = steps[wide[0]], steps[wide[0] + 1]
        raise OrreryError(
            f"{analysis}: {what} need every step, and step {first} is followed by step {second}; record every step "
            "(record.steps: {every: 1}), or read a window without gaps (steps)"
        )


def evenly(count: int, most: int) -> Int[np.ndarray, " place"]:
    """At most ``most`` places of ``count``, evenly spaced, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))
