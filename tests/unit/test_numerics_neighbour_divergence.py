"""Divergence of neighbours: a plain second implementation, and a map whose exponent is ln 2."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from orrery.config.errors import OrreryError
from orrery.numerics.neighbour_divergence import (
    VOID,
    WITHIN_END,
    WITHOUT_NEIGHBOURS,
    neighbour_divergence,
)


def logistic(count: int, start: float = 0.1234) -> np.ndarray:
    """x' = 4 x (1 - x), after 100 steps."""
    values = [start]
    for _ in range(count + 99):
        values.append(4 * values[-1] * (1 - values[-1]))
    return np.array(values[-count:])


def plain(
    series: np.ndarray, start: int, radius: float, theiler: int, horizon: int = 25
) -> tuple[int, np.ndarray, float, float, int, float]:
    """Neighbours, d_n, exponent, R squared, length and p of one start, loop by loop."""
    rows = []
    for i in range(len(series) - horizon + 1):
        gap = abs(series[i] - series[start])
        if gap != 0 and gap < radius and abs(i - start) > theiler:
            rows.append([abs(series[start + n] - series[i + n]) for n in range(horizon)])
    if not rows:
        return 0, np.full(horizon, np.nan), np.nan, np.nan, 0, np.nan
    distance = np.mean(rows, axis=0)
    best = (-np.inf, np.nan, 0)
    for m in range(5, horizon + 1):
        at = np.arange(1, m)
        fit = scipy.stats.linregress(at, np.log(distance[1:m]))
        if fit.rvalue**2 > best[0] + 1e-12:
            best = (fit.rvalue**2, fit.slope, m - 1)
    p = scipy.stats.linregress(np.arange(1, 11), np.log(distance[1:11])).pvalue
    return len(rows), distance, best[1], best[0], best[2], p


@pytest.mark.parametrize("theiler", [0, 50])
def test_plain_implementation(theiler: int) -> None:
    series = logistic(1200)
    starts = np.random.default_rng(0).choice(1200, 30, replace=False)
    found = neighbour_divergence(series, starts, 2e-3, theiler=theiler)
    assert (found.start == np.sort(starts)).all()
    for row, start in enumerate(found.start):
        if found.dropped[row] == WITHIN_END:
            assert start > 1175
            continue
        assert start <= 1175
        count, distance, exponent, r_squared, length, p = plain(series, start, 2e-3, theiler)
        assert found.neighbours[row] == count
        assert (found.dropped[row] == WITHOUT_NEIGHBOURS) == (count == 0)
        np.testing.assert_allclose(found.distance[row], distance, rtol=1e-12)
        np.testing.assert_allclose(found.exponent[row], exponent, rtol=1e-8)
        np.testing.assert_allclose(found.r_squared[row], r_squared, rtol=1e-8)
        np.testing.assert_allclose(found.p[row], p, rtol=1e-6)
        assert found.length[row] == length
    assert (found.dropped == 0).sum() > 20


def test_theiler_window_leaves_out_what_is_near_in_time() -> None:
    """A slow wave: the next values are the nearest ones."""
    series = np.sin(np.arange(4000) * 0.002)
    starts = np.array([1000, 2000])
    near = neighbour_divergence(series, starts, 5e-3).neighbours
    far = neighbour_divergence(series, starts, 5e-3, theiler=50).neighbours
    assert (near > far).all()


def test_logistic_map_gives_ln_2() -> None:
    """The slope over fixed n = 1 to 10 comes within 3 % of ln 2; best windows overestimate it by up to 25 %."""
    series = logistic(20_000)
    starts = np.random.default_rng(1).choice(20_000, 1000, replace=False)
    found = neighbour_divergence(series, starts, 5e-5)
    used = found.dropped == 0
    assert used.sum() > 700
    curve = np.log(found.distance[used]).mean(axis=0)
    assert np.polyfit(np.arange(1, 11), curve[1:11], 1)[0] == pytest.approx(np.log(2), rel=0.03)
    assert found.slope[used].mean() == pytest.approx(np.log(2), rel=0.03)
    assert np.log(2) < found.exponent[used].mean() < 1.25 * np.log(2)


def test_equal_values_are_no_neighbours_and_the_radius_is_strict() -> None:
    base = np.arange(100.0)
    base[60:] += 0.25
    base[70] = base[10]  # equal: excluded
    base[71] = base[10] + 0.125  # within
    base[72] = base[10] - 0.5  # at the radius: excluded
    found = neighbour_divergence(base, np.array([10]), 0.5, horizon=25)
    assert found.neighbours.tolist() == [1]


def test_starts_that_are_dropped_are_told_apart() -> None:
    series = np.tile(np.append(np.arange(40.0), 0.5), 5)
    found = neighbour_divergence(series, np.array([5, 204]), 0.4)
    assert found.dropped.tolist() == [WITHOUT_NEIGHBOURS, WITHIN_END]
    # Two stretches that meet: their distance becomes zero, and its logarithm is none.
    one = np.random.default_rng(0).random(30)
    other = one.copy()
    one[0] += 1e-6
    found = neighbour_divergence(np.concatenate([one, other]), np.array([0]), 1e-5)
    assert found.dropped.tolist() == [VOID]
    assert np.isnan(found.exponent).all()
    assert found.length.tolist() == [0]


@pytest.mark.parametrize(
    ("series", "words"),
    [(np.arange(24.0), "has 24 values"), (np.append(np.arange(50.0), np.nan), "not finite")],
)
def test_series_that_cannot_be_followed(series: np.ndarray, words: str) -> None:
    with pytest.raises(OrreryError, match=words):
        neighbour_divergence(series, np.array([0]), 0.1)
