"""Where accuracy, falling as noise grows, first crosses a threshold: the size of an attraction basin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

BELOW, WITHIN, ABOVE = -1, 0, 1
"""Censoring of a size: smaller than the smallest amplitude, found, larger than the largest."""


@dataclass(frozen=True)
class Crossings:
    """First crossings of each curve at each threshold.

    Attributes:
        size: amplitude of the crossing; 0 where the curve starts below the threshold without noise, the smallest or
            largest amplitude where it is censored, NaN where it is undefined.
        censored: :data:`BELOW`, :data:`WITHIN` or :data:`ABOVE`.
        bracket: the two amplitudes between which the crossing was found; NaN elsewhere.
    """

    size: Float[np.ndarray, "*curve threshold"]
    censored: Int[np.ndarray, "*curve threshold"]
    bracket: Float[np.ndarray, "*curve threshold 2"]


def amplitudes(low: float, high: float, count: int) -> Float[np.ndarray, " amplitude"]:
    """So many amplitudes from ``low`` to ``high``, equally spaced in their logarithm, both ends included."""
    found = np.geomspace(low, high, count)
    found[0], found[-1] = low, high
    return found


def first_crossings(
    at: Float[np.ndarray, "*#curve amplitude"],
    shares: Float[np.ndarray, "*curve amplitude"],
    clean: Float[np.ndarray, "*#curve"],
    far: Float[np.ndarray, "*#curve"],
    thresholds: Float[np.ndarray, " threshold"],
) -> Crossings:
    """The first amplitude at which a share has fallen to a threshold, linear in the logarithm between two amplitudes.

    A curve whose value under very large noise is not below the threshold has no crossing to speak of: chance alone
    keeps it there. Its size is undefined, whatever it does before.

    Args:
        at: rising amplitudes.
        shares: shares of right answers at them.
        clean: without noise.
        far: under very large noise.
        thresholds: between 0 and 1.
    """
    at = np.broadcast_to(at, shares.shape)
    clean, far = (np.broadcast_to(values, shares.shape[:-1])[..., None] for values in (clean, far))
    below = shares[..., None, :] <= thresholds[:, None]
    crossed = below.any(axis=-1)
    place = below.argmax(axis=-1)
    before = np.maximum(place - 1, 0)

    def taken(values: np.ndarray, places: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, places, axis=-1)

    high, low = taken(shares, before), taken(shares, place)
    inside = crossed & (place > 0)
    fraction = np.divide(high - thresholds, high - low, out=np.zeros(place.shape), where=inside)
    ends = np.log(np.stack([taken(at, before), taken(at, place)], axis=-1))
    size = np.exp(ends[..., 0] + fraction * (ends[..., 1] - ends[..., 0]))
    size = np.where(crossed, np.where(inside, size, at[..., :1]), at[..., -1:])
    censored = np.where(crossed, np.where(inside, WITHIN, BELOW), ABOVE)
    settled = (clean < thresholds) | (far >= thresholds)
    size = np.where(far >= thresholds, np.nan, np.where(clean < thresholds, 0.0, size))
    bracket = np.where((inside & ~settled)[..., None], np.exp(ends), np.nan)
    return Crossings(size, np.where(settled, WITHIN, censored), bracket)


def within_brackets(
    bracket: Float[np.ndarray, "*curve threshold 2"], count: int
) -> Float[np.ndarray, "*curve threshold amplitude"]:
    """A second grid between the two ends of each bracket, equally spaced in the logarithm; 1 where there is none."""
    ends = np.log(np.where(np.isfinite(bracket), bracket, 1.0))
    steps = np.linspace(0, 1, count)
    grid = np.exp(ends[..., :1] + steps * (ends[..., 1:] - ends[..., :1]))
    # Both ends to the last bit: the same noise must give the same shares there as before.
    whole = np.where(np.isfinite(bracket), bracket, 1.0)
    grid[..., 0], grid[..., -1] = whole[..., 0], whole[..., 1]
    return np.asarray(grid)
