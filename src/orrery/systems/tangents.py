"""The tangent map of a system: how small changes of a state are carried along by one step.

A change of a state is a vector over its components, in the order of ``System.components``. It is pushed by
``v(t + 1) = J(t) v(t)``, where J is the derivative of ``step`` at the state: forward-mode differentiation of the one
step there is, exact and without a step size. J is never formed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from orrery.config.errors import OrreryError
from orrery.systems.system import Component, System

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.system import Batch, State


def packed(state: State, components: Sequence[Component]) -> Float[torch.Tensor, "run component"]:
    """A state as one vector per run, tensors in the order of the components."""
    return torch.cat([state[component.name].flatten(1) for component in components], dim=1)


def unpacked(vectors: Float[torch.Tensor, "run ... component"], components: Sequence[Component]) -> State:
    """Vectors as named tensors ``(run, ..., *shape)``; the inverse of :func:`packed` for one vector per run."""
    found: State = {}
    first = 0
    for component in components:
        part = vectors[..., first : first + component.size]
        found[component.name] = part.reshape(*vectors.shape[:-1], *component.shape)
        first += component.size
    return found


def places(components: Sequence[Component], roles: Sequence[str]) -> list[int]:
    """The places of the components of some roles in the vector of a state."""
    found: list[int] = []
    first = 0
    for component in components:
        if component.role in roles:
            found += range(first, first + component.size)
        first += component.size
    return found


def check_differentiable(system: System, analysis: str) -> None:
    """Refuse a system whose step has no derivative.

    Raises:
        OrreryError: its step makes decisions, or a tensor of its state is a flag.
    """
    flags = [component.name for component in system.components if component.role == "flag"]
    if not system.differentiable or flags:
        raise OrreryError(
            f"{analysis}: the step of this system has no derivative; leave its conditions out of 'conditions'"
        )


def push(
    system: System,
    state: State,
    batch: Batch,
    t: int,
    vectors: Float[torch.Tensor, "run direction component"],
    *,
    together: int | None = None,
) -> Float[torch.Tensor, "run direction component"]:
    """The tangent map of step ``t`` on several directions at once.

    ReLU, clipping and their kind have their derivative almost everywhere.

    Args:
        system: with a differentiable step.
        state: at ``t``, on any device, all tensors of one dtype.
        batch: of step ``t``, the same that the state sees.
        t: the step.
        vectors: directions of each run.
        together: directions pushed at a time, where memory is short; all where absent.

    Returns:
        ``J v`` for each direction, of the same shape. ``state`` and ``vectors`` are not written to.

    Raises:
        OrreryError: an operation of the step has no derivative in forward mode.
    """

    return derivatives(
        lambda at: system.step(at, batch, t), state, vectors, system.components, "step", together=together
    )


def derivatives(
    function: Callable[[State], State],
    state: State,
    vectors: Float[torch.Tensor, "run direction component"],
    components: Sequence[Component],
    what: str,
    *,
    together: int | None = None,
) -> Float[torch.Tensor, "run direction component"]:
    """The derivative of a function of a state along several directions of each run, in forward mode.

    Args:
        function: from tensors ``(run, *shape)`` to tensors of the same names and shapes, these components among them.
        state: where.
        vectors: directions over the components.
        components: in their order.
        what: ``function`` of the system is, for the message.
        together: directions at a time, where memory is short; all where absent.

    Raises:
        OrreryError: an operation of the function has no derivative in forward mode.
    """

    def along(direction: State) -> State:
        changed: State = torch.func.jvp(function, (state,), (direction,))[1]
        return changed

    try:
        found = torch.func.vmap(along, in_dims=1, out_dims=1, chunk_size=together)(
            unpacked(vectors, components)
        )
    # What PyTorch raises where a derivative is missing; its reason is told.
    except (NotImplementedError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise OrreryError(f"the {what} of this system cannot be differentiated ({reason})") from error
    return torch.cat([found[component.name].flatten(2) for component in components], dim=2)


def jacobian(
    system: System, state: State, batch: Batch, t: int
) -> Float[torch.Tensor, "run component column"]:
    """The tangent map as a matrix per run; for small systems and for tests."""
    runs = next(iter(state.values()))
    identity = torch.eye(system.size, dtype=runs.dtype, device=runs.device)
    return push(system, state, batch, t, identity.expand(runs.shape[0], -1, -1)).transpose(1, 2)
