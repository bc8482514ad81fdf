"""Fully connected networks, all runs at once, with the backward pass written out.

Activations are kept as (run, unit, sample). The runs that share a batch are folded into the output dimension of the
first layer, whose stacked weights (run, unit, feature) are then one matrix per batch without a copy, and so is its
gradient.
Every operation is one of PyTorch's, so that it can be differentiated, twice or in forward mode.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float

from orrery.systems.activations import ACTIVATIONS
from orrery.systems.gradients import Dense, Gradient, Product
from orrery.systems.losses import Loss
from orrery.systems.mlp_settings import Mlp
from orrery.systems.normalisation import Normalisation, Normalised
from orrery.systems.system import Component

if TYPE_CHECKING:
    from orrery.systems.system import Batch, State

    Layer = Float[torch.Tensor, "run unit sample"]
    # One group where all runs share the inputs, or one per stretch of runs.
    Inputs = Float[torch.Tensor, "group sample feature"]


@dataclass(frozen=True)
class Passed:
    """What the way back through a hidden layer needs of the way there.

    Attributes:
        below: what the layer took, ``(run, unit, sample)``, but ``(group, sample, feature)`` for the first one.
        argument: what its activation took.
        active: what its activation gave.
        normalised: of its fields, where there is batch normalisation.
        mask: of dropout, where the batch has one.
    """

    below: Float[torch.Tensor, "group below column"]
    argument: Layer
    active: Layer
    normalised: Normalised | None
    mask: Float[torch.Tensor, "group unit sample"] | None


def masked(
    layer: Float[torch.Tensor, "run unit sample"], mask: Float[torch.Tensor, "group unit sample"] | None
) -> Float[torch.Tensor, "run unit sample"]:
    """A layer times the mask of its group of runs."""
    if mask is None:
        return layer
    return (layer.reshape(mask.shape[0], -1, *layer.shape[1:]) * mask.unsqueeze(1)).reshape(layer.shape)


def _affine(
    weight: Float[torch.Tensor, "group unit feature"],
    columns: Float[torch.Tensor, "group feature sample"],
    bias: Float[torch.Tensor, "group unit"] | None,
) -> Float[torch.Tensor, "group unit sample"]:
    """The product, the bias added within it."""
    return torch.bmm(weight, columns) if bias is None else torch.baddbmm(bias[:, :, None], weight, columns)


class StackedMlp:
    """A stack of fully connected networks of one shape.

    Attributes:
        constants: tensors that start at one value, by name.

    Args:
        features: inputs of the first layer.
        outputs: of the last layer.
        settings: of the layers between.
        loss: on the last layer.
    """

    def __init__(self, features: int, outputs: int, settings: Mlp, loss: Loss) -> None:
        self.activation = ACTIVATIONS[settings.activation]
        self.bias = settings.bias
        self.residual = settings.residual
        self.loss = loss
        self.layers = len(settings.hidden) + 1
        chosen = settings.normalisation
        self.normalisation = None if chosen is None else Normalisation(chosen.momentum, chosen.epsilon)
        self.weights: tuple[Component, ...] = ()
        self.statistics: tuple[Component, ...] = ()
        self.constants: dict[str, float] = {}
        for number, (below, units) in enumerate(pairwise((features, *settings.hidden, outputs)), start=1):
            self.weights += (Component(f"fc{number}.weight", (units, below), "weight", ("output", "input")),)
            if self.bias:
                self.weights += (Component(f"fc{number}.bias", (units,), "bias", ("output",)),)
            if self.normalisation is not None and number < self.layers:
                self.weights += self.normalisation.weights(number, units)
                self.statistics += self.normalisation.statistics(number, units)
                self.constants.update(self.normalisation.start(number))

    def layer(
        self, state: State, number: int, below: Float[torch.Tensor, "group below column"]
    ) -> Float[torch.Tensor, "run unit sample"]:
        """Fields of the units of layer ``number`` from ``below``: (group, sample, feature) for the first layer."""
        weight = state[f"fc{number}.weight"]
        bias = state[f"fc{number}.bias"] if self.bias else None
        if number > 1:
            return _affine(weight, below, bias)
        groups, samples, features = below.shape
        folded = None if bias is None else bias.reshape(groups, -1)
        fields = _affine(weight.reshape(groups, -1, features), below.transpose(1, 2), folded)
        return fields.reshape(weight.shape[0], weight.shape[1], samples)

    def _evaluated(self, state: State, inputs: Inputs, own: bool, keep: bool = True) -> Iterator[Layer]:
        """The fields of each hidden layer, then the last layer, without dropout.

        Fields that nobody keeps are overwritten by their activation, which spares half the memory.
        """
        below = inputs
        for number in range(1, self.layers):
            fields = self.layer(state, number, below)
            yield fields
            if self.normalisation is None:
                argument = fields
            elif own:
                argument = self.normalisation.of_batch(state, number, fields).output
            else:
                argument = self.normalisation.running(state, number, fields)
            active = self.activation.forward(argument) if keep else self.activation.overwrite(argument)
            below = below + active if self.residual and number > 1 else active
        yield self.layer(state, self.layers, below)

    def last_layer(
        self, state: State, inputs: Float[torch.Tensor, "group sample feature"], *, own: bool = False
    ) -> Float[torch.Tensor, "run output sample"]:
        """The last layer before the link of the loss, in evaluation mode.

        Args:
            state: of the runs.
            inputs: of all runs, or of each stretch of runs.
            own: whether batch normalisation takes the statistics of these inputs instead of the running ones.
        """
        # Of the layers below, what is no longer needed is freed on the way.
        return deque(self._evaluated(state, inputs, own, keep=torch.is_grad_enabled()), maxlen=1).pop()

    def local_fields(
        self, state: State, inputs: Float[torch.Tensor, "group sample feature"], *, own: bool = False
    ) -> tuple[Float[torch.Tensor, "run unit sample"], ...]:
        """The fields of each hidden layer, before normalisation and activation; ``own`` as in ``last_layer``."""
        return tuple(islice(self._evaluated(state, inputs, own), self.layers - 1))

    def every_layer(
        self, state: State, inputs: Float[torch.Tensor, "group sample feature"]
    ) -> tuple[Float[torch.Tensor, "run unit sample"], ...]:
        """The fields of each hidden layer and then the last layer, from one pass."""
        return tuple(self._evaluated(state, inputs, own=False))

    def differentiate(
        self, state: State, batch: Batch, t: int
    ) -> tuple[Float[torch.Tensor, " run"], dict[str, Gradient], State]:
        """Loss of each run, gradient of each weight, and statistics after the step.

        The batch has ``inputs`` and ``targets``, and with dropout ``dropout1`` ... for each hidden layer; where masks
        are absent, no unit is left out.
        """
        passed: list[Passed] = []
        statistics: State = {}
        below = batch["inputs"]
        for number in range(1, self.layers):
            argument = self.layer(state, number, below)
            normalised = None
            if self.normalisation is not None:
                normalised = self.normalisation.of_batch(state, number, argument)
                argument = normalised.output
                statistics.update(normalised.statistics)
            active = self.activation.forward(argument)
            mask = batch.get(f"dropout{number}")
            passed.append(Passed(below, argument, active, normalised, mask))
            kept = masked(active, mask)
            below = below + kept if self.residual and number > 1 else kept
        last = self.layer(state, self.layers, below)
        value, slope = self.value_and_slope(last, batch["targets"])

        gradients: dict[str, Gradient] = {}
        self._collect(gradients, state, self.layers, slope, below)
        skipping: torch.Tensor | None = None
        for number in range(self.layers - 1, 0, -1):
            layer = passed.pop()
            slope = torch.bmm(state[f"fc{number + 1}.weight"].transpose(1, 2), slope)
            if skipping is not None:
                slope = slope + skipping
            skipping = slope if self.residual and number > 1 else None
            slope = self.activation.backward(masked(slope, layer.mask), layer.argument, layer.active)
            if layer.normalised is not None:
                slope, gamma, beta = layer.normalised.backward(slope)
                gradients[f"bn{number}.weight"] = Dense(gamma)
                gradients[f"bn{number}.bias"] = Dense(beta)
            self._collect(gradients, state, number, slope, layer.below)
        return value, gradients, statistics

    def value_and_slope(
        self,
        last: Float[torch.Tensor, "run output sample"],
        targets: Float[torch.Tensor, "group sample output"],
    ) -> tuple[Float[torch.Tensor, " run"], Float[torch.Tensor, "run output sample"]]:
        """Loss of each run, and its gradient with respect to the last layer."""
        runs, width, samples = last.shape
        value, slope = self.loss.value_and_gradient(
            last.reshape(targets.shape[0], -1, width, samples),
            targets.transpose(1, 2).unsqueeze(1).contiguous(),
        )
        return value.reshape(runs), slope.reshape(runs, width, samples)

    def _collect(
        self, gradients: dict[str, Gradient], state: State, number: int, slope: Layer, below: torch.Tensor
    ) -> None:
        """Add the gradients of a layer, from that of its fields and what it took."""
        weight = state[f"fc{number}.weight"]
        if self.bias and self.normalisation is not None and number < self.layers:
            # The mean that is taken off takes the bias along.
            gradients[f"fc{number}.bias"] = Dense(torch.zeros_like(state[f"fc{number}.bias"]))
        elif self.bias:
            gradients[f"fc{number}.bias"] = Dense(slope.sum(dim=-1))
        left, right = slope, below.transpose(1, 2)
        if number == 1:
            left, right = slope.reshape(below.shape[0], -1, slope.shape[-1]), below
        gradients[f"fc{number}.weight"] = Product(left, right, tuple(weight.shape))

    def predict(
        self, state: State, inputs: Float[torch.Tensor, "sample feature"], *, own: bool = False
    ) -> Float[torch.Tensor, "run output sample"]:
        """The last layer of every run on the same samples."""
        return self.last_layer(state, inputs[None], own=own)
