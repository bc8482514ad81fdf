"""Settings of fully connected networks: layers, batch normalisation, dropout, residual connections."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from orrery.config.closed import Closed

Width = Annotated[int, Field(ge=1)]


class BatchNormalisation(Closed):
    """Before every activation, as ``torch.nn.BatchNorm1d``: gamma (field - mean) / sqrt(variance + epsilon) + beta.

    A training step takes mean and variance (divided by the number of samples n) of its batch and updates the running
    ones, the variance divided by n - 1; evaluation takes the running ones.
    """

    kind: Literal["batch"] = Field("batch", description="which normalisation")
    momentum: float = Field(
        0.1, gt=0, le=1, description="alpha of the running statistics, m <- (1 - alpha) m + alpha m_batch"
    )
    epsilon: float = Field(1e-5, gt=0, description="added to the variance")


class Equal(Closed):
    """Hidden layers of one width."""

    layers: int = Field(ge=0, description="how many hidden layers")
    width: Width = Field(description="units of each")


class Mlp(Closed):
    """A fully connected network; tensors ``fc1.weight`` (output, input), ``fc1.bias``, ``fc2.weight`` ...

    With batch normalisation also ``bn1.weight`` (gamma), ``bn1.bias`` (beta), ``bn1.running_mean``,
    ``bn1.running_var``, for each hidden layer.
    """

    kind: Literal["mlp"] = Field("mlp", description="which network")
    hidden: tuple[Width, ...] = Field(
        description="widths of the hidden layers, or {layers: 12, width: 256} for equal ones; the dataset gives input "
        "and output"
    )
    activation: Literal["relu", "gelu", "tanh", "elu", "sigmoid", "identity"] = Field(
        "relu", description="after every hidden layer"
    )
    bias: bool = Field(True, description="whether the layers have biases")
    normalisation: BatchNormalisation | None = Field(
        None, description="before every activation; none where absent"
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="probability that a unit is left out of a step, after every activation; the others are divided by "
        "1 - probability",
    )
    residual: bool = Field(
        False, description="every hidden layer but the first adds its input to its output; equal widths only"
    )

    @field_validator("hidden", mode="before", json_schema_input_type=tuple[Width, ...] | Equal)
    @classmethod
    def _written_out(cls, value: Any) -> Any:
        if isinstance(value, dict):
            equal = Equal.model_validate(value)
            return (equal.width,) * equal.layers
        return value

    @model_validator(mode="after")
    def _fits_the_layers(self) -> Mlp:
        if self.residual and len(set(self.hidden)) > 1:
            raise ValueError(
                f"'residual' needs hidden layers of one width, and these are {', '.join(map(str, self.hidden))} wide; "
                "write equal widths"
            )
        if self.residual and len(self.hidden) < 2:
            raise ValueError("'residual' connects hidden layers; write at least two of them")
        for name in ("normalisation", "dropout"):
            if getattr(self, name) and not self.hidden:
                raise ValueError(f"'{name}' acts on hidden layers, and there are none; leave it out")
        return self
