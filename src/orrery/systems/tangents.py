"""The tangent map of a system: how small changes of a state are carried along by one step.

A change of a state is a vector over its components, in the order of ``System.components``. It is pushed by
``v(t + 1) = J(t) v(t)``, where J is the derivative of ``step`` at the state: automatic differentiation of the one step
there is, exact and without a step size. J is never formed.

Reverse mode gives ``u -> J^T u``, which is linear in u; differentiated once more, along u, it gives ``v -> J v`` (the
double backward of Townsend, "A new trick for calculating Jacobian vector products", 2017). Here this costs a third of
forward mode, which multiplies with the zero tangents of everything constant, and the step itself is taken once for all
directions. Plain descent of a network whose Hessian products are known in closed form takes these instead.
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

ONE_BY_ONE = 2**15
"""Components of all runs together beyond which directions are pushed one after the other: pushed at once, products of
matrices would copy the factor that all directions share."""


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
        OrreryError: an operation of the step has no derivative, or none of its gradient.
    """
    if system.descent is not None and system.curvature is not None:
        kept, rate = system.descent(t)
        return kept * vectors - rate * curved(
            system, state, batch, vectors, system.components, together=together
        )
    return derivatives(
        lambda at: system.step(at, batch, t),
        state,
        vectors,
        system.components,
        "step",
        together=together,
        symmetric=system.symmetric,
    )


def curved(
    system: System,
    state: State,
    batch: Batch,
    vectors: Float[torch.Tensor, "run direction component"],
    components: Sequence[Component],
    *,
    together: int | None = None,
) -> Float[torch.Tensor, "run direction component"]:
    """``H v`` in closed form, with H the Hessian of the batch loss; arguments as of :func:`push`.

    The system has a ``curvature``; ``components`` are the tensors of its weights, over which the vectors go.
    """
    assert system.curvature is not None
    step = together or vectors.shape[1]
    found = []
    with torch.no_grad():
        for part in vectors.split(step, dim=1):
            moved = system.curvature(state, batch, unpacked(part, components))
            found.append(torch.cat([moved[one.name].flatten(2) for one in components], dim=-1))
    return torch.cat(found, dim=1)


def derivatives(
    function: Callable[[State], State],
    state: State,
    vectors: Float[torch.Tensor, "run direction component"],
    components: Sequence[Component],
    what: str,
    *,
    together: int | None = None,
    symmetric: bool = False,
) -> Float[torch.Tensor, "run direction component"]:
    """The derivative of a function of a state along several directions of each run, by automatic differentiation.

    Args:
        function: from tensors ``(run, *shape)`` to tensors of the same names and shapes, these components among them.
        state: where.
        vectors: directions over the components.
        components: in their order.
        what: ``function`` of the system is, for the message.
        together: directions at a time, where memory is short; all where absent.
        symmetric: whether the derivative is a symmetric matrix, as that of a gradient is: one pass less.

    Raises:
        OrreryError: an operation of the function has no derivative, or none of its gradient.
    """
    names = [component.name for component in components]
    try:
        with torch.enable_grad():
            at = {name: tensor.detach().requires_grad_() for name, tensor in state.items()}
            after = function(at)
            ends, starts = [after[name] for name in names], [at[name] for name in names]
            if not symmetric:
                ends, starts = _pull_back(ends, starts)
        return _along(ends, starts, vectors, components, together)
    # What PyTorch raises where a derivative is missing; its reason is told.
    except (NotImplementedError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise OrreryError(f"the {what} of this system cannot be differentiated ({reason})") from error


def _pull_back(
    ends: Sequence[torch.Tensor], starts: Sequence[torch.Tensor]
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """``J^T u`` for each start, and the ``u``, one for each end, of which it is a linear function."""
    cotangents = [torch.zeros_like(end).requires_grad_() for end in ends]
    pairs = [(end, u) for end, u in zip(ends, cotangents, strict=True) if end.requires_grad]
    if not pairs:
        return [torch.zeros_like(start) for start in starts], cotangents
    found = torch.autograd.grad(
        [end for end, _ in pairs], starts, [u for _, u in pairs], create_graph=True, materialize_grads=True
    )
    return list(found), cotangents


def _along(
    ends: Sequence[torch.Tensor],
    starts: Sequence[torch.Tensor],
    vectors: Float[torch.Tensor, "run direction component"],
    components: Sequence[Component],
    together: int | None,
) -> Float[torch.Tensor, "run direction component"]:
    """The derivative of the ends with respect to the starts, transposed, times each of the directions."""
    chosen = [place for place, end in enumerate(ends) if end.requires_grad]
    if not chosen:
        return torch.zeros_like(vectors)
    directions = vectors.shape[1]
    parts = list(unpacked(vectors, components).values())

    def pulled(at: int | slice) -> torch.Tensor:
        several = isinstance(at, slice)
        found = torch.autograd.grad(
            [ends[place] for place in chosen],
            starts,
            [parts[place][:, at].transpose(0, 1) if several else parts[place][:, at] for place in chosen],
            retain_graph=True,
            materialize_grads=True,
            is_grads_batched=several,
        )
        return torch.cat([tensor.flatten(2 if several else 1) for tensor in found], dim=-1)

    if directions == 1 or vectors.shape[0] * vectors.shape[2] > ONE_BY_ONE:
        return torch.stack([pulled(place) for place in range(directions)], dim=1)
    step = together or directions
    chunks = [pulled(slice(first, first + step)) for first in range(0, directions, step)]
    return torch.cat(chunks).transpose(0, 1)


def jacobian(
    system: System, state: State, batch: Batch, t: int
) -> Float[torch.Tensor, "run component column"]:
    """The tangent map as a matrix per run; for small systems and for tests."""
    runs = next(iter(state.values()))
    identity = torch.eye(system.size, dtype=runs.dtype, device=runs.device)
    return push(system, state, batch, t, identity.expand(runs.shape[0], -1, -1)).transpose(1, 2)
