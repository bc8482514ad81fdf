"""Orders against SciPy's Kendall tau, pair by pair, and the fold of two neurons against its closed form."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import scipy.stats

from orrery.numerics.orders import bends, orders


def pair_by_pair(before: np.ndarray, after: np.ndarray) -> list[int]:
    signs = [
        (np.sign(before[i] - before[j]), np.sign(after[i] - after[j]))
        for i, j in combinations(range(len(before)), 2)
    ]
    return [
        sum(a == 0 for a, _ in signs),
        sum(b == 0 for _, b in signs),
        sum(a == 0 == b for a, b in signs),
        sum(a * b < 0 for a, b in signs),
        sum(a * b > 0 for a, b in signs),
    ]


@pytest.mark.parametrize("levels", [3, 12, 10_000])
def test_pairs_of_many_rows_are_those_counted_one_by_one(levels: int) -> None:
    generator = np.random.default_rng(levels)
    before, after = generator.integers(0, levels, (2, 2, 4, 37)).astype(float)
    found = orders(before, after)
    for row in np.ndindex(2, 4):
        expected = pair_by_pair(before[row], after[row])
        parts = (found.tied_before, found.tied_after, found.tied_both, found.inverted, found.kept)
        assert [int(one[row]) for one in parts] == expected
        assert found.tau[row] == pytest.approx(
            scipy.stats.kendalltau(before[row], after[row]).statistic, abs=1e-14
        )


def test_monotone_activations_invert_nothing() -> None:
    h = np.random.default_rng(1).normal(size=(5, 400))
    assert (orders(h, np.tanh(h)).tau == 1).all()
    relu = orders(h, np.maximum(h, 0))
    assert (relu.inverted == 0).all()
    off = (h <= 0).sum(axis=1)
    assert np.array_equal(relu.tied_after, off * (off - 1) // 2)
    assert (relu.tied_both == 0).all()
    falling = orders(h, -np.tanh(h))
    assert (falling.tau == -1).all()
    assert falling.preserving.all()
    assert relu.preserving.all()


def test_a_bump_inverts_the_pairs_that_are_ordered_alike_in_h_and_its_modulus() -> None:
    h = np.random.default_rng(2).normal(size=(3, 60))
    found = orders(h, np.exp(-(h**2)))
    for row in range(3):
        alike = sum((a - b) * (abs(a) - abs(b)) > 0 for a, b in combinations(h[row], 2))
        assert found.inverted[row] == alike
    assert not found.preserving.any()


def test_all_equal_values_have_no_tau() -> None:
    found = orders(np.ones((1, 4)), np.arange(4.0)[None])
    assert np.isnan(found.tau).all()
    assert found.preserving.all()


def folded(h: np.ndarray, w: float, b1: float, b2: float) -> np.ndarray:
    return np.tanh(w * h + b1) + np.tanh(-w * h + b2)


def test_two_neurons_fold_where_the_closed_form_says() -> None:
    w, b1, b2 = 1.7, 1.2, 0.4
    h = np.linspace(-10, 10, 200_001)
    y = folded(h, w, b1, b2)
    assert h[y.argmax()] == pytest.approx((b2 - b1) / (2 * w), abs=h[1] - h[0])
    assert h[y.argmax()] == pytest.approx(-0.235294, abs=h[1] - h[0])
    assert y.max() == pytest.approx(2 * np.tanh((b1 + b2) / 2), abs=1e-8)
    assert y.max() == pytest.approx(1.328074, abs=1e-6)
    assert np.abs(y[[0, -1]]).max() < 1e-12
    assert bends(y[None])[0]
    assert bends(folded(h, 1.7, -1.2, 0.4)[None])[0]


def test_no_fold_without_a_bias_and_no_change_of_order_on_one_side() -> None:
    h = np.linspace(-3, 3, 301)
    assert np.abs(folded(h, 1.7, 1.2, -1.2)).max() < 1e-15
    star = -0.8 / 3.4
    for side in (h[h < star], h[h > star]):
        assert orders(side, folded(side, 1.7, 1.2, 0.4)).preserving
    assert not orders(h, folded(h, 1.7, 1.2, 0.4)).preserving


def test_a_curve_bends_only_beyond_rounding() -> None:
    rising = np.linspace(0, 1, 50)
    shaken = rising.copy()
    shaken[20] = np.nextafter(shaken[21], 2)
    hill = np.concatenate([rising, rising[::-1]])
    assert not bends(shaken[None])[0]
    assert bends(hill[None])[0]
    assert not bends(np.maximum(hill[:50] - 0.5, 0)[None])[0]
