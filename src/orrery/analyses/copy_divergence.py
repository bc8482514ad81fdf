"""How perturbed copies move away from their original, and the maximal exponent read off a window of that growth.

d_j(t) is the distance of copy j from the unperturbed run over all weights and biases. It is averaged over the copies of
one initial condition first, and its logarithm is taken afterwards; a line is fitted to it in many windows, and the
slope in the window that a line fits best is the exponent of the initial condition (Danovski, Soriano, Lacasa, arXiv
2404.05782). The rule takes the steepest clean stretch and leaves out what has none: it is biased upwards, so the slope
before the filter and the plain two-point value stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.closed import Closed

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"
Place = Annotated[int, Field(ge=0)]
Length = Annotated[int, Field(ge=3)]


class Starts(Closed):
    """Evenly spaced first steps of windows."""

    first: Place = Field(0, description="the first one, counted from the first step read")
    last: Place = Field(100, description="no window starts later")
    every: Annotated[int, Field(ge=1)] = Field(5, description="from one to the next")

    @property
    def values(self) -> range:
        """All of them."""
        return range(self.first, self.last + 1, self.every)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"last is {self.last}, before first, which is {self.first}")
        return self


class Lengths(Closed):
    """Evenly spaced lengths of windows."""

    first: Length = Field(30, description="the shortest, in recorded steps")
    last: Length = Field(100, description="none is longer")
    every: Annotated[int, Field(ge=1)] = Field(5, description="from one to the next")

    @property
    def values(self) -> range:
        """All of them."""
        return range(self.first, self.last + 1, self.every)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"last is {self.last}, before first, which is {self.first}")
        return self


class WindowRule(Closed):
    """The window in which a line fits ln d best, and what an initial condition must show to be kept."""

    starts: Starts = Field(Starts(), description="first steps of the windows; 21 in the released code")
    lengths: Lengths = Field(
        Lengths(), description="their lengths; 15 in the released code, 315 windows in all"
    )
    least_r_squared: float = Field(0.9, description="kept are initial conditions with a larger R squared")
    least_slope: float = Field(0.05, description="and a larger slope, per step")

    @property
    def span(self) -> int:
        """Recorded steps that the windows reach over."""
        return self.starts.values[-1] + self.lengths.values[-1]


class Compare(Closed):
    """What is published and drawn."""

    against: str | None = Field(
        None,
        description="axis of the grid that exponents are drawn against; the only one with numbers where absent",
    )
    growth_between: tuple[float, float] | None = Field(
        None, description="publish the share of pairs whose d(last) / d(first) lies between"
    )
    reach: float | None = Field(
        None, gt=0, description="publish how many steps d(t) / d(first) of a seed takes to reach this"
    )
    shown: int = Field(4, ge=1, description="seeds drawn in each panel of d(t)")


class Settings(AnalysisSettings):
    """Distances of all copies from their originals, and windows of exponential growth."""

    method: Literal["copy-divergence"] = "copy-divergence"
    tensors: tuple[str, ...] = Field(
        (), description="names or patterns of the tensors; all weights, biases and variables where empty"
    )
    norm: Literal["l1", "l2"] = Field(
        "l1", description="l1: sum of absolute differences; l2: Euclidean distance"
    )
    rule: WindowRule | None = Field(
        WindowRule(), description="windows of the exponent; null where distances alone are wanted"
    )
    drawn: int = Field(400, ge=2, description="steps at which distances are kept, evenly spaced")
    compare: Compare = Field(Compare(), description="what is published and drawn")


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Distances and windows of one condition.

    Returns:
        ``distance(seed, copy, moment)`` of the copies 1, 2, … at ``moment_step(moment)``, ``largest(seed, copy)`` over
        all steps; with a rule also ``slope(seed)``, ``level(seed)`` (ln d where the window starts),
        ``r_squared(seed)``, ``start(seed)`` (steps after the first one read) and ``length(seed)`` of the best window,
        ``kept(seed)``, and ``two_point(seed)``, the growth of ln d per step from the first to the last step that
        windows reach over. Slopes are NaN where all windows are void. Attributes: ``axes``, ``largest_start`` and
        ``expected_start`` of an absolute perturbation.

    Raises:
        OrreryError: no copies, windows that reach beyond what is read, steps with gaps, or a precision that does not
            hold the perturbation.
    """
    from orrery.analyses.copy_divergence_result import divergence_of

    return divergence_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """``nMLE[condition]`` with what it leaves out beside it, growth and initial distances.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.copy_divergence_numbers import publish

    return publish(sources, settings)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """d(t) with its windows, distances of all conditions on one scale, distribution of the slopes, nMLE along an axis.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.copy_divergence_figures import draw

    return draw(sources, settings)
