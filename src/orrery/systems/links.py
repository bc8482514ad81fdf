"""The link of a loss as a map from the last layer to the outputs: its changes, its products, and slopes of the loss.

What is late in training is small: outputs close to 1 differ by less than their rounding shows. Changes of a sigmoid
or a hyperbolic tangent are therefore computed from the change of the last layer, without a difference of outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.losses import Loss

    Layer = Float[torch.Tensor, "run output sample"]

ELEMENTWISE = ("identity", "sigmoid", "tanh")
"""Links that act on each output by itself, so that the output has one slope f'(u)."""


def change(loss: Loss, before: Layer, after: Layer) -> Layer:
    """f(after) - f(before), with the relative accuracy of ``after - before`` for the elementwise links."""
    match loss.link:
        case "identity":
            return after - before
        case "sigmoid":
            # s(b) - s(a) = -s(b) s(-a) expm1(a - b)
            return -torch.sigmoid(after) * torch.sigmoid(-before) * torch.expm1(before - after)
        case "tanh":
            # tanh(u) = 2 s(2 u) - 1
            return (
                -2 * torch.sigmoid(2 * after) * torch.sigmoid(-2 * before) * torch.expm1(2 * (before - after))
            )
    return loss.outputs(after, axis=1) - loss.outputs(before, axis=1)


def slope(loss: Loss, layer: Layer) -> Layer | None:
    """f'(u) of an elementwise link; ``None`` for one that mixes the outputs."""
    match loss.link:
        case "identity":
            return torch.ones_like(layer)
        case "sigmoid":
            return torch.sigmoid(layer) * torch.sigmoid(-layer)
        case "tanh":
            return 4 * torch.sigmoid(2 * layer) * torch.sigmoid(-2 * layer)
    return None


def distance(loss: Loss, layer: Layer, targets: Layer) -> Layer:
    """y - f: how far the outputs are from the targets; exact for a sigmoid that is close to a target of 0 or 1.

    For log-probabilities these are the distances of the probabilities.
    """
    if loss.link == "sigmoid":
        return targets * torch.sigmoid(-layer) - (1 - targets) * torch.sigmoid(layer)
    outputs = loss.outputs(layer, axis=1)
    return targets - (outputs.exp() if loss.link == "log-softmax" else outputs)


def slope_of_output(loss: Loss, layer: Layer, targets: Layer) -> Layer:
    """dl/df: the derivative of the loss on these samples with respect to the outputs behind the link."""
    weight = loss.weight(layer.shape[2], layer.shape[1])
    if loss.kind == "squares":
        return -2 * weight * distance(loss, layer, targets)
    if loss.kind == "binary":
        return -weight * distance(loss, layer, targets) / (torch.sigmoid(layer) * torch.sigmoid(-layer))
    return -weight * targets


def slope_of_layer(loss: Loss, layer: Layer, targets: Layer) -> Layer:
    """dl/du: the derivative of the loss on these samples with respect to the last layer, before the link."""
    if loss.kind == "squares" and (of_link := slope(loss, layer)) is not None:
        return slope_of_output(loss, layer, targets) * of_link
    return loss.value_and_gradient(layer[:, None], targets[:, None])[1][:, 0]
