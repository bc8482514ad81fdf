"""Sharpness along training: leading eigenvalues of the Hessian of the loss, against the edge of stability.

Gradient descent at a rate eta leaves every minimum whose sharpness, the largest eigenvalue of the Hessian, exceeds
2 / eta. Full-batch training tends to raise the sharpness to this edge and to stay there (Cohen et al., arXiv
2103.00065); with heavy ball the edge is 2 (1 + momentum) / eta. Eigenvalues are found by Lanczos on exact Hessian
products in float64, the trace by Hutchinson's estimator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"
USES_SYSTEM = True

Step = Annotated[int, Field(ge=0)]


class Settings(AnalysisSettings):
    """Which states are looked at, on which batch, and what of their Hessian is found."""

    method: Literal["sharpness"] = "sharpness"
    every: int = Field(
        1, ge=1, description="of the recorded steps every n-th is looked at, the first among them"
    )
    batch: Literal["full", "step"] = Field(
        "full",
        description="whose loss: that of all training samples, or of the batch of the step that starts there",
    )
    eigenvalues: int = Field(1, ge=1, description="k, how many of the largest eigenvalues")
    lowest: int = Field(
        0,
        ge=0,
        description="how many of the smallest (most negative) eigenvalues beside them; late in training they lie in a "
        "cluster near zero, where a tolerance of 1e-4 saves many products",
    )
    tolerance: float = Field(
        1e-6,
        gt=0,
        lt=1,
        description="bound on the residual |H v - l v|, relative to the largest modulus of an eigenvalue",
    )
    products: int = Field(
        300, ge=2, description="Hessian products for one state, at most; what has not converged is counted"
    )
    probes: int = Field(0, ge=0, description="random signs behind the trace, at least 2; 0 for no trace")
    settle: int = Field(
        0, ge=0, description="steps after the crossing of the edge before the median of the product begins"
    )
    until: Step | None = Field(None, description="last step of that median; the last one read where absent")
    late: tuple[Step, Step] | None = Field(
        None,
        description="first and last step of the late sharpness; the last tenth of the steps read where absent",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.probes == 1:
            raise ValueError("probes: one probe has no standard error; write at least 2, or 0 for no trace")
        if self.late is not None and self.late[0] > self.late[1]:
            raise ValueError(f"late: the window ends ({self.late[1]}) before it starts ({self.late[0]})")
        return self

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        if condition.record.state == ():
            yield (
                "method",
                "'sharpness' reads recorded weights, and record.state is empty; write state: all there",
            )
        last = condition.training.steps
        if self.until is not None and self.until > last:
            yield "until", f"is step {self.until}, but training.steps is {last}"
        if self.late is not None and self.late[1] > last:
            yield "late", f"ends at step {self.late[1]}, but training.steps is {last}"


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Sharpness of the original run (copy 0) of every seed along its recorded steps.

    All arithmetic is float64: where training was in float32, the Hessian is that at the recorded float32 state, on the
    system built in float64. Weight decay is not part of the loss; the edge is lowered by it instead.

    Returns:
        ``sharpness(seed, moment, rank)``, the largest eigenvalues in descending order, with
        ``residual(seed, moment, rank)``; ``lowest(seed, moment, low)`` in ascending order, with
        ``lowest_residual(seed, moment, low)``; ``trace(seed, moment)`` with its standard error
        ``trace_error(seed, moment)``; ``loss(seed, moment)`` on the same batch; ``edge(moment)``, NaN for optimizers
        without one, and ``product(seed, moment)``, the sharpness over it: eta x sharpness / 2 for plain descent;
        ``crossing(seed)``, the first step looked at with a product of at least 1, NaN where there is none;
        ``converged(seed, moment)``, 1 where the residuals are within the tolerance; ``diverged(seed)``;
        ``moment_step(moment)``. What belongs to a state that is not finite is NaN.

    Raises:
        OrreryError: the weights were not recorded, the system has no gradient, more eigenvalues than weights.
    """
    from orrery.analyses.sharpness_curves import curves_of

    return curves_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Crossing of the edge, the product after it, sharpness and loss at their times, residuals, counts.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.sharpness_numbers import publish

    return publish(sources, settings)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Sharpness against the edge with the loss beside it, the products of all conditions, and the trace.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.sharpness_figures import draw

    return draw(sources)
