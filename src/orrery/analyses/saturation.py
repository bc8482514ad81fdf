"""Networks whose hidden units saturated, beside the map of one logit vector that then describes them.

At a large rate the hidden units of a classifier may become constant over the samples: nothing is learnt, the network
gives every sample the same logits z, and these obey a map of their own (:mod:`orrery.numerics.softmax_map`). Told are
which runs saturated, with how many units at one, whether their losses end in the pattern of an attractor of that map,
for how long it follows them step by step, and its exponents along their logits. The reduction is our own; the networks
are those of Danovski, Soriano, Lacasa (arXiv 2404.05782).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.closed import Closed

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

USES_SYSTEM = True
SCOPE = "condition"

Rate = Annotated[float, Field(gt=0)]


class Diagram(Closed):
    """The losses in which the reduced map ends, over a range of effective rates."""

    rates: tuple[Rate, Rate] = Field((4.0, 32.0), description="smallest and largest effective rate")
    count: int = Field(225, ge=2, description="effective rates, equally spaced")
    starts: int = Field(8, ge=1, description="random starts at each")
    transient: int = Field(1500, ge=0, description="steps left out")
    kept: int = Field(24, ge=1, description="steps drawn")

    @model_validator(mode="after")
    def _ordered(self) -> Diagram:
        if self.rates[0] >= self.rates[1]:
            raise ValueError(
                f"rates goes from {self.rates[0]:g} to {self.rates[1]:g}; write the smaller first"
            )
        return self


class Tangents(Closed):
    """The exponents of the whole network, all of them, over the last steps."""

    align: int = Field(60, ge=0, description="steps before these, in which the frame turns")
    steps: int = Field(60, ge=1, description="last steps over which growth is averaged")
    runs: int = Field(8, ge=1, description="runs at most: the first that saturated")


class Settings(AnalysisSettings):
    """What counts as saturated, and as the same pattern."""

    method: Literal["saturation"] = "saturation"
    window: int = Field(1000, ge=10, description="last recorded steps that make the end pattern of a run")
    threshold: float = Field(
        1e-3,
        gt=0,
        description="a run is saturated where no hidden unit has a larger deviation over the samples",
    )
    horizon: int = Field(20, ge=1, description="steps over which the reduced map follows a run")
    starts: int = Field(200, ge=1, description="random starts of the reduced map at the rate of each run")
    transient: int = Field(
        4000, ge=0, description="steps of the reduced map before the pattern of a random start"
    )
    tolerance: float = Field(
        0.005,
        gt=0,
        description="two patterns are one where least and largest loss differ by no more than this",
    )
    band_tolerance: float = Field(
        0.01, gt=0, description="the same, where the losses of a run have no period"
    )
    largest_period: int = Field(64, ge=1, description="longer periods count as none")
    period_tolerance: float = Field(
        1e-5, gt=0, description="losses one period apart differ by no more than this"
    )
    near_bound: tuple[Rate, ...] = Field(
        (), description="effective rates at which the fixed point is left at a small distance"
    )
    distance: float = Field(1e-6, gt=0, description="that distance")
    tangents: Tangents | None = Field(
        None, description="exponents of the whole network beside those of the map; none where absent"
    )
    moments: int = Field(
        200, ge=2, description="places of the whole course at which units at one are counted"
    )
    diagram: Diagram = Field(Diagram(), description="attractors of the reduced map over effective rates")


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Saturation of the originals (copy 0) of all seeds, and the reduced map beside each.

    Returns:
        By seed: ``deviation(seed)``, the largest deviation of a hidden unit over the samples, at the start of the
        window or at the last step, whichever is larger; ``saturated(seed)``; ``ones(seed)`` hidden units at one;
        ``changes(seed)`` of that number within the window; ``effective_rate(seed)``, at the last step;
        ``train_accuracy(seed)``, ``test_accuracy(seed)``, ``constant_class(seed)`` (one class for every training
        sample), at the last step; ``sum_drift(seed)``, the largest change of the sum of the logits in the window.

        Losses in the window: ``loss(seed, time)``, ``reduced_loss(seed, time)`` from the logits at its start,
        ``end(seed, side)`` least and largest, ``reduced_end(seed, side)``, ``attractor(seed, start, side)`` of random
        starts, ``period(seed)`` (0: none). ``error(seed, lag)``: distance of the two losses at a lag from a common
        start, ``horizon`` steps before the last. ``exponent(seed, index)`` of the reduced map along the logits of the
        network in the window, per step, largest first, with ``sum_rule(seed)``.

        With ``tangents`` also ``network_exponent(seed, direction)`` of all weights by their tangent map, NaN
        for runs that were left out, and ``map_exponent(seed, index)`` over the same steps, both largest first;
        ``network_sum_rule(seed)``, the distance of the sum of all exponents of the network from the mean of ln|det J|.

        Over the whole course: ``moment_ones(seed, moment)``, ``moment_deviation(seed, moment)``, and
        ``course(seed, moment, side)``, least and largest loss between two moments, NaN where no loss was recorded.

        Of the reduced map: ``fractions(class)``, ``diagram_rate(rate)``,
        ``diagram_loss(rate, start_of_diagram, kept)``, ``end_distance(near, trial)`` from the fixed point after 5,000
        steps.

    Raises:
        OrreryError: the network, its loss or its optimizer have no such reduction, or too few steps are read.
    """
    from orrery.analyses.saturation_result import result_of

    return result_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Shares of runs that saturated, match and are followed; bands, exponents, and what did not saturate.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: tolerances.
    """
    from orrery.analyses.saturation_numbers import numbers_of

    return numbers_of(sources, settings)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Losses of the networks beside those of the reduced map, its attractors over effective rates, and the course.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: tolerances.
    """
    from orrery.analyses.saturation_figures import draw

    return draw(sources, settings)
