"""Bisection in several coordinates at once: the midpoint replaces one end, by the sign of f at the midpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from orrery.config.closed import Closed
from orrery.systems.starts import Grid

if TYPE_CHECKING:
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.system import System


class Settings(Closed):
    """Bisection: z = (a + b)/2; f(z) < 0 sets a = z, f(z) > 0 sets b = z, f(z) = 0 stops the run."""

    kind: Literal["bisection"] = "bisection"
    objective: Literal["tangent", "square", "quartic"] = Field(
        "tangent", description="f(x) = sum over coordinates of tan x, x^2 or x^4"
    )
    left: Grid = Field(description="grid of left ends a; seed n takes point n of both grids")
    right: Grid = Field(description="grid of right ends b")

    @model_validator(mode="after")
    def _paired(self) -> Settings:
        if (self.left.points, self.left.dimension) != (self.right.points, self.right.dimension):
            raise ValueError(
                "'left' and 'right' are paired point by point; give both the same points and coordinates"
            )
        return self


def build(
    settings: Settings, *, dataset: Any = None, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of these settings: components ``a``, ``b``, ``stopped``; observable ``midpoint``."""
    from orrery.systems.bracketing import bisection_system

    return bisection_system(
        objective=settings.objective,
        left=settings.left,
        right=settings.right,
        dtype=dtype,
        device=device,
        streams=streams,
    )
