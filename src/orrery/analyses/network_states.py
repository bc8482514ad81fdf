"""Recorded networks at a few moments of their training, all seeds and moments stacked as runs of one state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from orrery.analyses.recorded_states import read_by_gradients, states_of_originals, tensors_of
from orrery.config.errors import OrreryError
from orrery.systems.forward import Forward
from orrery.systems.system import Component, System

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.api import Context
    from orrery.systems.system import State
    from orrery.trajectory.trajectory import Trajectory

ROOM = 2**24
"""Numbers that the networks asked together may need at a time."""


@dataclass(frozen=True)
class Networks:
    """The originals (lowest copy) of all seeds at the chosen moments.

    Attributes:
        system: of the condition, in float64.
        forward: what it makes of inputs.
        seeds: one per run.
        steps: one per moment.
        inputs: all training samples.
        targets: theirs.
    """

    system: System
    forward: Forward
    seeds: tuple[int, ...]
    steps: Int[np.ndarray, " moment"]
    inputs: Float[torch.Tensor, "sample feature"]
    targets: Float[torch.Tensor, "sample output"]
    _components: tuple[Component, ...]
    _states: xr.DataArray

    def portions(self, numbers: int) -> Iterator[tuple[slice, State, Bool[np.ndarray, "seed moment"]]]:
        """Some moments of all seeds at a time, as many as there is room for.

        Args:
            numbers: how many numbers are needed for one network.

        Yields:
            Which moments; their state, tensors ``(run, *shape)`` with the runs seed-major, moments innermost; and which
            of them are finite: those that are not are zero in the state.
        """
        together = max(1, ROOM // max(1, numbers * len(self.seeds)))
        for first in range(0, len(self.steps), together):
            chosen = slice(first, min(first + together, len(self.steps)))
            values = self._states.isel(step=chosen).values.astype(np.float64)
            finite = np.asarray(np.isfinite(values).all(axis=2))
            values[~finite] = 0.0
            yield chosen, tensors_of(values.reshape(-1, values.shape[2]), self._components), finite


def networks_of(
    source: Trajectory, context: Context, moments: int | Int[np.ndarray, " moment"], analysis: str
) -> Networks:
    """Open what an analysis of functions of the network reads.

    Args:
        source: with the recorded states.
        context: builds the system.
        moments: as many of the recorded steps at most, see :func:`spread`; or the places of the steps themselves.
        analysis: for messages.

    Raises:
        OrreryError: the system is no network, it has no whole training set, or its weights were not recorded.
    """
    assert context.system is not None
    system: System = context.system(dtype="float64")
    if system.forward is None or system.whole is None:
        raise OrreryError(
            f"{analysis}: this system is no network with a training set; leave its conditions out of 'conditions'"
        )
    wanted = read_by_gradients(source, system.components, analysis, "the network needs all its weights")
    places = spread(np.asarray(source.steps), moments) if isinstance(moments, int) else moments
    whole = system.whole()
    states = states_of_originals(source, wanted).isel(step=places)
    return Networks(
        system,
        system.forward,
        tuple(source.seeds),
        np.asarray(source.steps)[places],
        whole["inputs"][0].double(),
        whole["targets"][0].double(),
        wanted,
        states,
    )


def spread(steps: Int[np.ndarray, " step"], most: int) -> Int[np.ndarray, " moment"]:
    """Places of at most so many steps, evenly spread in log(1 + step), the first and the last among them."""
    if most >= len(steps):
        return np.arange(len(steps))
    if most == 1:
        return np.array([len(steps) - 1])
    at = np.log1p(steps - steps[0])
    wanted = np.linspace(at[0], at[-1], most)
    above = np.clip(np.searchsorted(at, wanted), 1, len(at) - 1)
    nearer = np.where(wanted - at[above - 1] < at[above] - wanted, above - 1, above)
    return np.unique(nearer)
