"""States of a stretch of runs from what training recorded, where that is all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.systems.tangents import unpacked

if TYPE_CHECKING:
    from orrery.systems.system import State, System
    from orrery.trajectory.place import Place

WORTH_READING = 2**12
"""Components of a state from which reading costs less than a step."""


def recorded_states(
    stores: Sequence[Place], system: System, dtype: torch.dtype, first: int, last: int
) -> Iterator[tuple[int, State]] | None:
    """Step and state of all runs from ``first`` to ``last``, or ``None`` where these are to be iterated again.

    They are iterated again where a step is missing, or a tensor, where the store is less precise than training was,
    where a run diverged (recorded is NaN, from there on), and where a step costs less than reading its state.

    Args:
        stores: of the same runs, one per segment.
        system: of these runs.
        dtype: of the training.
        first, last: steps.

    Raises:
        OrreryError: a store is damaged.
    """
    if system.size < WORTH_READING or not stores:
        return None
    from orrery.trajectory.trajectory import Trajectory

    recorded = Trajectory.open(list(stores))
    data = recorded.dataset
    if "state" not in data or [entry.name for entry in recorded.components] != [
        component.name for component in system.components
    ]:
        return None
    steps = np.asarray(recorded.steps)
    places = np.flatnonzero((steps >= first) & (steps <= last))
    exact = np.dtype(str(dtype).removeprefix("torch.")) == data["state"].dtype
    if not exact or len(places) != last - first + 1 or (data["status"].values == 1).any():
        return None
    begin, end = int(places[0]), int(places[-1]) + 1

    def states() -> Iterator[tuple[int, State]]:
        # As it lies on disk, so that no chunk is read twice.
        for low, high in pairwise(accumulate(data["state"].chunksizes["step"], initial=0)):
            chosen = range(max(low, begin), min(high, end))
            if not chosen:
                continue
            values = data["state"].isel(step=slice(chosen.start, chosen.stop)).values
            for place, step in enumerate(chosen):
                vectors = torch.from_numpy(np.ascontiguousarray(values[:, place]))
                yield int(steps[step]), unpacked(vectors, system.components)

    return states()
