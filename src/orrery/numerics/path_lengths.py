"""How far each component moves and how long its path is, streamed over chunks of the states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dask
import numpy as np
from jaxtyping import Float, Int

from orrery.numerics.parts import Part
from orrery.numerics.stretches import BYTES, chunk_bytes, pieces, stretches


@dataclass(frozen=True)
class Paths:
    """Paths of the components of some runs.

    Attributes:
        first, last: values at the first and at the last step.
        length: sum over steps of \\|w(t) - w(t - 1)\\|.
        norm: sum over components of \\|w(t)\\|, at every step.
    """

    first: Float[np.ndarray, "run component"]
    last: Float[np.ndarray, "run component"]
    length: Float[np.ndarray, "run component"]
    norm: Float[np.ndarray, "run step"]


def paths_of(states: Float[Any, "run step component"], rows: Int[np.ndarray, " taken"]) -> Paths:
    """Paths of the components of some runs, in float64.

    Each task reads some runs in 4,096 components, one stretch of steps after the other, about 32 MB at a time. NaN
    where a run is not finite.

    Args:
        states: NumPy or Dask array; a Dask array is read chunk by chunk.
        rows: places of the runs.
    """
    steps, components = states.shape[1:]
    together = max(1, min(len(rows), BYTES // chunk_bytes(states)))
    spans = stretches(states, together)
    groups = [slice(first, first + together) for first in range(0, len(rows), together)]
    cut = pieces(components)
    found = dask.compute(
        *(
            dask.delayed(_paths)([Part([states[rows[group], slice(*span), piece]]) for span in spans])
            for group in groups
            for piece in cut
        )
    )
    ends = np.empty((3, len(rows), components))
    norm = np.zeros((len(rows), steps))
    of_task = iter(found)
    for group in groups:
        for piece in cut:
            values, sums = next(of_task)
            ends[:, group, piece] = values
            norm[group] += sums
    return Paths(first=ends[0], last=ends[1], length=ends[2], norm=norm)


def _paths(
    parts: Sequence[Part],
) -> tuple[Float[np.ndarray, "3 run component"], Float[np.ndarray, "run step"]]:
    """First and last values and lengths of the paths, and sums of absolute values at every step."""
    norms = []
    first = before = length = None
    for part in parts:
        states = np.asarray(part.read(), dtype=np.float64)
        if first is None or before is None or length is None:
            first = before = states[:, 0].copy()
            length = np.zeros_like(first)
        norms.append(np.abs(states).sum(axis=-1))
        length += np.abs(states[:, 0] - before) + np.abs(np.diff(states, axis=1)).sum(axis=1)
        before = states[:, -1].copy()
    assert first is not None
    assert before is not None
    assert length is not None
    return np.stack([first, before, length]), np.concatenate(norms, axis=1)
