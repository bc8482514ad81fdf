"""What evolves: a map from state to state, batched over runs.

A state is a dictionary of named tensors, each with a leading run dimension. All randomness of a step arrives in its
batch, so that a step is a pure function that can be iterated, replayed, perturbed and differentiated
(``torch.autograd``). Training iterates this same function; there is no second implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float, Shaped

    from orrery.systems.forward import Forward

    State = dict[str, Float[torch.Tensor, "run ..."]]
    # A group is a stretch of runs that share their batches; one group serves all runs where there is but one.
    Batch = dict[str, Shaped[torch.Tensor, "group ..."]]
    Byproducts = dict[str, Float[torch.Tensor, " run"]]

MOVED = ("weight", "bias", "variable")
"""Roles of what a loss is minimised over; what an optimizer or a network carries along is not among them."""
ROLES = ("weight", "bias", "momentum", "second-moment", "statistic", "variable", "flag")


@dataclass(frozen=True)
class Component:
    """One named tensor of the state, without its run dimension.

    Attributes:
        name: e.g. ``fc1.weight``, or ``fc1.weight.momentum`` for what an optimizer carries along.
        shape: shape of one run.
        role: one of :data:`ROLES`.
        dims: names of the dimensions, or empty where they have none.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    dims: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of components that the tensor adds to the state of one run."""
        result = 1
        for length in self.shape:
            result *= length
        return result


@dataclass(frozen=True)
class Runs:
    """Which runs a state holds: one entry per run, seed-major, copies innermost."""

    seeds: tuple[int, ...]
    copies: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.seeds) != len(self.copies):
            raise ValueError("seeds and copies must have one entry per run")

    @property
    def count(self) -> int:
        return len(self.seeds)

    @staticmethod
    def product(seeds: Sequence[int], copies: int | Sequence[int] = 1) -> Runs:
        """The copies of all seeds, seed-major: so many, or those of the given numbers."""
        numbers = range(copies) if isinstance(copies, int) else copies
        return Runs(
            tuple(seed for seed in seeds for _ in numbers),
            tuple(copy for _ in seeds for copy in numbers),
        )


@dataclass(frozen=True)
class System:
    """A system of one condition, ready to run on one device.

    Attributes:
        components: the tensors of the state, in the order in which they are stored.
        initial: the start of the given runs; copies of a seed are not yet perturbed (training does that).
        batch: the batch of step ``t`` (0-based: the step that leads from state ``t`` to state ``t + 1``), by random
            access, so that any stretch can be replayed.
        advance: state, batch and ``t`` to the new state and its by-products. By-products are values of the *old* state
            on that batch, ``loss (run,)`` first of all. Pure: it never writes into its arguments.
        observables: name to (shape of one run, function of the state).
        metrics: name to a function of the state with one value per run, computed on demand.
        byproducts: names of what ``advance`` returns beside the state.
        clock: what ``t`` itself, beside the batch, brings into ``advance``: at two steps of equal values the same
            state and batch give the same. ``None`` where that is not known. It lets a GPU replay a step.
        differentiable: whether ``advance`` has a derivative almost everywhere.
        symmetric: whether the derivative of ``advance`` is a symmetric matrix at every state, as that of plain descent
            is; a push of tangents then costs less.
        gradient: state, batch and ``t`` to the gradient of the batch loss: a tensor ``(run, *shape)`` for every
            component of the roles :data:`MOVED`. Pure, and open to differentiation. ``None`` where the
            system minimises nothing.
        curvature: state, batch and directions to the derivative of that gradient along each of them in closed form:
            tensors ``(run, direction, *shape)`` for every component of the roles :data:`MOVED`. ``None`` where none
            is known, and automatic differentiation takes its place.
        descent: of plain descent, ``t`` to two numbers: what a step keeps of the weights, and what it takes off of
            the gradient. ``None`` for every other step.
        whole: all training samples as one batch, shared by all runs; the loss on it does not depend on ``t``.
        test: all test samples likewise; ``None`` where there are none.
        edge: the edge of stability at the rate of step ``t``: the eigenvalue of the Hessian of the loss above which
            a minimum is left. ``None`` where no such number is known.
        forward: what the network makes of inputs; ``None`` where the system is none.
    """

    components: tuple[Component, ...]
    initial: Callable[[Runs], State]
    batch: Callable[[Runs, int], Batch]
    advance: Callable[[State, Batch, int], tuple[State, Byproducts]]
    observables: Mapping[str, tuple[tuple[int, ...], Callable[[State], Float[torch.Tensor, "run ..."]]]] = (
        field(default_factory=dict)
    )
    metrics: Mapping[str, Callable[[State], Float[torch.Tensor, " run"]]] = field(default_factory=dict)
    byproducts: tuple[str, ...] = ("loss",)
    clock: Callable[[int], Hashable] | None = None
    differentiable: bool = True
    symmetric: bool = False
    gradient: Callable[[State, Batch, int], State] | None = None
    curvature: Callable[[State, Batch, State], State] | None = None
    descent: Callable[[int], tuple[float, float]] | None = None
    whole: Callable[[], Batch] | None = None
    test: Callable[[], Batch] | None = None
    edge: Callable[[int], float] | None = None
    forward: Forward | None = None

    def step(self, state: State, batch: Batch, t: int) -> State:
        """The map itself: the state after step ``t``."""
        return self.advance(state, batch, t)[0]

    @property
    def size(self) -> int:
        """Number of components of the state of one run."""
        return sum(component.size for component in self.components)
