"""Systems whose state is one point of few coordinates, moved by a function of the point alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float

from orrery.numerics.streams import Streams
from orrery.systems.starts import Box, Start, starting_points
from orrery.systems.system import Component, Runs, System

if TYPE_CHECKING:
    from orrery.systems.reference_map_settings import Corners
    from orrery.systems.system import Batch, Byproducts, State

Point = Float[torch.Tensor, "run coordinate"]


def point_system(
    move: Callable[[Point], Point],
    start: Start | None,
    box: Corners,
    *,
    dtype: torch.dtype,
    device: torch.device,
    streams: Streams,
    name: str = "point",
    loss: Callable[[Point], Float[torch.Tensor, " run"]] | None = None,
    observables: Mapping[str, Callable[[Point], Float[torch.Tensor, "run coordinate"]]] | None = None,
) -> System:
    """The system of a function of a point.

    Args:
        move: one step; pure, and differentiable almost everywhere.
        start: where runs start.
        box: from which they are drawn where ``start`` is absent.
        dtype, device: of the state.
        streams: the stream ``init`` chooses or draws the start.
        name: of the point in the state.
        loss: by-product of the old state, where there is one.
        observables: functions with as many values as the point has coordinates.
    """
    chosen = start if start is not None else Box(from_=box[0], to=box[1])
    dimension = chosen.dimension

    def initial(runs: Runs) -> State:
        return {name: torch.tensor(starting_points(chosen, runs.seeds, streams), dtype=dtype, device=device)}

    def batch(runs: Runs, t: int) -> Batch:
        return {}

    def advance(state: State, batch: Batch, t: int) -> tuple[State, Byproducts]:
        told = {} if loss is None else {"loss": loss(state[name])}
        return {name: move(state[name])}, told

    def of_state(
        function: Callable[[Point], Float[torch.Tensor, "run ..."]],
    ) -> Callable[[State], Float[torch.Tensor, "run ..."]]:
        return lambda state: function(state[name])

    return System(
        components=(Component(name, (dimension,), "variable", ("coordinate",)),),
        initial=initial,
        batch=batch,
        advance=advance,
        observables={
            label: ((dimension,), of_state(function)) for label, function in (observables or {}).items()
        },
        metrics={} if loss is None else {"loss": of_state(loss)},
        byproducts=() if loss is None else ("loss",),
        clock=lambda t: None,
    )
