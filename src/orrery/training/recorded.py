"""States that training recorded whole: one that a replay may start from, and all of a stretch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.systems.tangents import unpacked
from orrery.trajectory.store import Store

if TYPE_CHECKING:
    from orrery.systems.system import Component, State, System
    from orrery.trajectory.components import Entry
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
    if "state" not in data or not _whole(recorded.components, system.components):
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


def last_recorded(
    stores: Sequence[Place], components: Sequence[Component], dtype: torch.dtype, after: int, until: int
) -> tuple[int, State] | None:
    """The last whole state that some stores of the same runs hold in a range of steps.

    Args:
        stores: trajectories of the same runs, of any segments.
        components: of the state; a store of which one is missing holds no whole state.
        dtype: of the training; a store in another precision does not hold its bits.
        after: the step must be larger than this.
        until: and no larger than this.

    Returns:
        Step and state, with the bits and the precision of the training; ``None`` where there is none, or where a run
        had diverged there: recorded is NaN, whatever it was.

    Raises:
        OrreryError: a store is damaged.
    """
    best: tuple[int, int, Store] | None = None
    for store in map(Store.open, stores):
        if not _whole(store.entries, components):
            continue
        places = np.flatnonzero((store.step > after) & (store.step <= until))
        if places.size:
            place = int(places[-1])
            after = int(store.step[place])
            best = after, place, store
    if best is None:
        return None
    step, place, store = best
    vectors = torch.from_numpy(store.source("state")[:, place])
    if vectors.dtype != dtype or not torch.isfinite(vectors).all():
        return None
    # Copies into memory of torch, each of its own: kernels may give other bits for views.
    return step, {name: tensor.contiguous().clone() for name, tensor in unpacked(vectors, components).items()}


def _whole(recorded: Sequence[Entry], components: Sequence[Component]) -> bool:
    """Whether what was recorded is all tensors of the state."""
    return [(entry.name, tuple(entry.shape)) for entry in recorded] == [
        (component.name, tuple(component.shape)) for component in components
    ]
