"""Growth over the stretches between moments of the directions of highest and lowest curvature where they begin.

A vector that is carried along from the start has lost what shrank fastest, and beyond the edge that must grow out of
rounding first. A finite-time exponent of a stretch knows nothing of what came before: here it is that of the tangent
map over the stretch, restricted to the plane of the two eigenvectors at its start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.systems.tangents import push

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.system import Batch, Runs, State, System


def growth_over_stretches(
    system: System,
    runs: Runs,
    states: Mapping[int, State],
    steps: Sequence[int],
    follow: int,
    vectors: Float[torch.Tensor, "run moment direction component"],
) -> dict[str, Float[np.ndarray, "run moment"]]:
    """Exponents per step from each moment on, until the next.

    Args:
        system: of the runs.
        runs: of the states.
        states: by step, all that a stretch begins a step at.
        steps: of the moments, one more than there are stretches.
        follow: steps of a stretch, at most: of a longer one its beginning is followed.
        vectors: orthonormal at the start of each stretch, the sharpest direction first.

    Returns:
        ``finite_time``, from the larger singular value of the map restricted to the plane of the two;
        ``sharpest_stretch``, ``lowest_stretch``, ln of the length of each after the stretch, per step.
    """
    lengths = np.minimum(np.diff(steps), follow)
    carried = vectors.clone()
    for offset in range(int(lengths.max())):
        active = [place for place, length in enumerate(lengths) if offset < length]
        at = [int(steps[place]) + offset for place in active]
        carried[:, active] = _pushed(system, runs, [states[step] for step in at], at, carried[:, active])
    per_step = torch.from_numpy(lengths.astype(float))
    safe = torch.where(torch.isfinite(carried), carried, 0.0)
    largest = torch.linalg.svdvals(safe @ safe.transpose(2, 3))[:, :, 0].log() / 2
    known = torch.isfinite(carried).all(dim=3).all(dim=2)
    grown = carried.norm(dim=3).log()
    return {
        "finite_time": (largest.where(known, torch.nan) / per_step).numpy(),
        "sharpest_stretch": (grown[:, :, 0] / per_step).numpy(),
        "lowest_stretch": (grown[:, :, 1] / per_step).numpy(),
    }


def _pushed(
    system: System,
    runs: Runs,
    states: Sequence[State],
    steps: Sequence[int],
    vectors: Float[torch.Tensor, "run moment direction component"],
) -> Float[torch.Tensor, "run moment direction component"]:
    """One step of each stretch: of all at once where the map is the same for all of them."""
    batch = _shared(system, runs, steps)
    if batch is None:
        found = [
            push(system, state, system.batch(runs, step), step, vectors[:, place])
            for place, (state, step) in enumerate(zip(states, steps, strict=True))
        ]
        return torch.stack(found, dim=1)
    folded = {name: torch.stack([state[name] for state in states], dim=1).flatten(0, 1) for name in states[0]}
    moved = push(system, folded, batch, steps[0], vectors.flatten(0, 1))
    return moved.unflatten(0, vectors.shape[:2])


def _shared(system: System, runs: Runs, steps: Sequence[int]) -> Batch | None:
    """The batch of these steps where any number of runs may take them together; else ``None``."""
    if system.clock is None or len({system.clock(step) for step in steps}) > 1:
        return None
    batch = system.batch(runs, steps[0])
    if any(tensor.shape[0] != 1 for tensor in batch.values()):
        return None
    for step in steps[1:]:
        other = system.batch(runs, step)
        if any(tensor is not other[name] for name, tensor in batch.items()):
            return None
    return batch
