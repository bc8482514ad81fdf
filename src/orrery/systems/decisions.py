"""Which class a network gives its inputs, and which way an input has to move to be given another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from orrery.systems.forward import Forward
    from orrery.systems.system import State

SATURATING = ("sigmoid", "softmax", "log-softmax")
"""Links behind which the loss grows with the log odds against the label."""


def labels_of(targets: Float[torch.Tensor, "sample output"], analysis: str) -> Int[torch.Tensor, " sample"]:
    """The classes behind targets: 0 and 1 of one output, else the place of the 1 in a row.

    Raises:
        OrreryError: the targets are those of a regression.
    """
    whole = ((targets == 0) | (targets == 1)).all()
    if targets.shape[1] > 1:
        whole = whole & (targets.sum(dim=1) == 1).all()
    if not whole:
        raise OrreryError(
            f"{analysis}: the targets are numbers, and a decision needs classes, or 0 and 1 as targets of one output; "
            "leave such conditions out of 'conditions'"
        )
    return targets[:, 0].long() if targets.shape[1] == 1 else targets.argmax(dim=1)


def decisions(
    forward: Forward, layer: Float[torch.Tensor, "run output sample"]
) -> Int[torch.Tensor, "run sample"]:
    """The class of every sample: the largest output, or for one output whether it exceeds 1/2 behind the link."""
    if layer.shape[1] > 1:
        return layer.argmax(dim=1)
    return (forward.loss.outputs(layer, axis=1)[:, 0] > 0.5).long()


def ascent(
    forward: Forward,
    state: State,
    inputs: Float[torch.Tensor, "group sample feature"],
    targets: Float[torch.Tensor, "sample output"],
    labels: Int[torch.Tensor, " sample"],
) -> Float[torch.Tensor, "run sample feature"]:
    """A positive multiple of the gradient of each sample's loss with respect to its input.

    Behind a sigmoid or a softmax the loss, a square or a likelihood, grows with the log odds against the label, so that
    the gradient of these has the same signs (for a square behind a softmax: with two classes). It does not vanish by
    rounding where the output is within 1e-16 of its target. Behind other links it is the gradient of the loss itself.

    Args:
        forward: of the network.
        state: tensors ``(run, *shape)``.
        inputs: one group for all runs, or one for each.
        targets: of the samples.
        labels: their classes.
    """
    runs = next(iter(state.values())).shape[0]
    with torch.enable_grad():
        own = inputs.expand(runs, -1, -1).clone().requires_grad_()
        layer = forward.last_layer(state, own)
        (slope,) = torch.autograd.grad(_against(forward, layer, targets, labels).sum(), own)
    return slope


def _against(
    forward: Forward, layer: torch.Tensor, targets: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """What grows with the loss of each sample, summed by the caller: samples do not meet, nor do runs."""
    loss = forward.loss
    outputs = layer.shape[1]
    if loss.link in SATURATING and outputs == 1:
        return layer[:, 0] * (1 - 2 * targets[:, 0])
    if loss.link == "log-softmax" or (loss.link == "softmax" and outputs == 2):
        own = torch.nn.functional.one_hot(labels, outputs).bool().T
        others = torch.where(own, -torch.inf, layer).logsumexp(dim=1)
        return others - torch.where(own, layer, 0.0).sum(dim=1)
    return loss.summed(layer, targets.T)
