"""Divergence of neighbours in a scalar series: how fast values that were close move apart (H. Kantz, Phys. Lett. A 185,
77 (1994)), start by start.

The window of the best fit is chosen after the fact, which overestimates the leading exponent. A scalar series is a
projection of the state: values that are close may belong to states that are not, which makes slopes small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtr

from orrery.config.errors import OrreryError
from orrery.numerics.line_fits import lines

SIGNIFICANCE_RANGE = (1, 10)
"""First and last step of the line whose slope is tested."""
WITHIN_END, WITHOUT_NEIGHBOURS, VOID = 1, 2, 3
"""Why a start was dropped: too near the end; no neighbour; a mean distance of zero."""


@dataclass(frozen=True)
class Divergence:
    """What became of the neighbours of each start.

    Attributes:
        start: place of each start in the series, ascending.
        value: of the series there.
        dropped: 0 for a start that is used, else why it is not.
        neighbours: how many there are.
        distance: mean distance of the neighbours after 0, 1, 2, … steps; NaN for a dropped start.
        exponent: slope of ln distance over the steps 1 to m - 1 that a line fits best, per step.
        r_squared: of that fit.
        length: its number of points, m - 1; 0 for a dropped start.
        slope: of ln distance over the steps 1 to 10.
        p: two-sided, of that slope being zero.
    """

    start: Int[np.ndarray, " start"]
    value: Float[np.ndarray, " start"]
    dropped: Int[np.ndarray, " start"]
    neighbours: Int[np.ndarray, " start"]
    distance: Float[np.ndarray, "start horizon"]
    exponent: Float[np.ndarray, " start"]
    r_squared: Float[np.ndarray, " start"]
    length: Int[np.ndarray, " start"]
    slope: Float[np.ndarray, " start"]
    p: Float[np.ndarray, " start"]


def neighbour_divergence(
    series: Float[np.ndarray, " step"],
    starts: Int[np.ndarray, " start"],
    radius: float,
    *,
    theiler: int = 0,
    horizon: int = 25,
) -> Divergence:
    """Follow all neighbours of each start.

    Neighbours of s are all i with 0 < |x_i - x_s| < radius and \\|i - s\\| > ``theiler`` that do not lie within the
    last ``horizon`` - 1 places; d_n is the mean of |x_(s + n) - x_(i + n)|, n = 0 to ``horizon`` - 1. Windows of the
    exponent are n = 1 to m - 1 for m = 5 to ``horizon``, of equally good ones the shortest (Danovski, Soriano, Lacasa,
    arXiv 2404.05782, released code, which has no Theiler window).

    Args:
        series: at every step, finite.
        starts: places in it, distinct.
        radius: of the neighbourhood, in units of the series.
        theiler: neighbours so near in time are left out; with 0 only the start itself.
        horizon: steps that are followed, the start included; at least 11.

    Raises:
        OrreryError: the series is shorter than the horizon, or not finite.
    """
    if not np.isfinite(series).all():
        raise OrreryError("the series is not finite; leave out what follows a divergence")
    usable = len(series) - horizon + 1
    if usable < 1:
        raise OrreryError(
            f"the series has {len(series)} values, and neighbours are followed over {horizon}; read more steps"
        )
    starts = np.sort(starts)
    order = np.argsort(series[:usable], kind="stable")
    ordered = series[:usable][order]
    ahead = np.arange(horizon)
    count = len(starts)
    dropped = np.zeros(count, dtype=np.int64)
    neighbours = np.zeros(count, dtype=np.int64)
    distance = np.full((count, horizon), np.nan)
    for row, start in enumerate(starts):
        if start >= usable:
            dropped[row] = WITHIN_END
            continue
        # The bounds are rounded: a little more is looked up, and then held to the condition itself.
        bounds = series[start] + 1.001 * radius * np.array([-1, 1])
        low, high = np.searchsorted(ordered, bounds[0], "left"), np.searchsorted(ordered, bounds[1], "right")
        near = np.sort(order[low:high])
        apart = np.abs(series[near] - series[start])
        near = near[(apart > 0) & (apart < radius) & (np.abs(near - start) > theiler)]
        neighbours[row] = len(near)
        if not len(near):
            dropped[row] = WITHOUT_NEIGHBOURS
            continue
        distance[row] = np.abs(series[near[:, None] + ahead] - series[start + ahead]).mean(axis=0)
        if not distance[row].all():
            dropped[row] = VOID
            distance[row] = np.nan
    logarithm = np.log(distance)
    exponent, r_squared, length = _best_from_one(logarithm)
    slope, p = _tested(logarithm[:, SIGNIFICANCE_RANGE[0] : SIGNIFICANCE_RANGE[1] + 1])
    value = np.asarray(series[starts], dtype=float)
    return Divergence(starts, value, dropped, neighbours, distance, exponent, r_squared, length, slope, p)


def _best_from_one(
    logarithm: Float[np.ndarray, "start horizon"],
) -> tuple[Float[np.ndarray, " start"], Float[np.ndarray, " start"], Int[np.ndarray, " start"]]:
    """Slope, R squared and length of the best window n = 1 to m - 1."""
    count, horizon = logarithm.shape
    ends = range(5, horizon + 1)
    fits = [lines(logarithm[:, 1:end]) for end in ends]
    r_squared = np.stack([fit.r_squared for fit in fits], axis=1)
    sound = np.isfinite(r_squared).any(axis=1)
    best = np.where(np.isfinite(r_squared), r_squared, -np.inf).argmax(axis=1)
    rows = np.arange(count)
    slope = np.stack([fit.slope for fit in fits], axis=1)[rows, best]
    return (
        np.where(sound, slope, np.nan),
        np.where(sound, r_squared[rows, best], np.nan),
        np.where(sound, np.array(ends)[best] - 1, 0),
    )


def _tested(
    logarithm: Float[np.ndarray, "start horizon"],
) -> tuple[Float[np.ndarray, " start"], Float[np.ndarray, " start"]]:
    """Slopes of lines and the two-sided p of Student's t that they are zero, as ``scipy.stats.linregress`` has it."""
    fit = lines(logarithm)
    points = logarithm.shape[1]
    spread = (points**3 - points) / 12
    with np.errstate(divide="ignore", invalid="ignore"):
        t = fit.slope * np.sqrt(spread * (points - 2) / fit.unexplained)
    return fit.slope, np.asarray(2 * stdtr(points - 2, -np.abs(t)))
