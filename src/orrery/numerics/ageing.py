"""Exponents of what ages: slopes of log value against log time over the last decades of log-spaced records.

The protocol is our own choice: least squares over the last two decades of time, with every record counting the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Ageing:
    """Power laws value = level x time^slope.

    Attributes:
        slope: of log value against log time; NaN where a value in the window is not finite or is zero.
        level: value of the fit at time 1.
        error: standard error of the slope from the residuals. These are not independent between records: it tells how
            straight a curve is, and intervals over seeds tell how well its slope is known.
        records: how many records the window holds.
        first, last: times of the window.
    """

    slope: Float[np.ndarray, "*curve"]
    level: Float[np.ndarray, "*curve"]
    error: Float[np.ndarray, "*curve"]
    records: int
    first: float
    last: float


def window(
    times: Float[np.ndarray, " time"], decades: float, last: float | None = None
) -> Int[np.ndarray, " place"]:
    """The places of the records in the last decades of time, counted back from ``last``; none where they begin later.

    Args:
        times: in rising order; those that are not positive belong to no decade.
        decades: how many factors of ten the window spans.
        last: its end; that of the records where absent.
    """
    end = float(times[-1] if last is None else last)
    start = end / 10**decades
    positive = times[times > 0]
    # A record on the limit counts, however the quotient was rounded.
    if not positive.size or positive[0] > start * (1 + 1e-9):
        return np.array([], dtype=int)
    return np.flatnonzero((times >= start * (1 - 1e-9)) & (times <= end))


def log_log(times: Float[np.ndarray, " time"], values: Float[np.ndarray, "*curve time"]) -> Ageing:
    """The power law of each curve over these times, by least squares on logarithms of absolute values.

    Args:
        times: positive, at least three.
        values: one curve per row; its sign does not count.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(np.asarray(values, dtype=float)))
    logs = np.where(np.isfinite(logs), logs, np.nan)
    at = np.log(np.asarray(times, dtype=float))
    centred = at - at.mean()
    spread = (centred**2).sum()
    mean = logs.mean(axis=-1)
    slope = ((logs - mean[..., None]) * centred).sum(axis=-1) / spread
    residuals = logs - mean[..., None] - slope[..., None] * centred
    error = np.sqrt((residuals**2).sum(axis=-1) / max(len(at) - 2, 1) / spread)
    return Ageing(
        np.asarray(slope),
        np.asarray(np.exp(mean - slope * at.mean())),
        np.asarray(error),
        len(at),
        float(times[0]),
        float(times[-1]),
    )


def log_spaced(steps: Int[np.ndarray, " step"], most: int) -> Int[np.ndarray, " place"]:
    """At most ``most`` places of recorded steps, as evenly spaced in log time as they allow; both ends are kept.

    Step 0, which has no logarithm, is kept beside the others where it was recorded.
    """
    steps = np.asarray(steps)
    if len(steps) <= most:
        return np.arange(len(steps))
    positive = np.flatnonzero(steps > 0)
    room = most - int(steps[0] == 0)
    if room < 2:
        return np.unique([0, len(steps) - 1])
    wanted = np.geomspace(steps[positive[0]], steps[-1], room)
    logs = np.log(steps[positive])
    right = np.searchsorted(logs, np.log(wanted)).clip(1, len(logs) - 1)
    nearer = right - (np.log(wanted) - logs[right - 1] < logs[right] - np.log(wanted))
    found = np.unique(positive[nearer])
    return np.concatenate([[0], found]) if steps[0] == 0 else found
