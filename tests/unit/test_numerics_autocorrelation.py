"""Autocorrelation against its formula and against an autoregressive series, and the band of shuffled series."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from orrery.numerics.autocorrelation import autocorrelation, shuffle_band


def plain(series: np.ndarray, lags: int) -> np.ndarray:
    """The formula written down term by term."""
    centred = series - series.mean()
    n = len(series)
    return np.array(
        [
            sum(centred[t] * centred[t + k] for t in range(n - k)) / (n - k) / series.var()
            for k in range(lags + 1)
        ]
    )


@pytest.mark.parametrize("count", [23, 64, 101])
def test_the_transform_gives_the_formula(count: int) -> None:
    series = 1e3 + np.random.default_rng(count).standard_normal((2, count)).cumsum(axis=1)
    found = autocorrelation(series, 20)
    for row in range(2):
        np.testing.assert_allclose(found[row], plain(series[row], 20), atol=1e-9)
    assert found[:, 0] == pytest.approx(1)


def test_autoregressive_series() -> None:
    """x_t = a x_(t - 1) + noise has acf(k) = a^k."""
    noise = np.random.default_rng(1).standard_normal(200_000)
    for factor in (0.6, -0.8):
        series = scipy.signal.lfilter([1], [1, -factor], noise)
        assert autocorrelation(series, 5) == pytest.approx(factor ** np.arange(6), abs=0.02)


def test_period_three() -> None:
    series = np.tile([1.0, 2.0, 4.0], 400)
    found = autocorrelation(series, 6)
    assert found[[3, 6]] == pytest.approx(1, abs=1e-2)
    assert found[[1, 2, 4, 5]] == pytest.approx(-0.5, abs=1e-2)


def test_band_is_made_of_order_statistics() -> None:
    series = np.random.default_rng(4).standard_normal(300)
    found = shuffle_band(series, 3, 1000, np.random.default_rng(9))
    shuffled = np.random.default_rng(9).permuted(np.tile(series, (1000, 1)), axis=1)
    of_each = np.sort([plain(one, 3) for one in shuffled], axis=0)
    np.testing.assert_allclose(found, np.stack([of_each[24], of_each[975]], axis=1), atol=1e-10)
    # The 3 % and 97 % that the released code takes are others.
    assert abs(found[1, 0] - of_each[29, 1]) > 1e-6


def test_band_holds_white_noise_and_not_an_autoregressive_series() -> None:
    generator = np.random.default_rng(2)
    noise = generator.standard_normal(5000)
    low, high = shuffle_band(noise, 40, 1000, generator)[1:].T
    acf = autocorrelation(noise, 40)[1:]
    assert ((acf < low) | (acf > high)).mean() < 0.15
    assert high == pytest.approx(1.96 / np.sqrt(5000), rel=0.2)
    series = scipy.signal.lfilter([1], [1, -0.5], noise)
    low, high = shuffle_band(series, 3, 1000, generator)[1:].T
    assert (autocorrelation(series, 3)[1:] > high).all()


def test_series_without_an_autocorrelation() -> None:
    series = np.array([np.full(50, 0.1), np.append(np.arange(49.0), np.nan), np.arange(50.0)])
    found = autocorrelation(series, 4)
    assert np.isnan(found[:2]).all()
    assert np.isfinite(found[2]).all()
    assert np.isnan(shuffle_band(series[0], 4, 50, np.random.default_rng(0))).all()
