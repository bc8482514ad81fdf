"""The bisection map and its system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from orrery.numerics.streams import Streams
from orrery.systems.objectives import OBJECTIVES, Objective
from orrery.systems.starts import Grid, grid_starts
from orrery.systems.system import Component, Runs, System

if TYPE_CHECKING:
    from orrery.systems.system import Batch, Byproducts, State


def bisection(state: State, objective: Objective) -> State:
    """One step of bisection, batched over runs.

    The ends are points of several coordinates, f(z) is a scalar. Where f(z) is exactly zero the run stops and from
    then on its ends and its midpoint are zero (arXiv 2302.09160, released code): most runs of the symmetric grids
    stop at some (c, -c), so that holding the last midpoint instead would change the spectra.
    """
    a, b, stopped = state["a"], state["b"], state["stopped"]
    middle = (a + b) / 2
    value = objective.total(middle)[..., None]
    hit = (value == 0) | (stopped[..., None] != 0)
    zero = torch.zeros_like(a)
    return {
        "a": torch.where(hit, zero, torch.where(value < 0, middle, a)),
        "b": torch.where(hit, zero, torch.where(value > 0, middle, b)),
        "stopped": torch.where(hit[..., 0], torch.ones_like(stopped), stopped),
    }


def bisection_system(
    *, objective: str, left: Grid, right: Grid, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of bisection from paired grids of ends; its loss is \\|f\\| at the midpoint."""
    function = OBJECTIVES[objective]

    def initial(runs: Runs) -> State:
        indices = [streams.integer("init", seed) for seed in runs.seeds]
        return {
            "a": torch.tensor(grid_starts(left, indices, "system.left"), dtype=dtype, device=device),
            "b": torch.tensor(grid_starts(right, indices, "system.right"), dtype=dtype, device=device),
            "stopped": torch.zeros(runs.count, dtype=dtype, device=device),
        }

    def batch(runs: Runs, t: int) -> Batch:
        return {}

    def midpoint(state: State) -> torch.Tensor:
        return (state["a"] + state["b"]) / 2

    def loss(state: State) -> torch.Tensor:
        return function.total(midpoint(state)).abs()

    def advance(state: State, batch: Batch, t: int) -> tuple[State, Byproducts]:
        return bisection(state, function), {"loss": loss(state)}

    dimension = left.dimension
    return System(
        components=(
            Component("a", (dimension,), "variable", ("coordinate",)),
            Component("b", (dimension,), "variable", ("coordinate",)),
            Component("stopped", (), "flag"),
        ),
        initial=initial,
        batch=batch,
        advance=advance,
        observables={"midpoint": ((dimension,), midpoint)},
        metrics={"objective": loss},
    )
