"""A system of one's own, as far as the configuration looks at it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orrery.config.closed import Closed


class Sgd(Closed):
    """Gradient descent."""

    kind: Literal["sgd"] = "sgd"
    rate: float = Field(gt=0)


class Adam(Closed):
    """Adam."""

    kind: Literal["adam"] = "adam"
    rate: float = Field(gt=0)
    betas: tuple[float, float] = (0.9, 0.999)


class Network(Closed):
    """Widths of the hidden layers."""

    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (8,)
    bias: bool = True


class Settings(Closed):
    """A network under an optimizer."""

    kind: str
    network: Network = Network()
    optimizer: Annotated[Sgd | Adam, Field(discriminator="kind")]
    start: tuple[float, ...] | float = Field(0.0, alias="from")
