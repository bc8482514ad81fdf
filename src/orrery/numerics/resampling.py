"""Tests and intervals over seeds: relabelling, bootstrap, signed ranks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri

from orrery.config.errors import OrreryError

ENUMERATED = 20_000
"""Up to so many relabellings are enumerated; beyond, they are drawn."""


@dataclass(frozen=True)
class Relabelling:
    """A permutation test.

    Attributes:
        excess: mean between minus the mean of the two means within.
        p: share of relabellings with an excess at least as large.
        relabellings: how many were looked at.
        enumerated: all of them, rather than random ones.
    """

    excess: float
    p: float
    relabellings: int
    enumerated: bool

    @property
    def least_p(self) -> float:
        """The smallest p that so many seeds could give: two relabellings only rename the sets."""
        return 2 / self.relabellings if self.enumerated else 1 / (1 + self.relabellings)


def excess(
    distances: Float[np.ndarray, "member member"], first: Bool[np.ndarray, "labelling member"]
) -> Float[np.ndarray, " labelling"]:
    """Mean over all pairs between two sets, minus half the sum of the means over all pairs within each.

    Args:
        distances: symmetric, zero diagonal.
        first: who is in the first set.
    """
    one = first.astype(float)
    other = 1.0 - one
    n_one, n_other = one.sum(axis=1), other.sum(axis=1)
    to_one = one @ distances
    between = (to_one * other).sum(axis=1) / (n_one * n_other)
    within_one = (to_one * one).sum(axis=1) / (n_one * (n_one - 1))
    within_other = ((other @ distances) * other).sum(axis=1) / (n_other * (n_other - 1))
    return np.asarray(between - (within_one + within_other) / 2)


def permutation_test(
    distances: Float[np.ndarray, "member member"],
    *,
    paired: bool,
    generator: np.random.Generator,
    draws: int = 9_999,
) -> Relabelling:
    """Do two sets of n spectra differ? Relabel them.

    Args:
        distances: of 2n members, the first set first, in the same order of seeds.
        paired: seeds share initialisation or batch order across the sets: labels are exchanged within pairs (2^n);
            else the sets are pooled.
        generator: source of random relabellings where there are more than 20,000.
        draws: how many of these; p is then (1 + hits) / (1 + draws).

    Raises:
        OrreryError: fewer than two members in a set.
    """
    count = len(distances) // 2
    if count < 2:
        raise OrreryError("a permutation test needs at least two seeds in each condition")
    observed = float(excess(distances, (np.arange(2 * count) < count)[None])[0])
    total = 2**count if paired else comb(2 * count, count)
    enumerated = total <= ENUMERATED
    if enumerated:
        labels = _all_pairs_exchanged(count) if paired else _all_halves(count)
    elif paired:
        swapped = generator.integers(0, 2, (draws, count)).astype(bool)
        labels = np.concatenate([~swapped, swapped], axis=1)
    else:
        labels = np.zeros((draws, 2 * count), dtype=bool)
        order = generator.permuted(np.tile(np.arange(2 * count), (draws, 1)), axis=1)
        np.put_along_axis(labels, order[:, :count], True, axis=1)
    # Relabellings that only rename the two sets give the observed value up to rounding: they count.
    hits = int((excess(distances, labels) >= observed - 1e-12 * abs(observed)).sum())
    p = hits / total if enumerated else (1 + hits) / (1 + draws)
    return Relabelling(observed, p, total if enumerated else draws, enumerated)


def _all_pairs_exchanged(count: int) -> np.ndarray:
    swapped = ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype(bool)
    return np.concatenate([~swapped, swapped], axis=1)


def _all_halves(count: int) -> np.ndarray:
    labels = np.zeros((comb(2 * count, count), 2 * count), dtype=bool)
    for row, chosen in enumerate(combinations(range(2 * count), count)):
        labels[row, list(chosen)] = True
    return labels


def bootstrap_counts(n: int, draws: int, generator: np.random.Generator) -> Int[np.ndarray, "draw seed"]:
    """How often each of n seeds is in each of the resamples."""
    return np.asarray(generator.multinomial(n, np.full(n, 1 / n), size=draws))


def interval(samples: Float[np.ndarray, " draw"]) -> tuple[float, float]:
    """The central 95 % of bootstrap samples; NaN where they are not finite."""
    samples = samples[np.isfinite(samples)]
    if not samples.size:
        return np.nan, np.nan
    low, high = np.percentile(samples, [2.5, 97.5])
    return float(low), float(high)


def wilson(count: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, by its score; honest near 0 and 1 too.

    Newcombe (1998), Statistics in Medicine 17, 857, method 3; to the last bit what ``scipy.stats.binomtest`` gives,
    which takes a second to import.

    Args:
        count: how many of them.
        n: of how many, at least 1.
    """
    z = ndtri(0.975)
    share = count / n
    scale = 2 * (n + z**2)
    centre = (2 * n * share + z**2) / scale
    reach = z / scale * np.sqrt(4 * n * share * (1 - share) + z**2)
    return (
        0.0 if count == 0 else float(centre - reach),
        1.0 if count == n else float(centre + reach),
    )


def resampled_mean(
    values: Float[np.ndarray, " seed"], counts: Int[np.ndarray, "draw seed"]
) -> Float[np.ndarray, " draw"]:
    """Means of the resampled values."""
    return np.asarray(counts @ values / counts.sum(axis=1))


def resampled_between(
    distances: Float[np.ndarray, "seed seed"], counts: Int[np.ndarray, "draw seed"]
) -> Float[np.ndarray, " draw"]:
    """Mean over all pairs (seed of A, seed of B), the same seeds resampled in both."""
    total = counts.sum(axis=1, dtype=float)
    return np.asarray(((counts @ distances) * counts).sum(axis=1) / total**2)


def resampled_within(
    distances: Float[np.ndarray, "seed seed"], counts: Int[np.ndarray, "draw seed"]
) -> Float[np.ndarray, " draw"]:
    """Mean over pairs of different seeds of one condition; a seed drawn twice is no pair with itself.

    NaN where a resample holds one seed only.
    """
    total = counts.sum(axis=1, dtype=float)
    pairs = total**2 - (counts.astype(float) ** 2).sum(axis=1)
    sums = ((counts @ distances) * counts).sum(axis=1)
    return np.asarray(np.divide(sums, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))


def mean_within(distances: Float[np.ndarray, "seed seed"]) -> float:
    """Mean over the n (n - 1) / 2 pairs of seeds of one condition; NaN for a single seed."""
    count = len(distances)
    return float(distances[np.triu_indices(count, 1)].mean()) if count > 1 else np.nan


def signed_rank_p(differences: Float[np.ndarray, " seed"]) -> float:
    """One-sided Wilcoxon signed-rank p: are the differences larger than zero? NaN where all are zero."""
    if not np.any(differences):
        return np.nan
    # Here and not above: it takes a second to import, and few of those who resample rank differences.
    import scipy.stats

    return float(scipy.stats.wilcoxon(differences, alternative="greater").pvalue)
