"""The tangent kernel of recorded networks at their first state, from the derivatives of the output by the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from orrery.systems.system import MOVED
from orrery.systems.tangents import packed, unpacked

if TYPE_CHECKING:
    from orrery.systems.forward import Forward
    from orrery.systems.system import Component, State


def parameter_jacobians(
    forward: Forward,
    components: tuple[Component, ...],
    state: State,
    inputs: Float[torch.Tensor, "sample feature"],
) -> Float[torch.Tensor, "run sample weight"]:
    """Derivative of the last layer of networks with one output by all their weights, run by run.

    Args:
        forward: of the network.
        components: of the system; those of the roles :data:`orrery.systems.system.MOVED` are weights.
        state: tensors ``(run, *shape)``.
        inputs: where.
    """
    moved = tuple(component for component in components if component.role in MOVED)
    found = []
    for run in range(len(next(iter(state.values())))):
        own = {name: tensor[run : run + 1] for name, tensor in state.items()}

        def output(vector: torch.Tensor, sample: torch.Tensor, own: State = own) -> torch.Tensor:
            return forward.last_layer({**own, **unpacked(vector[None], moved)}, sample[None, None])[0, 0, 0]

        # The gradient of each sample's own output: samples do not meet, so that one backward pass does for all.
        each = torch.func.vmap(torch.func.grad(output), in_dims=(None, 0))
        found.append(each(packed(own, moved)[0], inputs))
    return torch.stack(found).detach()


def tangent_kernel(
    forward: Forward,
    components: tuple[Component, ...],
    state: State,
    points: Float[torch.Tensor, "point feature"],
    samples: Float[torch.Tensor, "sample feature"],
) -> tuple[Float[np.ndarray, "run sample sample"], Float[np.ndarray, "run point sample"]]:
    """K(x, x') = grad_theta f(x) . grad_theta f(x'): between the samples, and between the points and the samples.

    Args:
        forward, components, state: as in :func:`parameter_jacobians`.
        points: rows of the second kernel.
        samples: columns of both.
    """
    slopes = parameter_jacobians(forward, components, state, torch.cat([samples, points]))
    own, across = slopes[:, : len(samples)], slopes[:, len(samples) :]
    other = own.transpose(1, 2)
    return (own @ other).numpy(), (across @ other).numpy()
