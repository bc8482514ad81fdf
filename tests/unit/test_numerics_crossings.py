"""First crossings on curves that are known: interpolation, censoring, and what has no crossing."""

from __future__ import annotations

import numpy as np
import pytest

from orrery.numerics.crossings import (
    ABOVE,
    BELOW,
    WITHIN,
    Crossings,
    amplitudes,
    first_crossings,
    within_brackets,
)

AT = np.array([0.01, 0.1, 1.0, 10.0])
HALF = np.array([0.5])


def crossing(*shares: float, clean: float = 1.0, far: float = 0.1, at: np.ndarray = AT) -> Crossings:
    return first_crossings(at, np.array(shares), np.array(clean), np.array(far), HALF)


def test_amplitudes_are_equally_spaced_in_the_logarithm() -> None:
    found = amplitudes(1e-2, 20.0, 25)
    assert (len(found), found[0], found[-1]) == (25, 1e-2, 20.0)
    np.testing.assert_allclose(np.diff(np.log(found)), np.log(2000) / 24, rtol=1e-12)


def test_interpolation_is_linear_in_the_logarithm() -> None:
    found = crossing(1.0, 0.8, 0.2, 0.1)
    assert found.size[0] == pytest.approx(10**-0.5, rel=1e-12)
    assert found.censored[0] == WITHIN
    np.testing.assert_allclose(found.bracket[0], [0.1, 1.0], rtol=1e-12)
    assert crossing(1.0, 0.7, 0.5, 0.1).size[0] == pytest.approx(1.0, rel=1e-12)


def test_the_first_crossing_counts() -> None:
    assert crossing(1.0, 0.4, 0.9, 0.1).size[0] == pytest.approx(0.01 * 10 ** (0.5 / 0.6), rel=1e-12)


def test_what_does_not_cross_is_censored() -> None:
    above, below = crossing(1.0, 0.9, 0.8, 0.7), crossing(0.4, 0.3, 0.2, 0.1)
    assert (above.size[0], above.censored[0]) == (10.0, ABOVE)
    assert (below.size[0], below.censored[0]) == (0.01, BELOW)
    assert np.isnan(above.bracket).all()
    assert np.isnan(below.bracket).all()


def test_a_clean_accuracy_below_the_threshold_gives_zero() -> None:
    found = crossing(0.45, 0.8, 0.3, 0.1, clean=0.4)
    assert (found.size[0], found.censored[0]) == (0.0, WITHIN)


def test_chance_that_is_not_below_the_threshold_leaves_it_undefined() -> None:
    for curve in ((1.0, 0.8, 0.2, 0.1), (1.0, 0.9, 0.8, 0.7)):
        found = crossing(*curve, far=0.5)
        assert np.isnan(found.size[0])
        assert np.isnan(found.bracket).all()
    assert np.isnan(crossing(0.2, 0.2, 0.2, 0.2, clean=0.2, far=0.6).size[0])


def test_many_curves_and_thresholds_are_those_one_by_one() -> None:
    rng = np.random.default_rng(0)
    at = amplitudes(0.01, 20.0, 25)
    shares = 1 / (1 + at / np.exp(rng.normal(size=(3, 4, 1)))) + 0.02 * rng.normal(size=(3, 4, 25))
    thresholds = np.array([0.3, 0.5, 0.7])
    clean, far = np.ones((3, 4)), rng.uniform(0, 0.6, (3, 4))
    found = first_crossings(at, shares, clean, far, thresholds)
    assert found.size.shape == (3, 4, 3)
    for i in range(3):
        for j in range(4):
            for k, threshold in enumerate(thresholds):
                size = found.size[i, j, k]
                if far[i, j] >= threshold:
                    assert np.isnan(size)
                    continue
                place = next((n for n in range(25) if shares[i, j, n] <= threshold), None)
                if place in (None, 0):
                    assert size == (at[-1] if place is None else at[0])
                else:
                    levels = shares[i, j, [place, place - 1]]
                    expected = np.exp(np.interp(threshold, levels, np.log(at[[place, place - 1]])))
                    assert size == pytest.approx(expected, rel=1e-12)


def test_a_second_grid_lies_in_the_bracket_with_both_its_ends() -> None:
    found = crossing(1.0, 0.8, 0.2, 0.1)
    grid = within_brackets(found.bracket, 25)
    assert grid.shape == (1, 25)
    assert (grid[0, 0], grid[0, -1]) == (found.bracket[0, 0], found.bracket[0, -1])
    assert (np.diff(grid[0]) > 0).all()
    assert (within_brackets(np.full((1, 2), np.nan), 3) == 1).all()
