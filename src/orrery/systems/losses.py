"""Losses with their output link, factor and reduction, and their gradient with respect to the last layer.

Targets are always one row of numbers per sample: one-hot rows for labels. Outputs may have their class axis anywhere,
so that the same code serves networks that keep samples last and modules that keep them first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from orrery.systems.network_settings import BinaryCrossEntropy, CrossEntropy, Mse
from orrery.systems.network_settings import Loss as LossSettings

if TYPE_CHECKING:
    from jaxtyping import Float


@dataclass(frozen=True)
class Loss:
    """A loss on the last layer.

    Attributes:
        kind: ``likelihood`` (cross-entropy, nll), ``squares``, or ``binary`` (the likelihood of each output by itself).
        link: applied to the last layer before the loss.
        reduction: ``mean``, ``sum`` or ``sample-mean``.
        factor: on the whole.
    """

    kind: str
    link: str
    reduction: str
    factor: float

    def weight(self, samples: int, outputs: int) -> float:
        """What multiplies the sum over samples and outputs."""
        if self.reduction == "sum":
            return self.factor
        if self.reduction == "mean" and self.kind != "likelihood":
            return self.factor / (samples * outputs)
        return self.factor / samples

    def value(
        self, layer: Float[torch.Tensor, "sample output"], targets: Float[torch.Tensor, "sample output"]
    ) -> Float[torch.Tensor, ""]:
        """The loss of one run, from its last layer before the link."""
        weight = self.weight(layer.shape[0], layer.shape[1])
        if self.kind == "binary":
            return _binary(layer, targets).sum() * weight
        outputs = self.outputs(layer, axis=-1)
        if self.kind == "squares":
            return ((outputs - targets) ** 2).sum() * weight
        return -(outputs * targets).sum() * weight

    def summed(
        self, layer: Float[torch.Tensor, "run output sample"], targets: Float[torch.Tensor, "output sample"]
    ) -> Float[torch.Tensor, " run"]:
        """Sum over samples and outputs without factor; all runs have the same targets."""
        if self.kind == "binary":
            return _binary(layer, targets).sum(dim=(1, 2))
        outputs = self.outputs(layer, axis=1)
        if self.kind == "squares":
            return ((outputs - targets) ** 2).sum(dim=(1, 2))
        return -(outputs * targets).sum(dim=(1, 2))

    def outputs(self, layer: Float[torch.Tensor, "*shape"], axis: int) -> Float[torch.Tensor, "*shape"]:
        """The last layer after the link; ``axis`` is that of the outputs."""
        match self.link:
            case "log-softmax":
                return torch.log_softmax(layer, dim=axis)
            case "softmax":
                return torch.softmax(layer, dim=axis)
            case "sigmoid":
                return torch.sigmoid(layer)
            case "tanh":
                return torch.tanh(layer)
        return layer

    def value_and_gradient(
        self,
        layer: Float[torch.Tensor, "group member output sample"],
        targets: Float[torch.Tensor, "group 1 output sample"],
    ) -> tuple[Float[torch.Tensor, "group member"], Float[torch.Tensor, "group member output sample"]]:
        """Loss of each run and its gradient with respect to the last layer; the runs of a group share targets."""
        weight = self.weight(layer.shape[-1], layer.shape[-2])
        if self.kind == "binary":
            value = _binary(layer, targets).sum(dim=(-2, -1)) * weight
            # The difference f - y, without its cancellation where f is close to 1.
            return value, ((1 - targets) * torch.sigmoid(layer) - targets * torch.sigmoid(-layer)) * weight
        outputs = self.outputs(layer, axis=-2)
        if self.kind == "likelihood":
            value = (outputs * targets).sum(dim=(-2, -1)) * -weight
            if self.link == "log-softmax":
                return value, (torch.exp(outputs) - targets) * weight
            return value, (targets * -weight).expand_as(layer)
        difference = outputs - targets
        value = (difference * difference).sum(dim=(-2, -1)) * weight
        return value, self._through_link(outputs, difference * (2 * weight))

    def _through_link(self, outputs: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        match self.link:
            case "log-softmax":
                return slope - torch.exp(outputs) * slope.sum(dim=-2, keepdim=True)
            case "softmax":
                return outputs * (slope - (outputs * slope).sum(dim=-2, keepdim=True))
            case "sigmoid":
                return slope * outputs * (1 - outputs)
            case "tanh":
                return slope * (1 - outputs * outputs)
        return slope


def _binary(layer: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """-y ln f - (1 - y) ln(1 - f), f being the sigmoid of the layer; exact also where f rounds to 0 or 1."""
    logsigmoid = torch.nn.functional.logsigmoid
    return -targets * logsigmoid(layer) - (1 - targets) * logsigmoid(-layer)


def loss_of(settings: LossSettings) -> Loss:
    """The loss of these settings; cross-entropy is the likelihood of a log-softmax."""
    match settings:
        case BinaryCrossEntropy():
            return Loss("binary", settings.link, settings.reduction, settings.factor)
        case Mse():
            return Loss("squares", settings.link, settings.reduction, settings.factor)
        case CrossEntropy():
            return Loss("likelihood", "log-softmax", settings.reduction, settings.factor)
    return Loss("likelihood", settings.link, settings.reduction, settings.factor)
