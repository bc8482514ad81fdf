"""Local Lyapunov exponents beside the sharpness over the edge of stability.

The tangent map of plain descent is I - eta H, so the sharpest direction is multiplied by 1 - eta x sharpness in every
step: beyond 2 / eta it grows, with alternating sign. Directions of negative curvature grow at any rate. Which of them
a leading exponent owes its sign to is seen where all stand side by side. A frame that is carried along since the start
has lost what shrank fastest before the edge, so finite-time exponents of each stretch, which begin anew, stand beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number

if TYPE_CHECKING:
    import xarray as xr

SCOPE = "block"
REPLAYS = True


class Settings(AnalysisSettings):
    """Reads the result of an analysis ``lyapunov``, and looks at the Hessian at its moments."""

    method: Literal["edge-exponents"] = "edge-exponents"
    of: str = Field("lyapunov", description="the analysis 'lyapunov' whose local exponents are read")
    copy_: int = Field(0, ge=0, alias="copy", description="the copy that these exponents are of")
    batch: Literal["full", "step"] = Field(
        "full",
        description="whose loss: that of all training samples, or of the batch of the step that starts there",
    )
    threshold: float = Field(
        0.001, ge=0, description="a local exponent above it, per step, counts as positive"
    )
    tolerance: float = Field(
        1e-4,
        gt=0,
        lt=1,
        description="as in the analysis 'sharpness', for both ends of the spectrum: the lowest eigenvalues lie in a "
        "cluster near zero, which takes many products to resolve",
    )
    products: int = Field(300, ge=2, description="as in the analysis 'sharpness'")
    follow: int = Field(
        100,
        ge=1,
        description="steps over which the directions of highest and lowest curvature are followed from each moment on, "
        "at most until the next",
    )

    @field_validator("of")
    @classmethod
    def _not_the_trajectory(cls, of: str) -> str:
        if of == "trajectory":
            raise ValueError("must be the name of an analysis of the method 'lyapunov', not 'trajectory'")
        return of


def analyse(source: xr.Dataset, settings: Settings, context: Context) -> xr.Dataset:
    """Sharpness and growth of the sharpest direction at the moments of local exponents, on a replay of the runs.

    Args:
        source: of the analysis ``lyapunov``: ``local(seed, moment, index)`` and ``moment_step(moment)``.
        settings: of the analysis.
        context: with a replay.

    Returns:
        ``local(seed, moment)``, the leading exponent per step since the moment before; ``sharpness(seed, moment)``,
        ``lowest(seed, moment)``, the largest and the smallest eigenvalue of the Hessian; ``sharpest_growth(seed,
        moment)``, ``lowest_growth(seed, moment)``, ln |J v| for their eigenvectors v of norm 1; ``edge(moment)``,
        ``product(seed, moment)``, ``crossing(seed)``, ``loss(seed, moment)``, ``converged(seed, moment)``,
        ``diverged(seed)``, ``moment_step(moment)`` as in the analysis ``sharpness``.

    Raises:
        OrreryError: ``of`` is no analysis of the method ``lyapunov``, or the system has no gradient.
    """
    from orrery.analyses.edge_exponents_curves import beside

    return beside(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """When local exponents turn positive, how often they are before and after the crossing, and the identity.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.edge_exponents_numbers import publish

    return publish(sources, settings)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Sharpness over edge, and beside it local exponents with the growth of the sharpest direction.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.edge_exponents_figures import draw

    return draw(sources, settings)
