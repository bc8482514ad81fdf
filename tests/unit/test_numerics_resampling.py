"""Relabelling tests, bootstrap and means against direct counts."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
import scipy.stats

from orrery.numerics import resampling
from orrery.numerics.streams import Streams


def points(shift: float, n: int = 5, seed: int = 0) -> np.ndarray:
    """Distances among 2n points on a line, the second half shifted."""
    values = np.random.default_rng(seed).standard_normal(2 * n)
    values[n:] += shift
    return np.abs(values[:, None] - values[None])


def direct_excess(distances: np.ndarray, first: list[int]) -> float:
    other = [i for i in range(len(distances)) if i not in first]
    between = np.mean([distances[i, j] for i in first for j in other])
    within = [np.mean([distances[i, j] for i, j in combinations(group, 2)]) for group in (first, other)]
    return float(between - np.mean(within))


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_pooled_test_equals_direct_enumeration(shift: float) -> None:
    distances = points(shift)
    found = resampling.permutation_test(distances, paired=False, generator=np.random.default_rng(0))
    observed = direct_excess(distances, list(range(5)))
    every = [direct_excess(distances, list(chosen)) for chosen in combinations(range(10), 5)]
    assert found.enumerated
    assert found.relabellings == 252
    assert found.excess == pytest.approx(observed)
    assert found.p == pytest.approx(np.mean(np.array(every) >= observed - 1e-12))


def test_paired_test_equals_direct_enumeration() -> None:
    distances = points(0.8)
    found = resampling.permutation_test(distances, paired=True, generator=np.random.default_rng(0))
    every = [
        direct_excess(distances, [i + 5 * swap for i, swap in enumerate(swaps)])
        for swaps in product((0, 1), repeat=5)
    ]
    assert found.relabellings == 32
    assert found.p == pytest.approx(np.mean(np.array(every) >= found.excess - 1e-12))


def test_far_sets_give_the_smallest_p() -> None:
    generator = np.random.default_rng(0)
    # Exchanging all labels gives the same value: two of 252, two of 32.
    assert resampling.permutation_test(points(50), paired=False, generator=generator).p == pytest.approx(
        2 / 252
    )
    assert resampling.permutation_test(points(50), paired=True, generator=generator).p == pytest.approx(
        2 / 32
    )


@pytest.mark.parametrize("paired", [False, True])
def test_many_seeds_draw_random_relabellings(paired: bool) -> None:
    generator = Streams().generator("probe", 0, "test")
    found = resampling.permutation_test(points(50, n=20), paired=paired, generator=generator, draws=2_000)
    assert not found.enumerated
    assert found.p == pytest.approx(1 / 2001)


def test_null_p_values_are_not_small_too_often() -> None:
    generator = np.random.default_rng(1)
    values = [
        resampling.permutation_test(points(0, seed=seed), paired=False, generator=generator).p
        for seed in range(60)
    ]
    assert np.mean(np.array(values) <= 0.1) < 0.25


def test_resampled_means_equal_direct_ones() -> None:
    distances = points(0.5, n=4)[:4, :4]
    between = points(0.5, n=4)[:4, 4:]
    counts = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [4, 0, 0, 0]])
    seeds = [np.repeat(np.arange(4), row) for row in counts]
    assert resampling.resampled_between(between, counts) == pytest.approx(
        [between[np.ix_(chosen, chosen)].mean() for chosen in seeds]
    )
    within = resampling.resampled_within(distances, counts)
    assert within[0] == pytest.approx(resampling.mean_within(distances))
    pairs = [distances[i, j] for i in seeds[1] for j in seeds[1] if i != j]
    assert within[1] == pytest.approx(np.mean(pairs))
    assert np.isnan(within[2])


def test_bootstrap_interval_of_a_normal_mean() -> None:
    values = np.random.default_rng(3).standard_normal(400)
    counts = resampling.bootstrap_counts(400, 4_000, np.random.default_rng(4))
    low, high = resampling.interval(resampling.resampled_mean(values, counts))
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_signed_ranks() -> None:
    values = np.array([0.3, 0.1, 0.5, -0.05, 0.7, 0.2])
    assert resampling.signed_rank_p(values) == scipy.stats.wilcoxon(values, alternative="greater").pvalue
    assert resampling.signed_rank_p(np.abs(values)) == pytest.approx(1 / 64)
    assert np.isnan(resampling.signed_rank_p(np.zeros(4)))


@pytest.mark.parametrize("n", [1, 2, 7, 60, 499])
def test_wilsons_interval_is_that_of_scipy_to_the_last_bit(n: int) -> None:
    for count in range(n + 1):
        bounds = scipy.stats.binomtest(count, n).proportion_ci(method="wilson")
        assert resampling.wilson(count, n) == (bounds.low, bounds.high)
