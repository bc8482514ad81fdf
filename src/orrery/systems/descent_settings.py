"""The settings that mirror, dual and plain descent share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orrery.config.closed import Closed
from orrery.systems.starts import Grid


class DescentSettings(Closed):
    """A descent map of one variable; each adds its ``kind``."""

    objective: Literal["tangent", "square", "quartic"] = Field(
        "tangent", description="f(x) = sum over coordinates of tan x, x^2 or x^4"
    )
    rate: float = Field(gt=0, description="step size")
    lower: float = Field(0.01, gt=0, lt=1, description="lower end of the box in x; the upper end is 1")
    start: Grid = Field(description="grid of starts of the variable; seed n starts at grid point n")
