"""The map of a softmax network whose hidden layer is saturated: all samples share one vector of logits.

Where the hidden units of a network with softmax outputs and cross-entropy no longer vary over the samples, gradient
descent moves one vector z of logits by ``z' = z - effective_rate (softmax(z) - f)``, f being the class fractions of the
training samples. With h_j the constant outputs of the hidden units, the effective rate is
``rate (1 + sum_j h_j^2)``: for m units saturated at 1 and the others at 0, ``rate (1 + m)``.

The fixed point is softmax(z) = f with the loss H(f), stable while the effective rate is below 2 over the largest
eigenvalue of diag f - f f^T. The sum of z is conserved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from orrery.config.closed import Closed
from orrery.systems.starts import Start, check_dimension

if TYPE_CHECKING:
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.system import System

Share = Annotated[float, Field(gt=0)]


class Settings(Closed):
    """z' = z - effective_rate (softmax(z) - f), with the loss -sum f log softmax(z)."""

    kind: Literal["softmax-map"] = "softmax-map"
    effective_rate: float = Field(
        gt=0, description="learning rate times 1 + the sum of the squared outputs of the hidden units"
    )
    fractions: Annotated[tuple[Share, ...], Field(min_length=2)] = Field(
        description="fractions or counts of the classes, e.g. [39, 40, 41]; divided by their sum"
    )
    start: Start | None = Field(
        None, description="where the logits start; drawn from the cube from -3 to 3 where absent"
    )

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        check_dimension(self.start, len(self.fractions))
        return self


def build(
    settings: Settings, *, dataset: Any = None, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of these settings: state ``logits``, by-product ``loss``, observable ``probabilities``."""
    import torch

    from orrery.systems.points import point_system

    counts = torch.tensor(settings.fractions, dtype=torch.float64)
    fractions = (counts / counts.sum()).to(dtype=dtype, device=device)
    classes = len(settings.fractions)

    def probabilities(logits: torch.Tensor) -> torch.Tensor:
        return torch.softmax(logits, dim=-1)

    return point_system(
        lambda logits: logits - settings.effective_rate * (probabilities(logits) - fractions),
        settings.start,
        ((-3.0,) * classes, (3.0,) * classes),
        dtype=dtype,
        device=device,
        streams=streams,
        name="logits",
        loss=lambda logits: -(fractions * torch.log_softmax(logits, dim=-1)).sum(dim=-1),
        observables={"probabilities": probabilities},
    )
