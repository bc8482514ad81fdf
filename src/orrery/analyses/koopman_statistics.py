"""What the distances of two conditions say: means, floors, tests and intervals over the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from orrery.numerics import resampling
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.koopman import Compare

P_NON_CONJUGATE = 0.01
FLOOR_FACTOR = 2.0
EQUIVALENCE_SHARE = 0.5
"""The words of a verdict: see :func:`verdict`."""


@dataclass(frozen=True)
class Blocks:
    """Distances among the seeds of two conditions, in the same order of seeds.

    Attributes:
        first, second: within each condition.
        between: rows are seeds of the first, columns seeds of the second.
        seeds: those that have a spectrum in both.
    """

    first: Float[np.ndarray, "seed seed"]
    second: Float[np.ndarray, "seed seed"]
    between: Float[np.ndarray, "seed seed"]
    seeds: tuple[int, ...]

    @property
    def joined(self) -> Float[np.ndarray, "member member"]:
        """All of them as one matrix, the first condition first."""
        return np.block([[self.first, self.between], [self.between.T, self.second]])


@dataclass(frozen=True)
class Means:
    """Means over seeds of one pair of conditions, with bootstrap samples of the same resamples of seeds.

    Attributes:
        matched: mean distance of equal seeds, one of each condition.
        spread: standard deviation of these.
        between: mean distance over all pairs (seed of the first, seed of the second).
        within: mean distance over all pairs of different seeds, of each condition; NaN for a single seed.
        matched_samples, between_samples: of these means.
        excess_samples: of the mean between less half the sum of the two within.
        margin_samples: of the mean between less the larger of the two within.
        relabelling: the permutation test, or ``None`` for a single seed.
        n: number of seeds.
    """

    matched: float
    spread: float
    between: float
    within: tuple[float, float]
    matched_samples: Float[np.ndarray, " draw"]
    between_samples: Float[np.ndarray, " draw"]
    excess_samples: Float[np.ndarray, " draw"]
    margin_samples: Float[np.ndarray, " draw"]
    relabelling: resampling.Relabelling | None
    n: int


def blocks_of(comparison: xr.Dataset, pair: Sequence[str], place: int) -> Blocks:
    """Cut the blocks of a pair out of the matrix of all distances.

    Args:
        comparison: with ``distance(level, row, column)``, ``member_condition(row)`` and ``member_seed(row)``.
        pair: names of two conditions.
        place: along ``level``.
    """
    names = list(comparison.attrs["conditions"])
    matrix = comparison["distance"].values[place]
    owner, seeds = comparison["member_condition"].values, comparison["member_seed"].values
    rows = [
        {
            int(seeds[row]): row
            for row in np.flatnonzero(owner == names.index(name))
            if np.isfinite(matrix[row, row])
        }
        for name in pair
    ]
    shared = [seed for seed in rows[0] if seed in rows[1]]
    one, other = ([row[seed] for seed in shared] for row in rows)
    return Blocks(
        matrix[np.ix_(one, one)], matrix[np.ix_(other, other)], matrix[np.ix_(one, other)], tuple(shared)
    )


def within_of(comparison: xr.Dataset, name: str, place: int) -> Float[np.ndarray, "seed seed"]:
    """Distances among the seeds of one condition; see :func:`blocks_of`."""
    return blocks_of(comparison, (name, name), place).first


def resamples(n: int, draws: int) -> Int[np.ndarray, "draw seed"]:
    """The same resamples of n seeds for every statistic, so that differences are of paired draws."""
    return resampling.bootstrap_counts(n, draws, Streams().generator("probe", n, "bootstrap"))


def means_of(blocks: Blocks, settings: Compare) -> Means:
    """All means, intervals and the relabelling test of a pair."""
    n = len(blocks.seeds)
    matched = np.diag(blocks.between)
    counts = resamples(n, settings.resamples)
    between = resampling.resampled_between(blocks.between, counts)
    first = resampling.resampled_within(blocks.first, counts)
    second = resampling.resampled_within(blocks.second, counts)
    larger = (
        first if resampling.mean_within(blocks.first) >= resampling.mean_within(blocks.second) else second
    )
    test = None
    if n > 1:
        test = resampling.permutation_test(
            blocks.joined,
            paired=settings.paired,
            generator=Streams().generator("probe", n, "relabelling"),
            draws=settings.relabellings,
        )
    return Means(
        matched=float(matched.mean()),
        spread=float(matched.std()),
        between=float(blocks.between.mean()),
        within=(resampling.mean_within(blocks.first), resampling.mean_within(blocks.second)),
        matched_samples=resampling.resampled_mean(matched, counts),
        between_samples=between,
        excess_samples=between - (first + second) / 2,
        margin_samples=between - larger,
        relabelling=test,
        n=n,
    )


def verdict(means: Means, floor: float | None) -> tuple[float, str]:
    """The words for a pair at equal delays.

    ``non-conjugate`` (1): p < 0.01 and the mean between is at least twice the floor of other batches.
    ``compatible with conjugacy`` (-1): the bootstrap 95 % interval of the mean between less the larger mean within
    lies below half of the latter. ``undecided`` (NaN): all else, and always where so few seeds could not give p < 0.01.

    Args:
        means: of the pair.
        floor: the larger of the floors of other batches of the two conditions, or ``None`` where there is none.

    Returns:
        Its number and its words.
    """
    if means.relabelling is None or means.relabelling.least_p >= P_NON_CONJUGATE:
        return np.nan, "undecided"
    clear = means.relabelling.p < P_NON_CONJUGATE
    if clear and floor is not None and means.between >= FLOOR_FACTOR * floor:
        return 1.0, "non-conjugate"
    high = resampling.interval(means.margin_samples)[1]
    if high < EQUIVALENCE_SHARE * max(means.within):
        return -1.0, "compatible with conjugacy"
    return np.nan, "undecided"
