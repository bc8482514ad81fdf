"""The nearest input at which a decision becomes another one, on a line.

First on a grid, to both sides of the start; then by bisection between the nearest wrong point and its right neighbour.
What returns between two neighbours of the grid is not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log2

import numpy as np
from jaxtyping import Float, Int

Decide = Callable[[Float[np.ndarray, "row place"]], Int[np.ndarray, "row place"]]


def nearest_changes(
    decide: Decide,
    starts: Float[np.ndarray, " start"],
    labels: Int[np.ndarray, " start"],
    grid: Float[np.ndarray, " place"],
    rows: int,
    tolerance: float,
) -> Float[np.ndarray, "row start"]:
    """Distance from each start to the nearest input whose class is not its label.

    Args:
        decide: inputs of each row (a network) to the class that it gives them.
        starts: where to begin.
        labels: the right class of each start.
        grid: rising, equally spaced.
        rows: how many networks.
        tolerance: no distance is too large by more than this, where the grid has seen the crossing.

    Returns:
        Infinity where no point of the grid is wrong (censored), NaN where the start itself is.
    """
    decided = decide(np.broadcast_to(grid, (rows, len(grid))))
    own = decide(np.broadcast_to(starts, (rows, len(starts))))
    sides = [
        _bracket(decided, starts, labels, grid),
        tuple(-end for end in _bracket(decided[:, ::-1], -starts, labels, -grid[::-1])),
    ]
    right, wrong = (np.concatenate([side[end] for side in sides], axis=1) for end in (0, 1))
    there = np.isfinite(wrong)
    wanted = np.concatenate([labels, labels])
    spacing = float(np.diff(grid).max())
    for _ in range(max(0, ceil(log2(spacing / tolerance)))):
        middle = np.where(there, (right + wrong) / 2, 0.0)
        off = decide(middle) != wanted
        right, wrong = np.where(off, right, middle), np.where(off & there, middle, wrong)
    distances = np.abs(wrong - np.concatenate([starts, starts])).reshape(rows, 2, -1).min(axis=1)
    return np.asarray(np.where(own == labels, distances, np.nan))


def _bracket(
    decided: np.ndarray, starts: np.ndarray, labels: np.ndarray, grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """To the left of each start (row, start): the last right point before the nearest wrong one, and that one."""
    below = np.searchsorted(grid, starts, side="right") - 1
    right, wrong = (np.full((len(decided), len(starts)), end) for end in (0.0, -np.inf))
    for label in np.unique(labels):
        mine = np.flatnonzero((labels == label) & (below >= 0))
        places = np.where(decided != label, np.arange(len(grid)), -1)
        last = np.maximum.accumulate(places, axis=1)[:, below[mine]]
        found = last >= 0
        wrong[:, mine] = np.where(found, grid[last], -np.inf)
        neighbour = grid[np.minimum(last + 1, len(grid) - 1)]
        right[:, mine] = np.where(found, np.minimum(neighbour, starts[mine]), 0.0)
    return right, wrong
