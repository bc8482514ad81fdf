"""Iterate the map through a stretch of steps and hand every state to a recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from orrery.systems.system import Runs
from orrery.training.progress import Progress
from orrery.training.recording import blank_runs
from orrery.training.stepper import Stepper

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool

    from orrery.systems.system import Byproducts, State


class Receiver(Protocol):
    """What takes every state: a ``Recorder``, or those of several conditions that train together."""

    @property
    def gone(self) -> Bool[np.ndarray, " run"]:
        """The runs known to have diverged."""

    @property
    def all_stopped(self) -> bool:
        """Whether these are all runs."""

    def put(self, step: int, state: State, byproducts: Byproducts) -> bool:
        """Take a state; whether further runs were found to have diverged."""

    def flush(self) -> bool:
        """Hand on what is left; likewise."""


def iterate(
    stepper: Stepper, runs: Runs, state: State, first: int, last: int, recorder: Receiver, progress: Progress
) -> State:
    """Iterate the map; the state after ``last``, with NaN in the runs that diverged.

    A state is judged by its own loss, which ``advance`` gives with the next one; so the map is applied once more at
    ``last``, and its result thrown away.
    """
    system = stepper.system
    device = next(iter(state.values())).device
    lost = {name: torch.full((runs.count,), torch.nan, device=device) for name in system.byproducts}
    for t in range(first, last + 1):
        if recorder.all_stopped:
            after, byproducts = state, lost
        else:
            after, byproducts = stepper.advance(state, system.batch(runs, t), t)
        found = recorder.put(t, state, byproducts)
        if t == last:
            found = recorder.flush() or found
            after = state
        if found:
            gone = torch.from_numpy(recorder.gone)
            after = {name: blank_runs(tensor, gone) for name, tensor in after.items()}
        state = after
        progress.advance(t)
    return state
