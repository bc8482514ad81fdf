"""How the decision regions of a classifier lie around its training samples: along rays, and between samples of a class.

Gaussian noise of rising amplitude is added to single samples; what is still classified right is shown in its leading
principal components. Beside that stand how often the decision changes along such a ray, and for how many pairs of
samples of one class the straight line between them stays in the region of the class. The views of basins are those of
Lin, Zhang, Feng, Zhao (arXiv 2501.02436), known to us second-hand: conical basins, not connected even inside a class,
finely mixed far from the sample. All numbers are definitions of our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.closed import Closed

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"
USES_SYSTEM = True

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Drawn(Closed):
    """Noisy inputs that are shown in principal components, of the first seed."""

    classes: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (0, 1, 2), min_length=1, description="classes around whose samples they lie, from 0"
    )
    points: int = Field(
        60,
        ge=1,
        description="inputs of each amplitude around a sample, those that are classified wrong included",
    )
    amplitudes: int = Field(
        5,
        ge=1,
        description="amplitudes, equally spaced up to the largest one at which half of the rays are still right",
    )


class Settings(AnalysisSettings):
    """Which samples, how many rays from each, and how the lines between samples are walked."""

    method: Literal["decision-regions"] = "decision-regions"
    per_class: int = Field(
        2, ge=1, description="samples of each class from which rays start, the first of the training set"
    )
    rays: int = Field(
        32, ge=2, description="rays x + s xi from each sample, xi normal with deviation 1 per component"
    )
    amplitudes: tuple[Positive, Positive] = Field(
        (1e-2, 20.0), description="smallest and largest amplitude s on a ray"
    )
    count: int = Field(49, ge=2, description="amplitudes, equally spaced in their logarithm")
    line_samples: int = Field(
        10, ge=2, description="samples of each class between which lines are drawn, all pairs of them"
    )
    line_points: int = Field(
        19, ge=1, description="points on a line at which the decision is looked at, its ends not counted"
    )
    drawn: Drawn = Field(Drawn(), description="what is shown in principal components")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        low, high = self.amplitudes
        if low >= high:
            raise ValueError(f"amplitudes goes from {low:g} to {high:g}; write the smaller first")
        return self

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        if condition.record.state == ():
            yield (
                "method",
                "'decision-regions' reads recorded weights, and record.state is empty; write state: all there",
            )
        if "network" not in condition.system:
            yield (
                "method",
                "'decision-regions' asks a network for its decisions, and the system of the condition is none",
            )


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Decisions around samples, at the last recorded step of the original run (copy 0) of every seed, in float64.

    Returns:
        Of rays from the samples that are classified right, means over the rays of a seed: ``changes(seed, amplitude)``
        of the decision up to each amplitude, ``entropy(seed, amplitude)`` of the classes reached there, in bits,
        ``right(seed, amplitude)``, the share still classified right, and ``returning(seed)``, the share of rays that
        leave the class of their sample and come back to it.

        ``connected(seed, class)``, share of the pairs of samples of a class, both classified right, whose straight line
        stays in the region of the class at all points looked at, and ``joined(seed, class)``, share of these pairs that
        a chain of such lines joins; NaN without a pair.

        Of the first seed, noisy inputs around samples of the classes drawn that are given the class of their sample, in
        the three leading principal components of them all: ``point(kept, component)``, ``point_sample(kept)``,
        ``point_class(kept)``, ``point_amplitude(kept)``, 0 for the samples themselves, and
        ``variance_share(component)``. States that are not finite give NaN.

    Raises:
        OrreryError: weights were not recorded, no network, no classes.
    """
    from orrery.analyses.decision_regions_result import result_of

    return result_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Changes, returns and entropy along rays, and connected pairs over all classes and of each.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.decision_regions_numbers import publish

    return publish(sources)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Right points in principal components; mixing along rays and connected pairs of each class.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.decision_regions_figures import draw

    return draw(sources)
