"""Divergence of neighbours in a recorded metric: an exponent for each start from a scalar series alone (Kantz).

Where the series came close to the value at a start, how fast does it move away again? The exponent of a start is the
slope of the logarithm of the mean distance in the window that a line fits best (Danovski, Soriano, Lacasa, arXiv
2404.05782). Windows that are chosen for their fit overestimate the leading exponent, and a scalar projection, in which
values that are close may belong to states that are not, can make it far too small: set the exponent of the system
itself beside it.
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
    """Exponents of many starts in a metric of the original run (copy 0) of every seed."""

    method: Literal["neighbour-divergence"] = "neighbour-divergence"
    radius: float = Field(5.0e-5, gt=0, description="neighbours differ by less, in units of the metric")
    starts: int = Field(1000, ge=1, description="distinct starts, drawn uniformly from the stretch")
    theiler: int = Field(
        0, ge=0, description="what lies so many steps before or after a start is no neighbour"
    )
    apart: int | None = Field(
        None, ge=1, description="a second Theiler window, whose exponents are published beside the others"
    )
    horizon: int = Field(25, ge=11, description="steps that are followed, the start included")
    significance: float = Field(
        0.05, gt=0, lt=1, description="largest p of a slope that counts as significant"
    )


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Exponents of one condition.

    Returns:
        For each start ``exponent(seed, draw)``, ``p(seed, draw)`` and ``slope(seed, draw)`` of the line over n = 1 to
        10, ``r_squared(seed, draw)``, ``length(seed, draw)``, ``start_step(seed, draw)``, ``start_value(seed, draw)``,
        ``neighbours(seed, draw)``, and ``dropped(seed, draw)``: 0 where it is used, 1 too near the end of the stretch,
        2 without neighbours, 3 with a mean distance of zero, 4 in a series that is not within the bounds.
        ``logarithm(seed, ahead)`` is the mean over the starts that are used of ln d_n, ``mean_slope(seed)`` the slope
        of that over n = 1 to 10. With ``apart`` also ``exponent_apart(seed, draw)`` and ``p_apart(seed, draw)`` of the
        same starts, with neighbours farther away in time.

    Raises:
        OrreryError: the metric was not recorded at every step, is not finite, or the stretch is too short.
    """
    from orrery.analyses.neighbour_divergence_result import divergence_of

    return divergence_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """``exponent[condition]``, ``significant-share[condition]``, what was dropped, and edges against the middle.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.neighbour_divergence_numbers import publish

    return publish(sources, settings.significance)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """P(Lambda), Lambda against the metric at the start, and the mean logarithm of distances.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.neighbour_divergence_figures import draw

    return draw(sources, settings)
