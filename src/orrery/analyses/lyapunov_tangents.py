"""Frames of tangent vectors along the runs of one tile, step by step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.numerics.tangent_frames import positive_qr
from orrery.systems.system import MOVED, Runs, System
from orrery.systems.tangents import jacobian, packed, places, push

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.analyses.api import Replayed
    from orrery.systems.system import Batch, State

    Vectors = Float[torch.Tensor, "run component direction"]
    Carry = Callable[[Vectors], Vectors]

WEIGHTS = MOVED
"""Roles of what is learned, as against what an optimizer carries along."""
PARTS = (WEIGHTS, ("momentum",), ("second-moment",), ("statistic",))
"""Parts of a state that may have units of their own."""
SMALL = 32
"""Up to so many components a matrix is formed, of many steps at once where the map does not change with the step."""
TOGETHER = 512
"""Runs times steps of which that is done at a time: beyond, what a step holds for a while no longer fits the cache."""
HELD = 2**23
"""Numbers that the tensors of one push may hold at a time."""


@dataclass(frozen=True)
class Followed:
    """Chosen runs of a tile. All runs of the tile are stepped, as they were trained; these are looked at.

    Attributes:
        orbit: the tile.
        rows: which of its runs.
    """

    orbit: Replayed
    rows: tuple[int, ...]

    @property
    def system(self) -> System:
        """The system of the tile."""
        return self.orbit.system

    @cached_property
    def runs(self) -> Runs:
        """Seeds and copies of the chosen runs."""
        runs = self.orbit.runs
        return Runs(tuple(runs.seeds[row] for row in self.rows), tuple(runs.copies[row] for row in self.rows))

    def states(self, first: int, last: int) -> Iterator[tuple[int, State]]:
        """Step and state of the chosen runs, both ends included."""
        everyone = self.rows == tuple(range(self.orbit.runs.count))
        rows = list(self.rows)
        for step, state in self.orbit.states(first, last):
            yield step, state if everyone else {name: tensor[rows] for name, tensor in state.items()}


@dataclass(frozen=True)
class Mark:
    """One orthogonalisation.

    Attributes:
        step: after which state.
        state: of the chosen runs.
        frame: orthonormal in the norm of the analysis.
        factor: R of the steps since the last mark; ``None`` at the first.
        carried: the last frame after these steps, before it was made orthonormal; ``None`` at the first.
        before: the frame of the last mark; ``None`` at the first.
    """

    step: int
    state: State
    frame: Vectors
    factor: Float[torch.Tensor, "run direction column"] | None = None
    carried: Vectors | None = None
    before: Vectors | None = None


def start_frame(
    followed: Followed,
    directions: int,
    roles: Sequence[str] | None,
    preferred: Sequence[str] | None,
) -> Vectors:
    """An orthonormal frame of each run from its seed and the stream ``probe``; that of fewer directions is a part.

    Args:
        followed: the runs.
        directions: how many.
        roles: all directions lie in the tensors of these roles.
        preferred: the first directions do, as many as there are; the others lie anywhere.
    """
    system, size = followed.system, followed.system.size
    within = np.ones((directions, size), dtype=bool)
    chosen = places(system.components, roles or preferred or ())
    if chosen:
        bound = directions if roles else len(chosen)
        within[:bound] = False
        within[:bound, chosen] = True
    drawn = np.stack(
        [
            followed.orbit.streams.generator("probe", seed, "tangent frame", (size,)).standard_normal(
                (directions, size)
            )
            for seed in followed.runs.seeds
        ]
    )
    return positive_qr(torch.from_numpy(np.where(within, drawn, 0.0)).transpose(1, 2))[0]


def scales_of(followed: Followed, state: State) -> Float[torch.Tensor, "run component"]:
    """The root mean square of each part of the state, at each component of the part; zero where the part is."""
    components = followed.system.components
    vectors = packed(state, components)
    found = torch.ones_like(vectors)
    for roles in PARTS:
        at = places(components, roles)
        if at:
            found[:, at] = vectors[:, at].square().mean(dim=1, keepdim=True).sqrt()
    return found


def marks(
    followed: Followed,
    frame: Vectors,
    first: int,
    last: int,
    stops: Collection[int],
    scales: Float[torch.Tensor, "run component"] | None = None,
) -> Iterator[Mark]:
    """Carry a frame along the runs and make it orthonormal at every stop, beginning with the frame itself.

    Args:
        followed: the runs.
        frame: at step ``first``.
        first, last: steps of the first and of the last state.
        stops: steps of the marks after the first; ``last`` among them.
        scales: components are measured in these; in their own units where absent.
    """
    before = carried = frame
    for step, state, carry in _steps(followed, first, last, frame.shape[2], scales):
        if step == first:
            yield Mark(step, state, frame)
        elif step in stops:
            frame, factor = positive_qr(carried)
            yield Mark(step, state, frame, factor, carried, before)
            before = carried = frame
        if carry is not None:
            carried = carry(carried)


def _steps(
    followed: Followed,
    first: int,
    last: int,
    directions: int,
    scales: torch.Tensor | None,
) -> Iterator[tuple[int, State, Carry | None]]:
    """Step, state and what carries vectors on to the next step; nothing does so at the last."""
    system, runs = followed.system, followed.runs
    matrix = system.size <= SMALL and 4 * directions >= system.size
    together = TOGETHER // runs.count if matrix else 1
    waiting: list[tuple[int, State]] = []
    shared: tuple[object, Batch] | None = None

    def release() -> Iterator[tuple[int, State, Carry | None]]:
        if len(waiting) > 1 and shared is not None:
            stacked = {name: torch.cat([state[name] for _, state in waiting]) for name in waiting[0][1]}
            found = jacobian(system, stacked, shared[1], waiting[0][0])
            if scales is not None:
                every = scales.repeat(len(waiting), 1)
                found = found * every[:, None, :] / every[:, :, None]
            matrices = found.unflatten(0, (len(waiting), runs.count))
            for (step, state), one in zip(waiting, matrices, strict=True):
                yield step, state, partial(torch.bmm, one)
        else:
            for step, state in waiting:
                yield step, state, partial(carry_by, followed, state, step, scales=scales)
        waiting.clear()

    for step, state in followed.states(first, last):
        if step == last:
            yield from release()
            yield step, state, None
            return
        kind = _kind(followed, step) if together > 1 else None
        if waiting and (kind is None or shared is None or not _same(kind, shared)):
            yield from release()
        shared = kind
        waiting.append((step, state))
        if shared is None or len(waiting) >= together:
            yield from release()


def _kind(followed: Followed, step: int) -> tuple[object, Batch] | None:
    """What a step depends on beside the state, if runs of any number may take it together; else ``None``."""
    system = followed.system
    if system.clock is None:
        return None
    batch = system.batch(followed.runs, step)
    if any(tensor.shape[0] != 1 for tensor in batch.values()):
        return None
    return system.clock(step), batch


def _same(one: tuple[object, Batch], other: tuple[object, Batch]) -> bool:
    return (
        one[0] == other[0]
        and one[1].keys() == other[1].keys()
        and all(tensor is other[1][name] for name, tensor in one[1].items())
    )


def carry_by(
    followed: Followed,
    state: State,
    step: int,
    vectors: Vectors,
    scales: Float[torch.Tensor, "run component"] | None = None,
) -> Vectors:
    """Vectors after the tangent map of one step, pushed as many at a time as memory allows."""
    system = followed.system
    batch = system.batch(followed.runs, step)
    seen = sum(tensor.numel() for tensor in batch.values())
    each = followed.runs.count * (system.size + seen)
    given = vectors if scales is None else vectors * scales[:, :, None]
    moved = push(
        system,
        state,
        batch,
        step,
        given.transpose(1, 2),
        together=max(1, HELD // each) if each * vectors.shape[2] > HELD else None,
    ).transpose(1, 2)
    return moved if scales is None else moved / scales[:, :, None]
