"""How long learning takes: the first step at which a metric of a run reaches a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"


class Settings(AnalysisSettings):
    """Steps until a metric reaches a threshold, and the condition that is fastest."""

    method: Literal["learning-time"] = "learning-time"
    metric: str = Field("test_accuracy", description="recorded or evaluated metric")
    threshold: float = Field(description="value that counts as learned")
    direction: Literal["at-least", "at-most"] = Field(
        "at-least", description="at-least for an accuracy, at-most for a loss"
    )
    since: int = Field(
        0, ge=0, description="step from which the time counts; in a branch, the step at which it begins"
    )
    beside: str | None = Field(
        None,
        description="a condition whose times are the unit of 'ratio[condition]', seed by seed, such as fresh networks",
    )
    axis: str | None = Field(
        None,
        description="axis of the grid along which conditions are drawn; the only one with numbers where absent",
    )


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """The time of the original (copy 0) of every seed.

    Returns:
        ``time(seed)``, from ``since`` to the first step at which the metric was there, NaN where it never was;
        attribute ``last`` is the last step at which it was looked at, counted likewise, ``axes`` the place of the
        condition on the axes of the grid.

    Raises:
        OrreryError: the metric was not recorded, or the analysis reads another one.
    """
    from orrery.analyses.learning_time_numbers import times

    if settings.of != "trajectory":
        raise OrreryError(
            f"analyses: learning-time reads the trajectory, not '{settings.of}'; leave 'of' out"
        )
    at_most = settings.direction == "at-most"
    found = times(source, settings.metric, settings.threshold, at_most=at_most, since=settings.since)
    return found.assign_attrs(axes=dict(context.axes))


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """``time[condition]``, ``share[condition]`` of the seeds that learned, ``fastest`` and ``shortest``.

    With ``beside`` also ``ratio[condition]``, the median over seeds of the time in units of that condition's.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: name the axis.

    Raises:
        OrreryError: the axis is none of the grid, or its values are no numbers; or there is no condition ``beside``.
    """
    from orrery.analyses.learning_time_numbers import publish, ratios

    return [*publish(sources, settings.axis), *ratios(sources, settings.beside)]


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Times of all seeds along the axis, with the share that learned.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: name metric, threshold and axis.
    """
    from orrery.analyses.learning_time_figure import draw

    return [draw(sources, settings)]
