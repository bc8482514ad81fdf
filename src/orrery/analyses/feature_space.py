"""The feature space of hidden layers along training: distinct activation patterns, dead units, effective rank.

That stochastic training reduces the feature space is the claim of Nakazato (arXiv 2405.04074, abstract). What is
counted, and over which inputs, is our own choice: the vectors sign(z_i(x) > 0), one per hidden unit, over a grid for
one input dimension and over fresh normal inputs for more. Training methods are compared by a sign test over paired
seeds, at the last step and at equal training loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.closed import Closed

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"
USES_SYSTEM = True


class InputGrid(Closed):
    """Equally spaced inputs, for networks of one input."""

    interval: tuple[float, float] = Field((-1.0, 1.0), description="both ends are included")
    points: int = Field(201, ge=2, description="how many")

    @model_validator(mode="after")
    def _ordered(self) -> InputGrid:
        if self.interval[0] >= self.interval[1]:
            raise ValueError(f"interval: {list(self.interval)} is empty; write the lower end first")
        return self


class Compare(Closed):
    """Which training methods are compared; nothing is analysed anew after a change."""

    chains: dict[str, tuple[str, ...]] = Field(
        {},
        description="label -> conditions in the order of the pattern counts that is tested, the largest first; "
        "neighbours are compared over their common seeds, and a chain is a column of the figures",
    )

    @model_validator(mode="after")
    def _pairs(self) -> Compare:
        for label, chain in self.chains.items():
            if len(chain) < 2 or len(set(chain)) < len(chain):
                raise ValueError(f"chains: '{label}' needs at least two conditions, each of them once")
        return self


class Settings(AnalysisSettings):
    """Which moments and inputs are looked at, and which methods are compared."""

    method: Literal["feature-space"] = "feature-space"
    moments: int = Field(
        30,
        ge=1,
        description="recorded steps looked at, at most; evenly spread in log(1 + step), the last among them",
    )
    grid: InputGrid = Field(InputGrid(), description="the inputs where a sample has one feature")
    probes: int = Field(2000, ge=2, description="fresh inputs from N(0, I) where a sample has more")
    layer: int = Field(1, ge=1, description="hidden layer whose counts are compared and published, from 1")
    compare: Compare = Field(Compare(), description="what is compared")

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        from orrery.analyses.feature_settings import no_such_layer, unrecorded

        yield from unrecorded(condition, self.method)
        yield from no_such_layer(condition, self.layer)


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Feature space of the original run (copy 0) of every seed at some of its recorded steps, in float64.

    Returns:
        ``patterns(seed, moment, layer)``, how many units of a hidden layer differ in where they are active;
        ``dead(seed, moment, layer)``, the share of units active nowhere; ``rank(seed, moment, layer)``, the effective
        rank of their outputs; ``regions(seed, moment, layer)``, how many inputs differ in which units are active.
        ``loss(seed, moment)``, over all training samples: the mean over samples of the loss summed over outputs,
        without factor; ``accuracy(seed, moment)``, NaN for a regression; ``moment_step(moment)``; ``diverged(seed)``.
        For inputs of one feature also ``active(seed, side, unit, point)`` of the layer ``settings.layer`` at the first
        and the last moment. What belongs to a state that is not finite is NaN.

    Raises:
        OrreryError: the weights were not recorded, or the network has no such hidden layer.
    """
    from orrery.analyses.feature_space_curves import curves_of

    return curves_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Counts, dead share and rank at the last step, and the sign tests of neighbours in a chain.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.

    Raises:
        OrreryError: a chain names a condition that was not analysed, or one with other seeds.
    """
    from orrery.analyses.feature_space_numbers import publish

    return publish(sources, settings)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Counts, rank and dead share over training by method, and the patterns themselves.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.feature_space_figures import draw

    return draw(sources, settings)
