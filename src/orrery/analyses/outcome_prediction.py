"""Do finite-time exponents foretell the final loss, and do they do so better than the loss at the same step?

After Sharafi, Martin, Hallerberg, Phys. Rev. E 111, 054208 (2025), of which only the abstract is known here: the
final loss can be predicted during training from finite-time Lyapunov exponents. The design of the test is our own.
Whatever can be chosen (index of the exponent, horizon, orientation) is chosen on the first seeds and scored on the
others; the loss and the length of the step at the same horizon, and permuted labels, stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "condition"
LEAST = 10
"""Fewer runs on either side of the cut say nothing."""


class Settings(AnalysisSettings):
    """Final loss against finite-time exponents, read from a result of ``lyapunov``."""

    method: Literal["outcome-prediction"] = "outcome-prediction"
    # A job is not told what it reads by name, so that a default must stand here; "misfits" refuses it in a study.
    of: str = Field("trajectory", description="what is read: the name of an analysis 'lyapunov'")
    threshold: float | None = Field(
        description="outcomes with a final loss above it are high, and to be foretold; null where there is nothing to "
        "classify: rank correlation only"
    )
    choose: int = Field(
        ge=LEAST,
        description="number of first seeds on which index, horizon and orientation are chosen; the others score",
    )
    horizons: tuple[int, ...] | None = Field(
        None, description="of the horizons of the exponents, those that are looked at; all where absent"
    )
    permutations: int = Field(
        200, ge=20, description="permutations of the outcomes, with the choice repeated in each"
    )
    resamples: int = Field(10_000, ge=100, description="bootstrap resamples of the fresh seeds")
    bands: dict[str, tuple[float, float]] = Field(
        {}, description="label -> range of final losses, ends included, whose share of all runs is published"
    )

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        seeds = condition.training.seeds.count
        if self.choose > seeds - LEAST:
            yield (
                "choose",
                f"is {self.choose} of {seeds} seeds, and at least {LEAST} must be left to score; write at most "
                f"{max(LEAST, seeds - LEAST)}"
                + (f", and train at least {2 * LEAST} seeds" if seeds < 2 * LEAST else ""),
            )
        if getattr(condition.analyses.get(self.of), "method", None) != "lyapunov":
            yield "of", f"is '{self.of}', and must be the name of an analysis 'lyapunov'"


def analyse(source: Trajectory | xr.Dataset, settings: Settings, context: Context) -> xr.Dataset:
    """Choose on the first seeds, score on the others; see :func:`orrery.analyses.outcome_scores.score`.

    Args:
        source: a result of ``lyapunov`` with ``finite_time(seed, horizon, index)``, ``loss(seed, horizon)``,
            ``step_length(seed, horizon)`` and ``final_loss(seed)``.
        settings: of the analysis, perhaps changed by the condition.
        context: of the condition.

    Raises:
        OrreryError: another source, too few seeds, outcomes of one kind only, an unknown horizon.
    """
    from orrery.analyses.outcome_scores import score

    return score(source, settings, context.condition)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Areas, rank correlations, differences and controls of every condition.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.outcome_numbers import publish

    return publish(sources)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """ROC curves, areas and rank correlations against the horizon, final losses and their distribution.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.outcome_figures import draw

    return draw(sources)
