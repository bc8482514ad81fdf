"""How an array of states is cut for a task that reads it stretch by stretch: along its chunks, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float

PIECE = 4096
"""Components that are added up at a time; fixed, so that sums do not depend on how the states are stored."""
BYTES = 32 * 2**20
"""Memory of the states that one task holds at a time."""


def stretches(states: Float[Any, "run step component"], runs: int) -> list[tuple[int, int]]:
    """Bounds of stretches of steps whose states, of some runs and one piece of the components, fit into memory.

    They end where chunks end, or share a chunk that is too long.

    Args:
        states: NumPy or Dask array.
        runs: how many are read at once.
    """
    steps, components = states.shape[1:]
    most = max(1, BYTES // (8 * max(1, runs) * min(PIECE, max(1, components))))
    chunks = getattr(states, "chunks", None)
    lengths: Sequence[int] = chunks[1] if chunks else (steps,)
    found: list[tuple[int, int]] = []
    first = last = 0
    for length in lengths:
        if last > first and last + length - first > most:
            found.append((first, last))
            first = last
        last += length
        while last - first > most:
            found.append((first, first + most))
            first += most
    if last > first:
        found.append((first, last))
    return found


def chunk_bytes(states: Float[Any, "run step component"]) -> int:
    """Bytes, in float64, of one run in the longest chunk of steps and one piece of the components; at least 1."""
    steps, components = states.shape[1:]
    chunks = getattr(states, "chunks", None)
    return max(1, 8 * (max(chunks[1], default=0) if chunks else steps) * min(PIECE, components))


def pieces(components: int) -> list[slice]:
    """Slices of at most 4,096 components."""
    return [slice(first, min(first + PIECE, components)) for first in range(0, components, PIECE)]
