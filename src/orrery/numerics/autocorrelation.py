"""Autocorrelation of series, and the band that shuffled series stay in."""

from __future__ import annotations

import numpy as np
import scipy.fft
from jaxtyping import Float

TOGETHER = 2**21
"""Values of shuffled series that are transformed at once; it bounds the memory."""


def autocorrelation(series: Float[np.ndarray, "*series step"], lags: int) -> Float[np.ndarray, "*series lag"]:
    """acf(k) = [1 / (n - k)] sum over t of x_t x_(t + k), over the population variance, the mean taken away first.

    The average over n - k products makes it unbiased in k, and lets it leave [-1, 1] at lags near n (Danovski,
    Soriano, Lacasa, arXiv 2404.05782, released code).

    Args:
        series: at every step.
        lags: largest lag, below the number of steps.

    Returns:
        At lags 0 to ``lags``; NaN for a series that is constant or not finite.
    """
    count = series.shape[-1]
    finite = np.isfinite(series).all(axis=-1, keepdims=True)
    values = np.where(finite, series, 0.0)
    # From the first value on: equal values then have a variance of exactly zero.
    values = values - values[..., :1]
    centred = values - values.mean(axis=-1, keepdims=True)
    length = scipy.fft.next_fast_len(count + lags, real=True)
    transformed = scipy.fft.rfft(centred, length)
    products = scipy.fft.irfft(np.abs(transformed) ** 2, length)[..., : lags + 1]
    variance = np.where(finite, (centred**2).mean(axis=-1, keepdims=True), 0.0)
    means = products / (count - np.arange(lags + 1))
    return np.divide(means, variance, out=np.full_like(means, np.nan), where=variance > 0)


def shuffle_band(
    series: Float[np.ndarray, " step"], lags: int, shuffles: int, generator: np.random.Generator
) -> Float[np.ndarray, "lag 2"]:
    """Bounds that the autocorrelation of the same values in random order stays between, for each lag alone.

    Of m shuffled series the k-th smallest and the k-th largest value, k = floor(0.025 (m + 1)): a series without order
    lies outside in at most 5 % of all cases, exactly so for every m.

    Args:
        series: at every step.
        lags: largest lag.
        shuffles: m, at least 39.
        generator: of the orders.

    Returns:
        Low and high at lags 0 to ``lags``; NaN for a series that is constant or not finite.
    """
    found = np.empty((shuffles, lags + 1))
    together = max(1, TOGETHER // len(series))
    for first in range(0, shuffles, together):
        count = min(together, shuffles - first)
        shuffled = generator.permuted(np.tile(series, (count, 1)), axis=1)
        found[first : first + count] = autocorrelation(shuffled, lags)
    found.sort(axis=0)
    outermost = int(np.floor(0.025 * (shuffles + 1)))
    return np.stack([found[outermost - 1], found[shuffles - outermost]], axis=1)
