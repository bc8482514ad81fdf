"""Loss, accuracy and other metrics of all runs over the steps, with divergences counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Figure, Number
from orrery.config.closed import Closed
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

COMPARES = "trajectories"


class Point(Closed):
    """One value of one run: what the original (copy 0) of a seed has at a step."""

    metric: str = Field(description="name of a recorded metric")
    condition: str = Field(description="name of a condition")
    seed: int = Field(description="seed of the run")
    step: int = Field(ge=0, description="step at which the metric was recorded")


class Settings(AnalysisSettings):
    """Metrics over steps: a figure of all runs, final values, their differences between conditions."""

    method: Literal["learning-curves"] = "learning-curves"
    metrics: tuple[str, ...] = Field((), description="recorded metrics; all of them where empty")
    last: int = Field(50, ge=1, description="a final value is the mean over so many last steps")
    pairs: tuple[tuple[str, str], ...] = Field((), description="conditions whose final values are subtracted")
    points: tuple[Point, ...] = Field((), description="single values to publish")
    logarithmic: tuple[str, ...] = Field((), description="metrics drawn on a logarithmic axis")
    resamples: int = Field(10_000, ge=100, description="bootstrap resamples of the seeds behind an interval")


def compare(sources: Mapping[str, Trajectory], settings: Settings) -> xr.Dataset:
    """Final values and quartiles.

    Returns:
        For each metric ``<metric>_final(condition, seed)``, the mean over copies and the last steps, and
        ``<metric>_quartile(condition, quartile, <metric>_step)`` over the runs that did not diverge;
        ``runs(condition)`` and ``diverged(condition)``. NaN where a condition has no such seed, step or metric.
    """
    from orrery.analyses.curves import summarise

    return summarise(sources, settings.metrics, settings.last)


def numbers(
    comparison: xr.Dataset | None, sources: Mapping[str, Trajectory], settings: Settings
) -> list[Number]:
    """``final[metric,condition]``, ``difference[metric,a,b]`` over shared seeds, ``diverged[condition]``, and
    ``value[metric,condition,seed,step]``."""
    from orrery.analyses.curves import differences, final_values, single_values

    if comparison is None:
        raise OrreryError("learning-curves: the numbers need the comparison; write one")
    return [
        *final_values(comparison, settings),
        *differences(comparison, settings),
        *single_values(sources, settings),
    ]


def plot(
    comparison: xr.Dataset | None, sources: Mapping[str, Trajectory], settings: Settings
) -> list[Figure]:
    """All runs of every condition, median and 25-75 % band."""
    from orrery.analyses.curves_figures import draw

    if comparison is None:
        raise OrreryError("learning-curves: the figures need the comparison; write one")
    return draw(comparison, sources, settings)
