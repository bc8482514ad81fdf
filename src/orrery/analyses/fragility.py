"""How small a change of an input flips the decision of a network, and how that goes with its feature space.

Stochastic training reduces the feature space, which can make the network fragile: so Nakazato (arXiv 2405.04074,
abstract). The attack behind that statement is not known to us. The measures here are our own choice: for inputs of one
feature the nearest input on the wrong side, for more the one-step gradient-sign attack x + eps sign(grad_x l). The sign
of the link between features and fragility is not presumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.analyses.feature_space import InputGrid
from orrery.config.closed import Closed

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"
USES_SYSTEM = True


class Search(InputGrid):
    """Where the nearest input of another class is looked for, for networks of one input."""

    interval: tuple[float, float] = Field((-2.0, 2.0), description="both ends are included")
    points: int = Field(4001, ge=2, description="how many equally spaced inputs are tried first")
    tolerance: float = Field(1e-6, gt=0, description="bisection goes on until a distance is known to this")


class Attack(Closed):
    """The sizes of the gradient-sign attack, for networks of more inputs."""

    sizes: tuple[float, float] = Field((1e-3, 1.0), description="smallest and largest eps")
    count: int = Field(20, ge=2, description="sizes, equally spaced in log(eps)")

    @model_validator(mode="after")
    def _ordered(self) -> Attack:
        if not 0 < self.sizes[0] < self.sizes[1]:
            raise ValueError(f"sizes: {list(self.sizes)} must be two positive numbers, the smaller one first")
        return self


class Compare(Closed):
    """What is correlated; nothing is analysed anew after a change."""

    groups: dict[str, tuple[str, ...]] = Field(
        {},
        description="label -> patterns of the conditions whose runs are pooled in one rank correlation of pattern "
        "count and distance; all conditions where empty",
    )


class Settings(AnalysisSettings):
    """Where decisions are probed, and over which runs they are correlated with the feature space."""

    method: Literal["fragility"] = "fragility"
    moments: int = Field(
        8,
        ge=1,
        description="recorded steps looked at, at most; evenly spread in log(1 + step), the last among them",
    )
    search: Search = Field(Search(), description="for inputs of one feature")
    attack: Attack = Field(Attack(), description="for inputs of more features")
    grid: InputGrid = Field(
        InputGrid(), description="inputs of one feature: where slope and activation patterns are looked at"
    )
    probes: int = Field(
        2000, ge=2, description="inputs of more features: fresh ones from N(0, I) for the patterns"
    )
    layer: int = Field(1, ge=1, description="hidden layer whose pattern count is correlated, from 1")
    compare: Compare = Field(Compare(), description="what is correlated")

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        from orrery.analyses.feature_settings import no_such_layer, unrecorded

        yield from unrecorded(condition, self.method)
        yield from no_such_layer(condition, self.layer)


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Fragility of the original run (copy 0) of every seed at some of its recorded steps, in float64.

    Returns:
        ``distance(seed, moment, sample)``, the smallest change of a training input that flips the decision: |x' - x|
        for inputs of one feature, else the smallest eps of the attack that does; infinite where nothing that was tried
        does (censored), NaN where the sample is not classified correctly to begin with. ``median(seed, moment)`` over
        the samples classified correctly, infinite where half of them are censored; ``censored(seed, moment)``, their
        share; ``accuracy(seed, moment)``; ``slope(seed, moment)``, the largest norm of the gradient of an output with
        respect to the input: over the grid for inputs of one feature, over the training samples for more.
        ``patterns(seed, moment, layer)`` as in the analysis ``feature-space``; ``moment_step(moment)``;
        ``diverged(seed)``. What belongs to a state that is not finite is NaN.

    Raises:
        OrreryError: the weights were not recorded, the targets are those of a regression, or the network has no such
            hidden layer.
    """
    from orrery.analyses.fragility_curves import curves_of

    return curves_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Median distance, censored share, slope at the last step; rank correlations with the pattern count.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.

    Raises:
        OrreryError: a group has no condition.
    """
    from orrery.analyses.fragility_numbers import publish

    return publish(sources, settings)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Median distance of each run against its pattern count, and how many decisions a change of some size flips.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.fragility_figures import draw

    return draw(sources, settings)
