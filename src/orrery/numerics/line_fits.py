"""Least-squares lines through stretches of curves, and the stretch that a line fits best.

Every stretch is centred on its own mean before squares are added. Sums of squares over the whole curve, whose
differences would give those of a stretch, lose the digits that R squared near 1 is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

TOGETHER = 256
"""Curves that are fitted at once; it bounds the memory."""


@dataclass(frozen=True)
class Lines:
    """Lines y = mean + slope (x - middle) through points at x = 0, 1, 2, …

    Attributes:
        slope: per place.
        mean: of the values.
        unexplained: sum of the squared residuals.
        total: sum of the squared deviations from the mean.
    """

    slope: Float[np.ndarray, "*curve"]
    mean: Float[np.ndarray, "*curve"]
    unexplained: Float[np.ndarray, "*curve"]
    total: Float[np.ndarray, "*curve"]

    @property
    def r_squared(self) -> Float[np.ndarray, "*curve"]:
        """1 - unexplained / total; NaN where all values are equal, or one of them is not finite."""
        share = np.divide(
            self.unexplained, self.total, out=np.full_like(self.total, np.nan), where=self.total > 0
        )
        return np.asarray(1 - share)


def lines(values: Float[np.ndarray, "*curve point"]) -> Lines:
    """The least-squares line through each curve; NaN where one of its values is not finite."""
    # In C order sums have the same bits, however many curves there are.
    values = np.ascontiguousarray(values)
    count = values.shape[-1]
    at = np.arange(count) - (count - 1) / 2
    finite = np.isfinite(values).all(axis=-1, keepdims=True)
    # From the first value on: equal values then have a total of exactly zero.
    first = np.where(finite, values[..., :1], np.nan)
    relative = np.where(finite, values, np.nan) - first
    mean = relative.mean(axis=-1, keepdims=True)
    centred = relative - mean
    slope = np.asarray((centred * at).sum(axis=-1) / (at * at).sum())
    residuals = centred - slope[..., None] * at
    return Lines(
        slope,
        np.asarray((first + mean)[..., 0]),
        np.asarray((residuals * residuals).sum(axis=-1)),
        np.asarray((centred * centred).sum(axis=-1)),
    )


@dataclass(frozen=True)
class Windows:
    """The window of each curve that a line fits best, and that line.

    Attributes:
        slope: of the line, per place; NaN where a curve has no window that can be fitted.
        level: of the line at the first place of the window.
        r_squared: of the fit.
        start, length: the window holds the places from ``start`` to ``start + length - 1``; -1 and 0 where there is
        none.
    """

    slope: Float[np.ndarray, " curve"]
    level: Float[np.ndarray, " curve"]
    r_squared: Float[np.ndarray, " curve"]
    start: Int[np.ndarray, " curve"]
    length: Int[np.ndarray, " curve"]

    @property
    def found(self) -> Bool[np.ndarray, " curve"]:
        """Whether a curve has a window."""
        return self.start >= 0


def best_windows(
    curves: Float[np.ndarray, "curve point"], starts: Sequence[int], lengths: Sequence[int]
) -> Windows:
    """The window of the largest R squared of each curve, among all windows [start, start + length).

    A window with a value that is not finite, or with equal values only, is void. Of windows that are equally good the
    first is taken, in the order (first start, all lengths), (second start, all lengths), … (Danovski, Soriano, Lacasa,
    arXiv 2404.05782, released code).

    Args:
        curves: values at places 0, 1, 2, …; all windows lie within.
        starts: first places.
        lengths: numbers of places, at least 3.
    """
    parts = [
        _best(curves[first : first + TOGETHER], np.asarray(starts), np.asarray(lengths))
        for first in range(0, max(len(curves), 1), TOGETHER)
    ]
    return Windows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _best(curves: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, ...]:
    count = len(curves)
    fitted = np.full((3, count, len(starts), len(lengths)), np.nan)
    for place, length in enumerate(lengths):
        found = lines(curves[:, starts[:, None] + np.arange(length)])
        level = found.mean - found.slope * (length - 1) / 2
        fitted[:, :, :, place] = found.slope, level, found.r_squared
    slope, level, r_squared = fitted.reshape(3, count, -1)
    sound = np.isfinite(r_squared)
    best = np.where(sound, r_squared, -np.inf).argmax(axis=1)
    there = sound.any(axis=1)
    rows = np.arange(count)

    def of_best(values: np.ndarray) -> np.ndarray:
        return np.where(there, values[rows, best], np.nan)

    start, length = np.divmod(best, len(lengths))
    return (
        of_best(slope),
        of_best(level),
        of_best(r_squared),
        np.where(there, starts[start], -1),
        np.where(there, lengths[length], 0),
    )
