"""How the logits of each sample move with small noise: their covariance per squared amplitude, by differentiation.

With J the Jacobian of the logits, noise on the inputs gives J_x J_x^T, noise on the weights sum_l std_l^2 J_l J_l^T
over the layers l. Summed over all parameters with std 1 the latter is the tangent kernel of the sample with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float

from orrery.config.errors import OrreryError
from orrery.systems.noise import READ, deviations, noisy_weights
from orrery.systems.system import Component, System

if TYPE_CHECKING:
    from orrery.systems.system import State

ROOM = 2**24
"""Numbers that the Jacobians of the samples at hand may hold."""


@dataclass(frozen=True)
class LogitCovariances:
    """Logits without noise, and their covariances at amplitude 1 to first order."""

    logits: Float[torch.Tensor, "run sample class"]
    inputs: Float[torch.Tensor, "run sample class class"]
    weights: Float[torch.Tensor, "run sample class class"]


def logit_covariances(
    system: System, state: State, inputs: Float[torch.Tensor, "sample feature"], room: int = ROOM
) -> LogitCovariances:
    """Differentiate the logits of all samples with respect to the inputs and the weights that noise moves.

    Every sample gets a copy of the weights of its run, so that one backward pass per class gives the gradients of
    many samples at once.

    Args:
        system: with a forward pass that can be differentiated.
        state: of all runs.
        inputs: the samples.
        room: numbers that the Jacobians at hand may hold.

    Raises:
        OrreryError: the system has no forward pass.
    """
    if system.forward is None:
        raise OrreryError("margins and their gradients need a network; this system has no forward pass")
    moved = noisy_weights(system)
    read = {one.name: state[one.name] for one in system.components if one.role in READ}
    variances = {name: spread**2 for name, spread in deviations(read, moved).items()}
    runs = next(iter(read.values())).shape[0]
    with torch.no_grad():
        classes = system.forward.last_layer(read, inputs[None, :1]).shape[1]
    size = inputs.shape[1] + sum(one.size for one in moved)
    together = max(1, room // ((classes + 1) * size))
    rows: list[list[torch.Tensor]] = []
    for run in range(runs):
        own = {name: tensor[run : run + 1] for name, tensor in read.items()}
        of_run = {name: variance[run] for name, variance in variances.items()}
        parts = [
            _of_samples(system, own, of_run, moved, inputs[first : first + together])
            for first in range(0, len(inputs), together)
        ]
        rows.append([torch.cat(column) for column in zip(*parts, strict=True)])
    logits, by_inputs, by_weights = (torch.stack(column) for column in zip(*rows, strict=True))
    return LogitCovariances(logits, by_inputs, by_weights)


def _of_samples(
    system: System,
    state: State,
    variances: dict[str, torch.Tensor],
    moved: Sequence[Component],
    inputs: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits and both covariances of a few samples of one run."""
    assert system.forward is not None
    count = len(inputs)
    copies = {name: tensor.expand(count, *tensor.shape[1:]).clone() for name, tensor in state.items()}
    at = inputs[:, None].clone().requires_grad_()
    for one in moved:
        copies[one.name].requires_grad_()
    with torch.enable_grad():
        last = system.forward.last_layer(copies, at)[:, :, 0]
        # Class by class: the batched backward pass of PyTorch imports half a second of packages.
        named = [at, *(copies[one.name] for one in moved)]
        of_class = [
            torch.autograd.grad(one, named, retain_graph=True, materialize_grads=True)
            for one in last.sum(dim=0)
        ]
        slopes = [torch.stack(column) for column in zip(*of_class, strict=True)]
    products = []
    for slope in slopes:
        flat = slope.flatten(2).transpose(0, 1)  # (sample, class, component)
        products.append(torch.bmm(flat, flat.transpose(1, 2)))
    weights = torch.zeros_like(products[0])
    for one, product in zip(moved, products[1:], strict=True):
        weights = weights + variances[one.name] * product
    return last.detach(), products[0], weights
