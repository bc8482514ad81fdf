"""Online mirror descent with the log barrier: x <- clip(x / (1 + rate x f'(x)), lower, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from orrery.config.closed import Closed
from orrery.systems.starts import Grid

if TYPE_CHECKING:
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.system import System


class Settings(Closed):
    """Online mirror descent with the log barrier: x <- clip(x / (1 + rate x f'(x)), lower, 1)."""

    kind: Literal["mirror-descent"] = "mirror-descent"
    objective: Literal["tangent", "square", "quartic"] = Field(
        "tangent", description="f(x) = sum over coordinates of tan x, x^2 or x^4"
    )
    rate: float = Field(gt=0, description="step size")
    lower: float = Field(0.01, gt=0, lt=1, description="lower end of the box in x; the upper end is 1")
    start: Grid = Field(description="grid of starts of x; seed n starts at grid point n")


def build(
    settings: Settings, *, dataset: Any = None, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of these settings; its state is the variable ``x`` of shape (run, coordinate)."""
    from orrery.systems.descent import descent_system, mirror_descent

    return descent_system(
        mirror_descent,
        name="x",
        primal=lambda x: x,
        objective=settings.objective,
        rate=settings.rate,
        lower=settings.lower,
        start=settings.start,
        dtype=dtype,
        device=device,
        streams=streams,
    )
