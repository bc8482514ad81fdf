"""Numbers that are means over seeds, with their intervals."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from orrery.analyses.api import Number
from orrery.numerics.resampling import bootstrap_counts, interval, resampled_mean, wilson
from orrery.numerics.streams import Streams

DRAWS = 10_000


@lru_cache(maxsize=4)
def _counts(n: int) -> Int[np.ndarray, "draw seed"]:
    """The same for every number of so many seeds; drawing them takes longer than what is done with them."""
    return bootstrap_counts(n, DRAWS, Streams().generator("probe", n, "bootstrap"))


def mean_over_seeds(values: Float[np.ndarray, " seed"]) -> tuple[float, tuple[float, float] | None, int]:
    """Mean of the finite values, its 95 % bootstrap interval (``None`` for one seed), and how many these are."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    n = len(values)
    if not n:
        return np.nan, None, 0
    return float(values.mean()), interval(resampled_mean(values, _counts(n))) if n > 1 else None, n


def share_over_seeds(hits: Bool[np.ndarray, " seed"]) -> tuple[float, tuple[float, float] | None, int]:
    """Share of the seeds of which something holds, with Wilson's 95 % interval, which is honest near 0 and 1 too."""
    n = len(hits)
    if not n:
        return np.nan, None, 0
    count = int(np.count_nonzero(hits))
    return count / n, wilson(count, n), n


def mean_number(
    name: str,
    values: Float[np.ndarray, " seed"],
    description: str,
    *,
    unit: str = "",
    floor: float | None = None,
) -> Number:
    """The mean over the seeds whose value is finite, with its 95 % bootstrap interval; NaN where there is none."""
    value, bounds, n = mean_over_seeds(values)
    return Number(name, value, bounds, n, floor=floor, unit=unit, description=description)


def share_number(name: str, hits: Bool[np.ndarray, " seed"], description: str) -> Number:
    """The share of seeds of which something holds, with its 95 % interval (Wilson's score)."""
    value, bounds, n = share_over_seeds(hits)
    return Number(name, value, bounds, n, description=description)


def pooled_number(
    name: str,
    values: Float[np.ndarray, "seed copy"],
    statistic: Literal["median", "mean"],
    description: str,
    *,
    unit: str = "",
) -> Number:
    """A statistic of all pairs of seed and copy; its interval resamples seeds, with all their copies.

    Args:
        name: of the number.
        values: one per pair; those that are not finite are left out.
        statistic: which one.
        description: for the reader of a table.
        unit: of the values.
    """
    values = values[np.isfinite(values).any(axis=1)]
    n = len(values)
    if not n:
        return Number(name, np.nan, None, 0, unit=unit, description=description)
    generator = Streams().generator("probe", n, "bootstrap of pairs")
    drawn = _resampled_pairs(values, statistic, generator) if n > 1 else None
    return Number(
        name,
        _of_pairs(values, statistic),
        None if drawn is None else interval(drawn),
        n,
        unit=unit,
        description=description,
    )


def _resampled_pairs(
    values: Float[np.ndarray, "seed copy"], statistic: str, generator: np.random.Generator
) -> Float[np.ndarray, " draw"]:
    """The statistic in a thousand resamples of the seeds; a hundred at a time where every pair is finite."""
    n = len(values)
    chosen = [generator.integers(0, n, n) for _ in range(1000)]
    if not np.isfinite(values).all():
        return np.array([_of_pairs(values[seeds], statistic) for seeds in chosen])
    over_pairs = np.median if statistic == "median" else np.mean
    parts = (values[np.stack(chosen[first : first + 100])] for first in range(0, 1000, 100))
    return np.concatenate([over_pairs(part.reshape(len(part), -1), axis=1) for part in parts])


def _of_pairs(values: Float[np.ndarray, "seed copy"], statistic: str) -> float:
    """Over the pairs that are finite."""
    pairs = values[np.isfinite(values)]
    return float(np.median(pairs) if statistic == "median" else pairs.mean())
