"""States that training recorded whole: what a replay may start from, as from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.systems.tangents import unpacked
from orrery.trajectory.store import Store

if TYPE_CHECKING:
    from orrery.systems.system import Component, State
    from orrery.trajectory.place import Place


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
        if [(entry.name, entry.shape) for entry in store.entries] != [
            (component.name, component.shape) for component in components
        ]:
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
