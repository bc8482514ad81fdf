"""Lyapunov exponents of training: how small changes of the full state grow along the runs of a condition.

Exponents and finite-time exponents by QR and by singular values, covariant vectors, sum rule. All of it is computed
along a replay of the runs with the bits of the training, in double precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.closed import Closed

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

COMPARES = "results"
REPLAYS = True
SCOPE = "block"

Steps = Annotated[int, Field(ge=1)]
Step = Annotated[int, Field(ge=0)]
Role = Literal["weight", "bias", "momentum", "second-moment", "statistic", "variable"]


class Covariant(Closed):
    """Covariant vectors, from a recursion that runs back from the end of the window."""

    transient: Step = Field(
        description="steps discarded at either end of the window, until frame and vectors are aligned"
    )
    forward: Step | None = Field(
        None, description="steps discarded at the start of the window; transient where absent"
    )
    vectors: int = Field(8, ge=2, description="leading vectors between which angles are kept")
    together: float | None = Field(
        None,
        gt=0,
        description="exponents closer than this, per step, form a group, whose angles are those of the space that "
        "its vectors span; 5 / transient where absent: what does not separate within the transient",
    )
    checks: int = Field(8, ge=1, description="steps at which the residual of covariance is computed")


class Settings(AnalysisSettings):
    """Exponents from tangent vectors on the full state; indices are 0-based and in the order of the QR."""

    method: Literal["lyapunov"] = "lyapunov"
    of: Literal["trajectory"] = Field("trajectory", description="what is read: the runs themselves")
    exponents: Steps | Literal["all"] = Field(
        description="how many leading exponents, or 'all': as many as the state has components"
    )
    window: tuple[Step, Step] | None = Field(
        None,
        description="first and last state between which exponents are averaged; all that is read if absent",
    )
    align: Step = Field(
        0,
        description="steps at the start of the window that the mean exponents leave out while the frame aligns; "
        "finite-time exponents leave out nothing",
    )
    horizons: tuple[Steps, ...] = Field(
        (), description="steps from the start of the window to finite-time exponents; the window where empty"
    )
    every: Steps = Field(1, description="steps between two orthogonalisations")
    frame: tuple[Role, ...] | None = Field(
        None, min_length=1, description="roles of the tensors that the start vectors lie in, e.g. [weight]"
    )
    norm: Literal["auto", "euclidean", "scaled"] = Field(
        "auto",
        description="scaled: weights, momentum and second moment each by their own root mean square at the start of "
        "the window; auto: scaled where there is a second moment (Adam), else euclidean",
    )
    copy_: Step = Field(
        0, alias="copy", description="which copy of every seed is followed; 0 is the original"
    )
    moments: Steps | tuple[Step, ...] = Field(
        100, description="steps at which curves are kept: so many, spread evenly, or these"
    )
    covariant: Covariant | None = Field(None, description="covariant vectors too; none where absent")
    shown: Steps = Field(4, description="leading exponents that are published as numbers and drawn")
    regimes: dict[str, tuple[float, float]] = Field(
        {},
        description="label -> stretch of the axis along which conditions differ, marked in the figure of exponents",
    )

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        if self.window is None:
            return self
        first, last = self.window
        if first >= last:
            raise ValueError(f"window: must be [first, last] with first < last, not {[first, last]}")
        if self.steps is not None and not self.steps[0] <= first < last <= self.steps[1]:
            raise ValueError(
                f"window: {[first, last]} does not lie within the steps that are read, {list(self.steps)}"
            )
        problem = window_problem(self, first, last)
        if problem is not None:
            raise ValueError(problem)
        return self

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        steps = condition.training.steps
        if self.window is not None and self.window[1] > steps:
            yield "window", f"ends at step {self.window[1]}, but training.steps is {steps}"
        if self.window is not None and self.window[0] < condition.start:
            yield (
                "window",
                f"starts at step {self.window[0]}, but the branch begins at step {condition.start}",
            )
        if condition.training.dtype != "float64":
            yield (
                "method",
                f"'lyapunov' follows tangents in double precision; write training: {{dtype: float64}}, "
                f"not {condition.training.dtype}",
            )


def window_problem(settings: Settings, first: int, last: int) -> str | None:
    """What of the settings does not fit into a window from ``first`` to ``last``: key and sentence, or ``None``."""
    length = last - first
    beyond = [horizon for horizon in settings.horizons if horizon > length]
    if beyond:
        return f"horizons: {beyond[0]} is longer than the window of {length} steps, {[first, last]}"
    if settings.align >= length:
        return f"align: {settings.align} steps leave nothing of the window of {length} steps, {[first, last]}"
    if isinstance(settings.moments, tuple):
        outside = [step for step in settings.moments if not first <= step <= last]
        if outside:
            return f"moments: step {outside[0]} is not in the window {[first, last]}"
    if settings.covariant is not None:
        before, after = transients(settings.covariant)
        if before + after >= length:
            return (
                f"covariant.transient: {before} and {after} steps at the ends leave nothing of the window of "
                f"{length} steps, {[first, last]}"
            )
    return None


def transients(covariant: Covariant) -> tuple[int, int]:
    """Steps that covariant vectors leave out at the start and at the end of the window."""
    forward = covariant.transient if covariant.forward is None else covariant.forward
    return forward, covariant.transient


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Exponents of one condition.

    Args:
        source: tells seeds and steps that the study reads, and which runs diverged.
        settings: of the analysis.
        context: with a replay.

    Returns:
        See :func:`orrery.analyses.lyapunov_result.exponents_of`: ``exponent(seed, index)``,
        ``finite_time(seed, horizon, index)`` and more.

    Raises:
        OrreryError: the settings do not fit the runs, or the system has no derivative.
    """
    from orrery.analyses.lyapunov_result import exponents_of

    return exponents_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Means over seeds with intervals, shares of positive exponents, residuals and counts of every condition.

    Args:
        comparison: there is none.
        sources: by condition, what :func:`analyse` gives.
        settings: of the analysis.

    Raises:
        OrreryError: all runs of a condition diverged.
    """
    from orrery.analyses.lyapunov_numbers import publish

    return publish(sources, settings)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Spectra over time, finite-time exponents by horizon, exponents by condition, angles of covariant vectors.

    Args:
        comparison: there is none.
        sources: by condition, what :func:`analyse` gives.
        settings: of the analysis.
    """
    from orrery.analyses.lyapunov_figures import draw

    return draw(sources, settings)
