"""Element-wise activations with their backward rules, each differentiable once more for tangents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float

    Layer = Float[torch.Tensor, "*shape"]
    Elementwise = Callable[[Layer], Layer]
    # (gradient with respect to the activation, input, activation) -> gradient with respect to the input
    Backward = Callable[[Layer, Layer, Layer], Layer]


@dataclass(frozen=True)
class Activation:
    """An activation and its backward rule.

    Attributes:
        forward: the activation.
        overwrite: the activation, which may be written over what it takes.
        backward: its rule.
        monotone: whether it falls nowhere.
    """

    forward: Elementwise
    overwrite: Elementwise
    backward: Backward
    monotone: bool = True


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(torch.relu, torch.relu_, lambda d, z, a: torch.ops.aten.threshold_backward(d, a, 0)),
    "tanh": Activation(torch.tanh, torch.tanh_, lambda d, z, a: torch.ops.aten.tanh_backward(d, a)),
    "sigmoid": Activation(
        torch.sigmoid, torch.sigmoid_, lambda d, z, a: torch.ops.aten.sigmoid_backward(d, a)
    ),
    "gelu": Activation(
        torch.nn.functional.gelu,
        torch.nn.functional.gelu,
        lambda d, z, a: torch.ops.aten.gelu_backward(d, z),
        monotone=False,
    ),
    "elu": Activation(
        torch.nn.functional.elu,
        torch.nn.functional.elu_,
        lambda d, z, a: torch.ops.aten.elu_backward(d, 1.0, 1.0, 1.0, False, z),
    ),
    "identity": Activation(lambda z: z, lambda z: z, lambda d, z, a: d),
}
