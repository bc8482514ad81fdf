"""A quadratic loss under the optimizers of networks: f(w) = (1/2) sum_i h_i w_i^2, whose exponents are known.

Under plain descent each weight is multiplied by 1 - rate h_i. With momentum mu the multipliers of a weight and its
velocity are the two roots of x^2 - (1 + mu - rate h_i) x + mu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from orrery.config.closed import Closed
from orrery.systems.network_settings import AnyOptimizer
from orrery.systems.starts import Start, check_dimension

if TYPE_CHECKING:
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.system import Batch, Byproducts, Runs, State, System


class Settings(Closed):
    """f(w) = (1/2) sum_i h_i w_i^2 under an optimizer."""

    kind: Literal["quadratic-loss"] = "quadratic-loss"
    curvatures: Annotated[tuple[float, ...], Field(min_length=1)] = Field(
        description="h_i, one per weight: the eigenvalues of the Hessian; negative ones make a saddle"
    )
    optimizer: AnyOptimizer = Field(description="how a step follows from the gradient, as of a network")
    start: Start | None = Field(
        None, description="where the weights start; drawn from the cube from -1 to 1 where absent"
    )

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        check_dimension(self.start, len(self.curvatures))
        return self


def build(
    settings: Settings, *, dataset: Any = None, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of these settings: state ``w`` and what the optimizer carries, ``w.momentum`` and so on."""
    import torch

    from orrery.systems.gradients import Dense
    from orrery.systems.optimizers import optimizer_of
    from orrery.systems.starts import Box, starting_points
    from orrery.systems.system import Component, System

    size = len(settings.curvatures)
    curvatures = torch.tensor(settings.curvatures, dtype=dtype, device=device)
    start = settings.start if settings.start is not None else Box(from_=(-1.0,) * size, to=(1.0,) * size)
    optimizer = optimizer_of(settings.optimizer)
    carried = tuple(
        Component(f"w.{ending}", (size,), role, ("coordinate",)) for ending, role in optimizer.buffers
    )

    def initial(runs: Runs) -> State:
        points = torch.tensor(starting_points(start, runs.seeds, streams), dtype=dtype, device=device)
        return {"w": points, **{component.name: torch.zeros_like(points) for component in carried}}

    def batch(runs: Runs, t: int) -> Batch:
        return {}

    def loss(state: State) -> torch.Tensor:
        return (curvatures * state["w"] ** 2).sum(dim=-1) / 2

    def advance(state: State, batch: Batch, t: int) -> tuple[State, Byproducts]:
        buffers = tuple(state[component.name] for component in carried)
        gradient = Dense(curvatures * state["w"])
        moved, after = optimizer.update(state["w"], gradient, buffers, settings.optimizer.rate, t)
        named = {component.name: buffer for component, buffer in zip(carried, after, strict=True)}
        return {"w": moved, **named}, {"loss": loss(state)}

    return System(
        components=(Component("w", (size,), "weight", ("coordinate",)), *carried),
        initial=initial,
        batch=batch,
        advance=advance,
        metrics={"loss": loss},
        clock=(lambda t: None) if optimizer.steady else None,
    )
