"""Times of learning, and what is published of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from jaxtyping import Float

from orrery.analyses.along_axes import axis_of
from orrery.analyses.api import Number
from orrery.config.errors import OrreryError, nearest
from orrery.numerics.resampling import bootstrap_counts, interval
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    from orrery.trajectory.trajectory import Trajectory

DRAWS = 10_000
AXIS = "learning-time: axis"


def times(
    trajectory: Trajectory, metric: str, threshold: float, *, at_most: bool, since: int = 0
) -> xr.Dataset:
    """Steps from ``since`` until the metric of copy 0 of every seed is at the threshold or beyond.

    Returns:
        ``time(seed)``, NaN where it never was; see :func:`orrery.analyses.learning_time.analyse`.

    Raises:
        OrreryError: the metric was not recorded.
    """
    array = trajectory.select(copies=[0]).metric(metric)
    values = np.asarray(array.values, dtype=float)
    steps = np.asarray(array[array.dims[1]].values)
    # A comparison with NaN is false: a run that diverged does not learn any more.
    there = (values <= threshold if at_most else values >= threshold) & (steps >= since)
    first = np.where(there.any(axis=1), steps[there.argmax(axis=1)].astype(float) - since, np.nan)
    known = np.flatnonzero(np.isfinite(values).any(axis=0))
    return xr.Dataset(
        {"time": (("seed",), first)},
        coords={"seed": ("seed", array["seed"].values)},
        attrs={"last": max(int(steps[known[-1]]) - since, 0) if known.size else 0},
    )


def publish(sources: Mapping[str, xr.Dataset], axis: str | None) -> list[Number]:
    """``time``, ``share`` by condition; ``fastest`` and ``shortest`` where the conditions lie along an axis.

    Of each condition ``time(seed)`` is read. ``time`` is the median over seeds, those that never learned counting as
    infinitely slow: it is NaN where half of them or more did not. ``shortest`` is the smallest of these, ``fastest``
    the value of the axis that has it; its interval is that of the values which are fastest in resampled seeds.
    """
    found = []
    for name, source in sources.items():
        values = source["time"].values
        n = len(values)
        learned = np.isfinite(values)
        draws = resampled_medians(values)
        sure = np.isfinite(draws).all() and n > 1
        found.append(
            Number(
                f"time[{name}]",
                median(values),
                interval(draws) if sure else None,
                n,
                unit="steps",
                description="median over seeds of the first step at the threshold",
            )
        )
        found.append(Number(f"share[{name}]", float(learned.mean()), n=n, description="seeds that learned"))
    at = axis_of(sources, axis, AXIS)
    if at is None:
        return found
    places = np.array(list(at.values()))
    medians = np.array([median(source["time"].values) for source in sources.values()])
    if not np.isfinite(medians).any():
        return found
    best = int(np.nanargmin(medians))
    names = list(sources)
    draws = np.stack([resampled_medians(source["time"].values) for source in sources.values()])
    settled = np.isfinite(draws).any(axis=0)
    fastest = places[np.where(np.isfinite(draws), draws, np.inf)[:, settled].argmin(axis=0)]
    n = len(sources[names[best]]["time"])
    found.append(
        Number(
            "fastest",
            float(places[best]),
            interval(fastest) if n > 1 and settled.all() else None,
            n,
            description=f"value of the axis with the shortest time ({names[best]})",
        )
    )
    found.append(Number("shortest", float(medians[best]), n=n, unit="steps", description="the shortest time"))
    return found


def ratios(sources: Mapping[str, xr.Dataset], beside: str | None) -> list[Number]:
    """``ratio[condition]``: the median over seeds of ``time(seed)`` over that of the condition ``beside``.

    Seeds that never learned are infinitely slow; those that are so, or need no step, in the condition ``beside`` are
    left out. NaN where half of the seeds or more did not learn.

    Raises:
        OrreryError: there is no condition of that name.
    """
    if beside is None:
        return []
    if beside not in sources:
        raise OrreryError(f"analyses: beside: there is no condition '{beside}'; {nearest(beside, sources)}")
    unit = sources[beside]["time"]
    found = []
    for name, source in sources.items():
        seeds = np.intersect1d(source["seed"].values, unit["seed"].values)
        own, fresh = (data.sel(seed=seeds).values for data in (source["time"], unit))
        known = fresh > 0
        values = own[known] / fresh[known]
        draws = resampled_medians(values) if known.sum() > 1 else np.array([np.nan])
        found.append(
            Number(
                f"ratio[{name}]",
                median(values) if known.any() else np.nan,
                interval(draws) if np.isfinite(draws).all() else None,
                int(known.sum()),
                description=f"median over seeds of the time in units of that of {beside}",
            )
        )
    return found


def median(values: Float[np.ndarray, " seed"]) -> float:
    """The median, with NaN as infinitely late; NaN where it is not reached."""
    middle = float(np.median(np.where(np.isfinite(values), values, np.inf)))
    return middle if np.isfinite(middle) else np.nan


def resampled_medians(values: Float[np.ndarray, " seed"]) -> Float[np.ndarray, " draw"]:
    """Medians of resampled seeds, with NaN as infinitely late and NaN where they are not reached."""
    n = len(values)
    counts = bootstrap_counts(n, DRAWS, Streams().generator("probe", n, "bootstrap"))
    order = np.argsort(np.where(np.isfinite(values), values, np.inf), kind="stable")
    ranked = np.where(np.isfinite(values), values, np.inf)[order]
    cumulative = counts[:, order].cumsum(axis=1)
    low, high = (ranked[(cumulative > place).argmax(axis=1)] for place in ((n - 1) // 2, n // 2))
    # The mean of two infinities is one; that of a number and an infinity too.
    middle = (low + high) / 2
    return np.where(np.isfinite(middle), middle, np.nan)
