"""The distance of two spectra against brute force and optimal transport."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import ot
import pytest

from orrery.config.errors import OrreryError
from orrery.numerics.matching import distance, distance_matrix, match, swap_share


def spectrum(count: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.standard_normal(count) + 1j * generator.standard_normal(count)


@pytest.mark.parametrize("count", [1, 2, 4, 6])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_the_best_of_all_permutations(count: int, seed: int) -> None:
    a, b = spectrum(count, seed), spectrum(count, seed + 100)
    best = min(np.abs(a - b[list(order)]).mean() for order in permutations(range(count)))
    assert distance(a, b) == pytest.approx(best, abs=1e-14)


def test_equal_to_optimal_transport_symmetric_and_zero_on_equal_sets() -> None:
    a, b = spectrum(10, 1), spectrum(10, 2)
    weights = np.full(10, 0.1)
    assert distance(a, b) == pytest.approx(ot.emd2(weights, weights, np.abs(a[:, None] - b)), abs=1e-12)
    assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-15)
    assert distance(a, np.random.default_rng(0).permutation(a)) == 0


def test_the_matching_is_returned() -> None:
    a = spectrum(7, 3)
    order = np.random.default_rng(4).permutation(7)
    found = match(a, a[order] + 1e-6)
    assert (order[found.second] == found.first).all()


def test_unequal_sizes_split_mass() -> None:
    # Half of the mass of 0 goes to each of 1 and -1.
    assert distance(np.array([0j]), np.array([1.0 + 0j, -1.0])) == pytest.approx(1.0)
    a = spectrum(5, 6)
    assert distance(a, np.repeat(a, 2)) == pytest.approx(0, abs=1e-12)


def test_what_is_not_finite_raises() -> None:
    with pytest.raises(OrreryError, match="not finite"):
        distance(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    with pytest.raises(OrreryError, match="empty"):
        distance(np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("seed", range(3))
def test_swap_control_counts_ties_only(seed: int) -> None:
    a, b = spectrum(10, seed), spectrum(10, seed + 50)
    true = match(a, b)
    assert 2 / 2**10 <= swap_share(a, b) <= 1
    generator = np.random.default_rng(seed)
    for _ in range(50):
        heads = generator.integers(0, 2, 10).astype(bool)
        one, other = a[true.first], b[true.second]
        swapped = distance(np.where(heads, other, one), np.where(heads, one, other))
        assert swapped <= true.distance * (1 + 1e-12)


def test_swap_control_of_clean_pairs_is_one_and_of_far_sets_is_least() -> None:
    apart = 10.0 * np.arange(8)
    assert swap_share(apart, apart + 1e-3) == 1.0
    assert swap_share(spectrum(8, 1) * 0.01, spectrum(8, 2) * 0.01 + 5) == 2 / 2**8


def test_matrix_of_distances() -> None:
    spectra = [spectrum(4, seed) for seed in range(4)]
    matrix = distance_matrix(spectra)
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 0).all()
    assert matrix[1, 3] == distance(spectra[1], spectra[3])
