"""Autocorrelation of a recorded metric over a stretch of steps, beside the band that shuffled values stay in.

A change of regime within the stretch ruins it: give one stretch (``steps``) in which the series stays what it is
(Danovski, Soriano, Lacasa, arXiv 2404.05782).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.analyses.api import Context, Figure, Number
from orrery.analyses.series_settings import SeriesSettings

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"


class Settings(SeriesSettings):
    """Autocorrelation of a metric of the original run (copy 0) of every seed."""

    method: Literal["autocorrelation"] = "autocorrelation"
    lags: int = Field(50, ge=1, description="largest lag, in steps")
    shuffles: int = Field(1000, ge=39, description="shuffled series behind the band")


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Autocorrelation of one condition.

    Returns:
        ``acf(seed, lag)``, ``low(seed, lag)`` and ``high(seed, lag)`` of the 95 % band of each lag, ``mean(seed)`` and
        ``deviation(seed)`` of the series; NaN for a series that is constant, not finite, or not within the bounds, of
        which ``within(seed)`` tells. Attributes ``first_step`` and ``points`` say which stretch it is.

    Raises:
        OrreryError: the metric was not recorded at every step, or the stretch is not longer than the largest lag.
    """
    from orrery.analyses.autocorrelation_result import autocorrelation_of

    return autocorrelation_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """``acf[condition,lag=k]`` of the first lags, their bands, and shares outside.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: not read.
    """
    from orrery.analyses.autocorrelation_numbers import publish

    return publish(sources)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Autocorrelation against the lag with the shuffle band.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: name the metric.
    """
    from orrery.analyses.autocorrelation_figure import draw

    return [draw(sources, settings.metric)]
