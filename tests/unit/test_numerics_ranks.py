"""Ranks, areas and correlations of resamples against scikit-learn and SciPy on the resamples written out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from orrery.numerics import ranks
from orrery.numerics.resampling import bootstrap_counts

N = 40


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two quantities with ties, which of N units are high, and resamples, the first of them the units themselves."""
    generator = np.random.default_rng(seed)
    first, second = generator.integers(0, 12, (2, N)).astype(float)
    high = first + generator.normal(0, 6, N) > 7
    return first, second, high, np.concatenate([ranks.once(N), bootstrap_counts(N, 30, generator)])


def test_ranks_are_those_of_the_resample_written_out() -> None:
    values, _, _, counts = drawn()
    values[3], values[5] = -np.inf, np.inf
    found = ranks.resampled_ranks(values, counts)
    assert np.array_equal(found[0], scipy.stats.rankdata(values))
    for row, count in enumerate(counts):
        assert np.array_equal(np.repeat(found[row], count), scipy.stats.rankdata(np.repeat(values, count)))


def test_areas_are_those_of_scikit_learn() -> None:
    values, _, high, counts = drawn()
    found = ranks.areas(ranks.resampled_ranks(values, counts), high[None], counts)
    assert found == pytest.approx(
        [roc_auc_score(np.repeat(high, count), np.repeat(values, count)) for count in counts], abs=1e-14
    )


def test_an_area_needs_units_of_both_kinds() -> None:
    values, _, high, counts = drawn()
    labels = np.stack([high, np.ones(N, dtype=bool), np.zeros(N, dtype=bool)])
    found = ranks.areas(ranks.resampled_ranks(values, counts[:3]), labels, counts[:3])
    assert np.isfinite(found).tolist() == [True, False, False]


def test_known_areas() -> None:
    counts, high = ranks.once(5), np.array([[False, False, True, True, True]])

    def area(values: list[float]) -> float:
        return float(
            ranks.areas(ranks.resampled_ranks(np.array(values, dtype=float), counts), high, counts)[0]
        )

    assert area([1, 2, 3, 4, 5]) == 1
    assert area([5, 4, 3, 2, 1]) == 0
    assert area([1, 1, 1, 1, 1]) == 0.5
    # The pairs (2, 1.5) and (2, 1.5) are lost, (1, 1.5) is won twice, and both are below 3.
    assert area([1, 2, 1.5, 1.5, 3]) == pytest.approx(4 / 6)


def test_correlations_of_ranks_are_spearmans() -> None:
    first, second, _, counts = drawn()
    found = ranks.correlations(*(ranks.resampled_ranks(one, counts) for one in (first, second)), counts)
    expected = [
        scipy.stats.spearmanr(np.repeat(first, count), np.repeat(second, count)).statistic for count in counts
    ]
    assert found == pytest.approx(expected, abs=1e-12)
    assert np.isnan(ranks.correlations(np.ones((1, N)), first[None], counts[:1]))


def test_partial_correlation_is_that_of_the_residuals() -> None:
    first, second, _, _ = drawn()
    fixed = first + second + np.random.default_rng(2).normal(0, 2, N)
    a, b, z = (scipy.stats.rankdata(one) for one in (first, second, fixed))

    def residual(values: np.ndarray) -> np.ndarray:
        return values - np.polyval(np.polyfit(z, values, 1), z)

    plain = [np.array([np.corrcoef(*pair)[0, 1]]) for pair in ((a, b), (a, z), (b, z))]
    expected = np.corrcoef(residual(a), residual(b))[0, 1]
    assert ranks.partial_correlations(*plain) == pytest.approx([expected], abs=1e-12)
    # The two go together less, once what both share with the third is taken away: they go apart.
    assert expected < plain[0][0]
    assert np.isnan(ranks.partial_correlations(np.array([0.5]), np.array([1.0]), np.array([0.5])))


@pytest.mark.parametrize("seed", range(20))
def test_a_rank_correlation_is_that_of_scipy_to_the_last_bit(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second, _, _ = drawn(seed)
    others = generator.normal(size=(2, 3 + 50 * seed))
    for x, y in ((first, second), others):
        assert ranks.rank_correlation(x, y) == scipy.stats.spearmanr(x, y).statistic
