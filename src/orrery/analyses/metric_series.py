"""A recorded metric of the original runs as series over consecutive steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from orrery.analyses.runs import every_step
from orrery.config.errors import OrreryError, nearest

if TYPE_CHECKING:
    from orrery.analyses.series_settings import SeriesSettings
    from orrery.trajectory.trajectory import Trajectory


@dataclass(frozen=True)
class MetricSeries:
    """A metric of copy 0 of some seeds.

    Attributes:
        seeds: of the rows.
        steps: consecutive.
        values: NaN after a divergence.
        within: whether a seed stays between the bounds that were asked for, over all steps.
    """

    seeds: Int[np.ndarray, " seed"]
    steps: Int[np.ndarray, " step"]
    values: Float[np.ndarray, "seed step"]
    within: Bool[np.ndarray, " seed"]


def metric_series(source: Trajectory, settings: SeriesSettings, analysis: str) -> MetricSeries:
    """Read a metric.

    Args:
        source: of a condition.
        settings: which metric, of which seeds, between which bounds.
        analysis: for messages.

    Raises:
        OrreryError: it was not recorded, or not at every step.
    """
    metric = settings.metric
    if settings.of != "trajectory":
        raise OrreryError(
            f"{analysis}: a metric is read off a trajectory, not off '{settings.of}'; leave 'of' out"
        )
    if metric not in source.metrics:
        raise OrreryError(
            f"{analysis}: metric '{metric}' was not recorded; {nearest(metric, source.metrics)} (record.metrics)"
        )
    array = source.metric(metric)
    run_seeds = array["seed"].values
    chosen = array["copy"].values == 0
    if settings.seeds:
        chosen &= np.isin(run_seeds, list(settings.seeds))
    steps = array[array.dims[1]].values.astype(int)
    values = np.asarray(array.data[np.flatnonzero(chosen)], dtype=float)
    # The last place may be empty: a loss belongs to the state before a step.
    if not np.isfinite(np.asarray(array.data[:, -1])).any():
        steps, values = steps[:-1], values[:, :-1]
    every_step(steps, analysis, f"lags of '{metric}'")
    within: np.ndarray = np.ones(len(values), dtype=bool)
    if settings.within is not None:
        low, high = settings.within
        within = np.asarray(((values >= low) & (values <= high)).all(axis=1))
    return MetricSeries(run_seeds[chosen].astype(int), steps, values, within)
