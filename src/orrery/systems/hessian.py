"""Products with the Hessian of the loss: exact, batched over runs and directions, never formed.

``H v`` is the derivative of the gradient along v (Pearlmutter, Neural Computation 6, 147 (1994)): in closed form where
the system knows one, else by differentiation of the one gradient that training uses, in reverse mode, since H is
symmetric. No step size is involved. H is that of the loss on the batch that is given: weight decay, which belongs to
the optimizer, is not part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from orrery.config.errors import OrreryError
from orrery.systems.system import MOVED, Component, System
from orrery.systems.tangents import curved, derivatives, packed

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.system import Batch, State


def moved(system: System) -> tuple[Component, ...]:
    """The tensors that the loss is minimised over, in the order in which their numbers make a vector."""
    return tuple(component for component in system.components if component.role in MOVED)


def check_gradient(system: System, analysis: str) -> None:
    """Refuse a system that has no gradient.

    Raises:
        OrreryError: it has none.
    """
    if system.gradient is None:
        raise OrreryError(
            f"{analysis}: this system has no gradient of a loss; leave its conditions out of 'conditions'"
        )


def hessian_products(
    system: System,
    state: State,
    batch: Batch,
    t: int,
    vectors: Float[torch.Tensor, "run direction weight"],
    *,
    together: int | None = None,
) -> Float[torch.Tensor, "run direction weight"]:
    """``H v`` for several directions of each run.

    ReLU and its kind have their derivative almost everywhere; their second derivative counts as zero.

    Args:
        system: with a gradient.
        state: tensors ``(run, *shape)`` of one dtype: what is in :func:`moved`, and the statistics of the network.
        batch: whose loss it is.
        t: the step of the batch.
        vectors: over the tensors of :func:`moved`.
        together: directions at a time, where memory is short; all where absent.

    Raises:
        OrreryError: the system has no gradient, or one without a derivative.
    """
    check_gradient(system, "Hessian products")
    assert system.gradient is not None
    gradient, weights = system.gradient, moved(system)
    if system.curvature is not None:
        return curved(system, state, batch, vectors, weights, together=together)
    at = {component.name: state[component.name] for component in weights}

    def slope(point: State) -> State:
        return gradient({**state, **point}, batch, t)

    return derivatives(slope, at, vectors, weights, "gradient", together=together, symmetric=True)


def hessian(system: System, state: State, batch: Batch, t: int) -> Float[torch.Tensor, "run weight column"]:
    """The Hessian as a matrix per run; for small systems and for tests."""
    point = packed(state, moved(system))
    identity = torch.eye(point.shape[1], dtype=point.dtype, device=point.device)
    return hessian_products(system, state, batch, t, identity.expand(len(point), -1, -1))
