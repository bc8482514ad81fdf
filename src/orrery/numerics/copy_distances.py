"""Distances of perturbed copies from their originals, over all steps, streamed over chunks of the states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import dask
import numpy as np
from jaxtyping import Float, Int

from orrery.numerics.parts import Part
from orrery.numerics.stretches import BYTES, PIECE, chunk_bytes, pieces, stretches

Norm = Literal["l1", "l2"]
FEW = 4
"""Runs that are read at once where the copies of one seed do not fit into memory together."""


def copy_distances(
    states: Float[Any, "run step component"], rows: Int[np.ndarray, "seed copy"], norm: Norm = "l1"
) -> Float[np.ndarray, "seed other step"]:
    """|w - w'| of every further copy and the first one of its seed, at every step.

    Each task reads some runs in one stretch of steps and 4,096 components, about 32 MB. Pieces are added in the order
    of the components, so that the result has the same bits under every scheduler of Dask and for every layout.

    Args:
        states: NumPy or Dask array; a Dask array is read chunk by chunk.
        rows: places of the copies of each seed along ``run``, the original first.
        norm: ``l1``, the sum of absolute values, or ``l2``, the root of the sum of squares.

    Returns:
        In float64; NaN where a run is not finite.
    """
    seeds, copies = rows.shape
    steps, components = states.shape[1:]
    together = max(1, min(seeds, BYTES // (copies * chunk_bytes(states))))
    spans = stretches(states, copies * together if together > 1 else min(copies, FEW))
    tasks = [
        [
            dask.delayed(_distances)(_parts(states, group, span, piece), len(group), norm)
            for piece in pieces(components)
        ]
        for group in (rows[first : first + together] for first in range(0, seeds, together))
        for span in spans
    ]
    sums = dask.compute(*(dask.delayed(_added)(of_pieces) for of_pieces in tasks))
    found = np.empty((seeds, copies - 1, steps))
    of_group = iter(sums)
    for first in range(0, seeds, together):
        for begin, end in spans:
            found[first : first + together, :, begin:end] = next(of_group)
    return np.asarray(np.sqrt(found) if norm == "l2" else found)


def _parts(
    states: Float[Any, "run step component"],
    group: Int[np.ndarray, "seed copy"],
    span: tuple[int, int],
    piece: slice,
) -> Sequence[Part]:
    """What a task reads one after the other: all copies of several seeds, or the copies of one in portions."""
    seeds, copies = group.shape
    per_run = 8 * (span[1] - span[0]) * min(PIECE, max(1, piece.stop - piece.start))
    most = copies if seeds > 1 else max(2, BYTES // per_run)
    return [
        Part([states[_taken(group[:, first : first + most].ravel()), slice(*span), piece]])
        for first in range(0, copies, most)
    ]


def _taken(rows: Int[np.ndarray, " row"]) -> slice | Int[np.ndarray, " row"]:
    """Neighbouring rows as a slice, which leaves the chunks alone."""
    if (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _distances(parts: Sequence[Part], seeds: int, norm: Norm) -> Float[np.ndarray, "seed other step"]:
    """Sums over one piece of components."""
    found: list[np.ndarray] = []
    original: np.ndarray | None = None
    for part in parts:
        states = part.read()
        states = states.reshape(seeds, -1, *states.shape[1:])
        if original is None:
            original, states = states[:, :1].copy(), states[:, 1:]
        apart = np.subtract(states, original, dtype=np.float64)
        np.multiply(apart, apart, out=apart) if norm == "l2" else np.abs(apart, out=apart)
        found.append(apart.sum(axis=-1))
    return np.concatenate(found, axis=1)


def _added(sums: Sequence[Float[np.ndarray, "seed other step"]]) -> Float[np.ndarray, "seed other step"]:
    # Into a copy: Dask may use the same sum again, where a worker is lost.
    total = sums[0].copy()
    for one in sums[1:]:
        total += one
    return total
