"""Settings of how weights start."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from orrery.config.closed import Closed


class TensorStart(Closed):
    """How one tensor starts."""

    kind: Literal["normal", "normal-fan-in", "uniform-fan-in", "uniform", "zero"] = Field(
        description="distribution, s being the spread: normal of deviation s, or s/sqrt(fan_in); uniform within "
        "1/sqrt(fan_in), or within s; or all zero"
    )
    spread: float | None = Field(None, gt=0, description="s; 1 where absent")

    @model_validator(mode="after")
    def _spread_where_it_counts(self) -> TensorStart:
        if self.spread is not None and self.kind in ("zero", "uniform-fan-in"):
            raise ValueError(f"'spread' has no meaning for '{self.kind}'; leave it out")
        return self


class Initialisation(Closed):
    """How the weights start. Every tensor has its own draw, keyed by its name and shape.

    ``default`` is PyTorch's (for linear layers: uniform within 1/sqrt(fan_in), biases too). A bias has the fan_in of
    its layer. He's start for ReLU is ``normal-fan-in`` with ``spread: 1.4142135623730951`` and ``biases: zero``.

    ``kinks`` is for one hidden layer over one input x: weights c ~ N(0, 1), biases \\|c\\| U(-1, 1), so that the kinks
    of ReLU units are uniform in -1 < x < 1; weights of the output N(0, s^2) with s = 1/sqrt(units) where ``spread`` is
    absent; bias of the output zero.

    Gamma and beta of batch normalisation always start at 1 and 0.
    """

    kind: Literal["default", "normal", "normal-fan-in", "uniform-fan-in", "uniform", "kinks"] = Field(
        "default",
        description="distribution of the weights, s being the spread: PyTorch's; normal of "
        "deviation s, or s/sqrt(fan_in); uniform within 1/sqrt(fan_in), or within s; or 'kinks'",
    )
    spread: float | None = Field(
        None,
        gt=0,
        description="standard deviation s of normal and normal-fan-in (s/sqrt(fan_in)), half width of uniform; "
        "1 where absent; of kinks that of the weights of the output",
    )
    scale: float = Field(1.0, description="factor on every weight and bias after the draw")
    biases: Literal["drawn", "zero"] = Field("drawn", description="biases drawn like weights, or zero")
    tensors: dict[str, TensorStart] = Field(
        default_factory=dict, description="tensors that start otherwise, by name, e.g. fc2.weight"
    )

    @model_validator(mode="after")
    def _spread_where_it_counts(self) -> Initialisation:
        if self.spread is not None and self.kind in ("default", "uniform-fan-in"):
            raise ValueError(f"'spread' has no meaning for '{self.kind}'; use 'scale'")
        return self
