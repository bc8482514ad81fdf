"""Lines in windows: against np.polyfit per window, and the window that is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from orrery.numerics.line_fits import best_windows, lines

STARTS, LENGTHS = range(0, 101, 5), range(30, 101, 5)


def by_polyfit(curve: np.ndarray, starts: range, lengths: range) -> tuple[float, float, int, int]:
    """The rule written down plainly: R squared, slope, start and length of the first best window."""
    best = (-np.inf, np.nan, -1, 0)
    for start in starts:
        for length in lengths:
            part = curve[start : start + length]
            if not np.isfinite(part).all() or np.ptp(part) == 0:
                continue
            at = np.arange(len(part), dtype=float)
            slope, level = np.polyfit(at, part, 1)
            unexplained = np.sum((part - (slope * at + level)) ** 2)
            r_squared = 1 - unexplained / np.sum((part - part.mean()) ** 2)
            if r_squared > best[0]:
                best = (r_squared, slope, start, length)
    return best


def test_there_are_315_windows_that_end_at_200() -> None:
    assert len(STARTS) * len(LENGTHS) == 315
    assert STARTS[-1] + LENGTHS[-1] == 200


@pytest.mark.parametrize("offset", [0.0, -40.0, 1e6])
def test_windows_are_those_of_polyfit(offset: float) -> None:
    generator = np.random.default_rng(7)
    curves = np.cumsum(0.2 * generator.standard_normal((5, 200)) + 0.05, axis=1) + offset
    curves[1, 40:] = curves[1, 40] + 1e-3 * generator.standard_normal(160)  # nearly flat
    curves[2, 97] = -np.inf
    found = best_windows(curves, STARTS, LENGTHS)
    for row, curve in enumerate(curves):
        r_squared, slope, start, length = by_polyfit(curve, STARTS, LENGTHS)
        assert (found.start[row], found.length[row]) == (start, length)
        assert found.slope[row] == pytest.approx(slope, rel=1e-6)
        assert 1 - found.r_squared[row] == pytest.approx(1 - r_squared, rel=1e-5)
        part = curve[start : start + length]
        fitted = found.level[row] + found.slope[row] * np.arange(length)
        assert np.abs(fitted - part).max() < 1 + np.ptp(part)


def test_sums_over_the_whole_curve_would_not_do() -> None:
    """What prefix sums give for a nearly flat stretch after steep growth is what this fit must not give."""
    curve = np.concatenate([np.linspace(0, 1e4, 100), 1e4 + 1e-6 * np.sin(np.arange(100.0))])
    exact = lines(curve[120:170]).total
    squares, sums = np.cumsum(curve**2), np.cumsum(curve)
    prefix = squares[169] - squares[119] - (sums[169] - sums[119]) ** 2 / 50
    assert exact == pytest.approx(np.sum((curve[120:170] - curve[120:170].mean()) ** 2), rel=1e-6)
    assert abs(prefix - exact) > 1e3 * exact


def test_the_planted_window_is_found() -> None:
    """Exponential growth at 0.3 from step 40 to 110 within noise: the only stretch that a line fits to 1e-8."""
    generator = np.random.default_rng(0)
    curve = 0.3 * np.sin(np.arange(200) / 3) + generator.standard_normal(200)
    curve[40:110] = -18 + 0.3 * np.arange(70) + 1e-6 * generator.standard_normal(70)
    found = best_windows(curve[None], STARTS, LENGTHS)
    assert found.start[0] >= 40
    assert found.start[0] + found.length[0] <= 110
    assert found.slope[0] == pytest.approx(0.3, abs=1e-6)
    assert 1 - found.r_squared[0] < 1e-10


def test_equally_good_windows_give_the_first() -> None:
    """Integers: all sums are exact, and all windows of the line are equally good."""
    found = best_windows(np.arange(200.0)[None] * 2, (10, 20), (31, 41))
    assert (found.start[0], found.length[0], found.slope[0], found.r_squared[0]) == (10, 31, 2, 1)
    curve = np.arange(200.0)
    curve[15] = 40  # in both windows of the first start, and in none of the second
    found = best_windows(curve[None], (10, 20), (31, 41))
    assert (found.start[0], found.length[0]) == (20, 31)


def test_void_windows() -> None:
    curves = np.arange(600.0).reshape(3, 200)
    curves[0, 30:] = np.nan
    curves[1] = 5.0
    curves[2, :150] = -np.inf
    found = best_windows(curves, (0, 100), (30, 40))
    assert found.found.tolist() == [True, False, False]
    assert (found.start[0], found.length[0]) == (0, 30)
    assert np.isnan(found.slope[1:]).all()
    assert np.isnan(found.r_squared[1:]).all()


def test_more_curves_than_are_fitted_at_once() -> None:
    curves = np.arange(1, 301.0)[:, None] * np.arange(60.0)
    assert best_windows(curves, (0,), (60,)).slope == pytest.approx(np.arange(1, 301.0))
