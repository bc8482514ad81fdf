"""Hidden layers of fully connected networks: their local fields, their outputs, and the linear map above each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from orrery.config.errors import OrreryError
from orrery.numerics.affine_maps import Affine, Normalisation, maps_above
from orrery.systems.activations import ACTIVATIONS, Activation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

    from orrery.systems.forward import Forward
    from orrery.systems.system import State, System

    Layer = Float[torch.Tensor, "run unit sample"]


@dataclass(frozen=True)
class Layers:
    """What is asked of the layers of a condition, all runs at once.

    Attributes:
        count: hidden layers.
        forward: fields, before batch normalisation where there is any, and last layer.
        activation: behind every hidden layer, with whether it is monotone.
        bias: whether layers have biases.
    """

    count: int
    forward: Forward
    activation: Activation
    bias: bool

    def passed(
        self, state: State, inputs: Float[torch.Tensor, "1 sample feature"]
    ) -> tuple[tuple[Layer, ...], Layer]:
        """The local fields of each hidden layer, before batch normalisation, first layer first; and the last layer."""
        assert self.forward.every_layer is not None
        *fields, last = self.forward.every_layer(state, inputs)
        return tuple(fields), last

    def arguments(self, state: State, fields: Sequence[Layer]) -> list[Layer]:
        """What the activation of each hidden layer takes: the fields, batch-normalised by running statistics."""
        norms = [self._normalisation(state, number) for number in range(1, self.count + 1)]
        return [field if norm is None else norm(field) for norm, field in zip(norms, fields, strict=True)]

    def outputs(self, arguments: Sequence[Layer]) -> tuple[list[Layer], list[Layer]]:
        """Outputs of each hidden layer from the arguments of all activations.

        Args:
            arguments: from :meth:`arguments`.

        Returns:
            With an identity as the activation of that layer alone, the network below it as it is; and as they are.
        """
        linear: list[Layer] = []
        found: list[Layer] = []
        below: Layer | None = None
        for argument in arguments:
            output = self.activation.forward(argument)
            linear.append(argument if below is None else argument + below)
            found.append(output if below is None else output + below)
            if self.forward.residual:
                below = found[-1]
        return linear, found

    def maps(self, state: State) -> list[Affine]:
        """The affine map above each hidden layer, its activations being identities: on the outputs of that layer."""
        above = [self._affine(state, number) for number in range(2, self.count + 2)]
        if self.forward.residual:
            above = [*(layer.plus_identity() for layer in above[:-1]), above[-1]]
        return maps_above(above)

    def signs(self, state: State, maps: Sequence[Affine]) -> list[Float[torch.Tensor, "run unit class"]]:
        """Sign of the influence of each neuron, by its field, on each class.

        Fields are read before batch normalisation, so that its gamma, which may be negative, belongs to the map.
        """
        norms = [self._normalisation(state, number) for number in range(1, self.count + 1)]
        weights = [
            (above if norm is None else norm.before(above)).weight
            for norm, above in zip(norms, maps, strict=True)
        ]
        return [torch.sign(weight).transpose(1, 2) for weight in weights]

    def _normalisation(self, state: State, number: int) -> Normalisation | None:
        if self.forward.epsilon is None or number > self.count:
            return None
        return Normalisation.of(
            state[f"bn{number}.weight"],
            state[f"bn{number}.bias"],
            state[f"bn{number}.running_mean"],
            state[f"bn{number}.running_var"],
            self.forward.epsilon,
        )

    def _affine(self, state: State, number: int) -> Affine:
        weight = state[f"fc{number}.weight"]
        offset = state[f"fc{number}.bias"] if self.bias else weight.new_zeros(weight.shape[:2])
        norm = self._normalisation(state, number)
        return Affine(weight, offset) if norm is None else norm.behind(Affine(weight, offset))


def layers_of(system: System, analysis: str = "modes") -> Layers:
    """The layers of a condition.

    Args:
        system: of the condition, in float64.
        analysis: who asks.

    Raises:
        OrreryError: it has no classes, no local fields, or no hidden layer.
    """
    forward = system.forward
    if forward is None or forward.local_fields is None:
        raise OrreryError(
            f"{analysis}: local fields of hidden layers are told by the built-in fully connected network alone; write "
            "system.network: {kind: mlp, ...}, or leave this condition out of 'conditions'"
        )
    names = {component.name for component in system.components}
    hidden = (
        sum(name.startswith("fc") and name.count(".") == 1 and name.endswith(".weight") for name in names) - 1
    )
    if not hidden:
        raise OrreryError(
            f"{analysis}: the network has no hidden layer; write system.network.hidden: [256], for one"
        )
    if "train_accuracy" not in system.metrics:
        raise OrreryError(
            f"{analysis}: ranks are those of classes, and this dataset has numbers as targets; name a dataset of "
            "classes"
        )
    return Layers(hidden, forward, ACTIVATIONS[forward.activation], "fc1.bias" in names)
