"""Exponents of known power laws, the bookkeeping of factors, and log-spaced records."""

from __future__ import annotations

import numpy as np
import pytest

from orrery.numerics.ageing import log_log, log_spaced, window


def test_a_power_law_has_its_exponent_and_no_error() -> None:
    times = np.geomspace(20, 2000, 15)
    found = log_log(times, np.array([3 * times**-1.5, -2 * times**0.25]))
    np.testing.assert_allclose(found.slope, [-1.5, 0.25], atol=1e-12)
    np.testing.assert_allclose(found.level, [3, 2], rtol=1e-11)
    assert float(found.error.max()) < 1e-12
    assert (found.records, found.first, found.last) == (15, 20, pytest.approx(2000))


def test_slope_and_standard_error_are_those_of_a_regression() -> None:
    import scipy.stats

    generator = np.random.default_rng(0)
    times = np.geomspace(1, 100, 12)
    values = times**-0.7 * np.exp(0.1 * generator.standard_normal((3, 12)))
    found = log_log(times, values)
    for row in range(3):
        expected = scipy.stats.linregress(np.log(times), np.log(values[row]))
        assert found.slope[row] == pytest.approx(expected.slope, rel=1e-12)
        assert found.error[row] == pytest.approx(expected.stderr, rel=1e-12)


def test_the_slope_of_a_product_is_the_sum_of_the_slopes_over_any_window() -> None:
    # K_f = f'^2 K_u, so slope(K_f) = 2 slope(f') + slope(K_u), whatever the curves.
    generator = np.random.default_rng(1)
    times = np.geomspace(5, 900, 21)
    factor, kernel = np.exp(generator.standard_normal((2, 4, 21)))
    for part in (slice(None), slice(3, 11), slice(10, 21)):
        slopes = [
            log_log(times[part], curve[:, part]).slope for curve in (factor**2 * kernel, factor, kernel)
        ]
        np.testing.assert_allclose(slopes[0], 2 * slopes[1] + slopes[2], atol=1e-13)


def test_a_curve_with_a_zero_or_a_gap_has_no_exponent() -> None:
    times = np.geomspace(1, 100, 5)
    values = np.ones((3, 5))
    values[0, 2], values[1, 3] = 0.0, np.nan
    assert np.isfinite(log_log(times, values).slope).tolist() == [False, False, True]


def test_the_last_decades_begin_at_a_hundredth_of_the_end() -> None:
    times = np.array([0.0, 1, 5, 10, 50, 100, 500, 1000])
    assert window(times, 2.0).tolist() == [3, 4, 5, 6, 7]
    assert window(times, 2.0, last=500.0).tolist() == [2, 3, 4, 5, 6]
    assert window(times, 4.0).size == 0
    assert window(np.array([20.0, 100, 1000]), 2.0).size == 0


def test_log_spaced_places_keep_both_ends_and_step_zero() -> None:
    steps = np.arange(10_001)
    places = log_spaced(steps, 30)
    assert len(places) <= 30
    assert places[[0, 1, -1]].tolist() == [0, 1, 10_000]
    ratios = np.diff(np.log(steps[places[places > 30]]))
    assert ratios.max() < 1.3 * ratios.min()
    assert log_spaced(np.array([0, 3, 9]), 30).tolist() == [0, 1, 2]
    assert log_spaced(np.arange(5, 100), 4)[[0, -1]].tolist() == [0, 94]
