"""The descent maps of one variable, shared by mirror, dual and plain descent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float

from orrery.numerics.streams import Streams
from orrery.systems.objectives import OBJECTIVES, Objective
from orrery.systems.starts import grid_starts
from orrery.systems.system import Component, Runs, System

if TYPE_CHECKING:
    from orrery.systems.descent_settings import DescentSettings
    from orrery.systems.system import Batch, Byproducts, State

Variable = Float[torch.Tensor, "run coordinate"]
Rate = float | Float[torch.Tensor, "run 1"]  # one number, or one per run


def mirror_descent(x: Variable, objective: Objective, rate: Rate, lower: float) -> Variable:
    """Online mirror descent with the log barrier: x <- clip(x / (1 + rate x f'(x)), lower, 1).

    Source: regulariser R(x) = -sum log x (Ghai, Lu, Hazan, arXiv 2205.15235); the Bregman projection on a box is a
    clip. Conjugate to :func:`dual_descent` by u = log x as the rate goes to zero.
    """
    return torch.clip(x / (1 + rate * x * objective.slope(x)), lower, 1.0)


def dual_descent(u: Variable, objective: Objective, rate: Rate, lower: float) -> Variable:
    """Online gradient descent in u = log x: u <- clip(u - rate e^u f'(e^u), log lower, 0)."""
    x = torch.exp(u)
    return torch.clip(u - rate * x * objective.slope(x), math.log(lower), 0.0)


def plain_descent(x: Variable, objective: Objective, rate: Rate, lower: float) -> Variable:
    """Gradient descent on x, clipped to the same box: x <- clip(x - rate f'(x), lower, 1)."""
    return torch.clip(x - rate * objective.slope(x), lower, 1.0)


def descent_system(
    update: Callable[[Variable, Objective, Rate, float], Variable],
    settings: DescentSettings,
    *,
    name: str,
    primal: Callable[[Variable], Variable],
    dtype: torch.dtype,
    device: torch.device,
    streams: Streams,
    edge: Callable[[float], float] | None = None,
) -> System:
    """The system of one descent map.

    Args:
        update: one of the maps above.
        settings: objective, rate, lower end of the box, starts.
        name: name of the variable in the state.
        primal: takes the variable to x, where the objective is evaluated.
        dtype, device: of the state.
        streams: the stream ``init`` chooses the grid point.
        edge: rate to the edge of stability inside the box, for maps that follow the gradient of the loss.
    """
    function = OBJECTIVES[settings.objective]

    def initial(runs: Runs) -> State:
        points = grid_starts(settings.start, [streams.integer("init", seed) for seed in runs.seeds])
        return {name: torch.tensor(points, dtype=dtype, device=device)}

    def batch(runs: Runs, t: int) -> Batch:
        return {}

    def loss(state: State) -> torch.Tensor:
        return function.total(primal(state[name]))

    def gradient(state: State, batch: Batch, t: int) -> State:
        return dict(torch.func.grad(lambda at: loss(at).sum())(state))

    def advance(state: State, batch: Batch, t: int) -> tuple[State, Byproducts]:
        return {name: update(state[name], function, settings.rate, settings.lower)}, {"loss": loss(state)}

    return System(
        components=(Component(name, (settings.start.dimension,), "variable", ("coordinate",)),),
        initial=initial,
        batch=batch,
        advance=advance,
        metrics={"objective": loss},
        clock=lambda t: None,
        gradient=gradient,
        whole=dict,
        edge=None if edge is None else lambda t: edge(settings.rate),
    )
