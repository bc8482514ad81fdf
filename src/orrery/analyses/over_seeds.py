"""Numbers that are means over seeds, with their intervals."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float, Int

from orrery.analyses.api import Number
from orrery.numerics.resampling import bootstrap_counts, interval, resampled_mean
from orrery.numerics.streams import Streams

DRAWS = 10_000


@lru_cache(maxsize=1)
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
    bounds = scipy.stats.binomtest(count, n).proportion_ci(0.95, method="wilson")
    return count / n, (float(bounds.low), float(bounds.high)), n


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
    drawn = [_of_pairs(values[generator.integers(0, n, n)], statistic) for _ in range(1000)] if n > 1 else []
    return Number(
        name,
        _of_pairs(values, statistic),
        interval(np.array(drawn)) if drawn else None,
        n,
        unit=unit,
        description=description,
    )


def _of_pairs(values: Float[np.ndarray, "seed copy"], statistic: str) -> float:
    """Over the pairs that are finite."""
    pairs = values[np.isfinite(values)]
    return float(np.median(pairs) if statistic == "median" else pairs.mean())
