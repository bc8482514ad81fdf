"""Fully connected networks, all runs at once, with the backward pass written out.

Activations are kept as (run, unit, sample). The runs that share a batch are folded into the output dimension of the
first layer, whose stacked weights (run, unit, feature) are then one matrix per batch without a copy, and so is its
gradient.
Every operation is one of PyTorch's, so that it can be differentiated, twice or in forward mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float

from orrery.systems.activations import ACTIVATIONS
from orrery.systems.gradients import Dense, Gradient, Product
from orrery.systems.losses import Loss
from orrery.systems.system import Component

if TYPE_CHECKING:
    from orrery.systems.system import Batch, State


class StackedMlp:
    """A stack of fully connected networks of one shape.

    Args:
        widths: input, hidden..., output.
        activation: between the layers; none after the last.
        bias: whether the layers have biases.
        loss: on the last layer.
    """

    def __init__(self, widths: Sequence[int], activation: str, bias: bool, loss: Loss) -> None:
        self.activation = ACTIVATIONS[activation]
        self.bias = bias
        self.loss = loss
        self.layers = len(widths) - 1
        self.weights: tuple[Component, ...] = ()
        for number, (inputs, outputs) in enumerate(pairwise(widths), start=1):
            self.weights += (
                Component(f"fc{number}.weight", (outputs, inputs), "weight", ("output", "input")),
            )
            if bias:
                self.weights += (Component(f"fc{number}.bias", (outputs,), "bias", ("output",)),)
        self.statistics: tuple[Component, ...] = ()

    def _layer(self, state: State, number: int, below: torch.Tensor) -> torch.Tensor:
        """Inputs of the units of layer ``number`` from ``below``: (group, sample, feature) for the first layer."""
        weight = state[f"fc{number}.weight"]
        if number == 1:
            groups, samples, features = below.shape
            folded = weight.reshape(groups, -1, features)
            product = torch.bmm(folded, below.transpose(1, 2)).reshape(
                weight.shape[0], weight.shape[1], samples
            )
        else:
            product = torch.bmm(weight, below)
        return product + state[f"fc{number}.bias"][:, :, None] if self.bias else product

    def last_layer(
        self, state: State, inputs: Float[torch.Tensor, "group sample feature"]
    ) -> Float[torch.Tensor, "run output sample"]:
        """The last layer before the link of the loss."""
        below = inputs
        for number in range(1, self.layers):
            below = self.activation.forward(self._layer(state, number, below))
        return self._layer(state, self.layers, below)

    def local_fields(
        self, state: State, inputs: Float[torch.Tensor, "group sample feature"]
    ) -> tuple[Float[torch.Tensor, "run unit sample"], ...]:
        """What each hidden layer feeds into its activation, first layer first."""
        fields = []
        below = inputs
        for number in range(1, self.layers):
            fields.append(self._layer(state, number, below))
            below = self.activation.forward(fields[-1])
        return tuple(fields)

    def differentiate(
        self, state: State, batch: Batch, t: int
    ) -> tuple[Float[torch.Tensor, " run"], dict[str, Gradient], State]:
        """Loss of each run, gradient of each weight, and statistics after the step (none here)."""
        inputs, targets = batch["inputs"], batch["targets"]
        groups, samples = inputs.shape[:2]
        sums, outputs = [], []
        below = inputs
        for number in range(1, self.layers):
            sums.append(self._layer(state, number, below))
            below = self.activation.forward(sums[-1])
            outputs.append(below)
        last = self._layer(state, self.layers, below)

        runs, width = last.shape[:2]
        value, slope = self.loss.value_and_gradient(
            last.reshape(groups, -1, width, samples), targets.transpose(1, 2).unsqueeze(1).contiguous()
        )
        slope = slope.reshape(runs, width, samples)
        gradients: dict[str, Gradient] = {}
        for number in range(self.layers, 0, -1):
            name = f"fc{number}"
            if self.bias:
                gradients[f"{name}.bias"] = Dense(slope.sum(dim=-1))
            weight = state[f"{name}.weight"]
            if number == 1:
                gradients[f"{name}.weight"] = Product(
                    slope.reshape(groups, -1, samples), inputs, tuple(weight.shape)
                )
                break
            below = outputs[number - 2]
            gradients[f"{name}.weight"] = Product(slope, below.transpose(1, 2), tuple(weight.shape))
            slope = self.activation.backward(
                torch.bmm(weight.transpose(1, 2), slope), sums[number - 2], below
            )
        return value.reshape(runs), gradients, {}

    def predict(
        self, state: State, inputs: Float[torch.Tensor, "sample feature"]
    ) -> Float[torch.Tensor, "run output sample"]:
        """The last layer of every run on the same samples."""
        return self.last_layer(state, inputs[None])
