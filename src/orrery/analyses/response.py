"""Training response: how the output at x answers to one extra gradient step at x0, along training.

At recorded states one probe step is taken on a single pair (x0, y0) and forgotten. The response is read in three
normalisations that age with different exponents (raw; over rate and slope of the loss behind the link; the same before
the link), beside the tangent kernel that they become as the rate goes to 0. Published are ageing exponents, how
specific the response is, whether it is a product of time and place, and stages. The law under test, a decay in time
times a kernel in input space, is that of Nakazato (arXiv 2204.07291, known to us from its abstract); protocol and
definitions are our own.
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

Positive = Annotated[float, Field(gt=0)]
Index = Annotated[int, Field(ge=0)]
Normalisation = Literal["raw", "out", "pre"]


class Probe(Closed):
    """The pairs (x0, y0) of the probe step, and its rate."""

    places: tuple[float | tuple[float, ...], ...] = Field(
        (), description="inputs x0: numbers, or lists of numbers for several features; with 'target'"
    )
    target: float | tuple[float, ...] | None = Field(
        None, description="y0 of all places: a number, or one for each output"
    )
    samples: tuple[Index, ...] | Literal["all", "worst"] = Field(
        (),
        description="training samples as probes, with their own targets: indices, 'all', or 'worst', at each step the "
        "sample of the largest error",
    )
    rate: Positive = Field(1e-5, description="of the probe step")
    shift_below: float = Field(
        1e-4,
        ge=0,
        description="where the error at x0 is smaller, R_out and R_pre, which do not depend on it to first order, are "
        "probed with targets 0.5 away from the outputs; R_raw never is",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.places) == bool(self.samples):
            raise ValueError("write either places, with a target, or samples")
        if self.places and self.target is None:
            raise ValueError("places need a target y0; write target: 1, for one")
        if self.samples and self.target is not None:
            raise ValueError("samples have targets of their own; leave 'target' out")
        if len({self.features_of(place) for place in self.places}) > 1:
            raise ValueError("places differ in their number of features; write as many for each")
        return self

    @staticmethod
    def features_of(place: float | tuple[float, ...]) -> int:
        """The number of features of a place."""
        return len(place) if isinstance(place, tuple) else 1


class Settings(AnalysisSettings):
    """Where is probed, where the response is read, and what is fitted."""

    method: Literal["response"] = "response"
    probe: Probe = Field(description="the pair of the extra step")
    grid: tuple[float, float, int] | Literal["samples"] = Field(
        (-1.0, 1.0, 201),
        description="where responses are read: [low, high, count], equally spaced, for one feature, or 'samples', "
        "those of the training set",
    )
    normalisations: tuple[Normalisation, ...] = Field(
        ("raw", "out", "pre"),
        min_length=1,
        description="whose profiles are drawn, and whose widths and rank-one violations are published",
    )
    moments: int = Field(
        40, ge=3, description="recorded steps that are looked at, at most, evenly in log time"
    )
    decades: Positive | None = Field(
        2.0,
        description="last decades of time over which exponents are fitted; null for none",
    )
    identity: tuple[Positive, ...] = Field(
        (),
        description="rates of probe steps at the first state read whose response is held against its first order",
    )
    distances: tuple[Positive, ...] = Field(
        (1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2),
        description="distances x - x0 behind the small-distance exponent of the kernel; none for no exponent",
    )
    products: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (),
        description="steps t at which 2 x rate x t x K_f(x0, x0) is published, of one sample and squares behind a "
        "sigmoid 1/2 late in training; steps beyond the end of a condition are left out there",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if len(set(self.normalisations)) < len(self.normalisations):
            raise ValueError("normalisations: one is named twice; name each once")
        if len(self.identity) == 1:
            raise ValueError("identity: one rate has no slope; write at least two, or none")
        if len(self.distances) == 1:
            raise ValueError("distances: one has no exponent; write at least two, or none")
        if self.grid == "samples":
            return self
        low, high, count = self.grid
        if low >= high or count < 3:
            raise ValueError(
                f"grid: [{low:g}, {high:g}, {count}] is no grid; write [low, high, count] with low below high and at "
                "least 3 places"
            )
        for place in self.probe.places:
            if Probe.features_of(place) > 1:
                raise ValueError("grid: it is of one feature, and the places have more; write grid: samples")
            x = place[0] if isinstance(place, tuple) else place
            if not low <= x <= high:
                raise ValueError(
                    f"probe.places: {x:g} lies outside of the grid from {low:g} to {high:g}; move it or widen 'grid'"
                )
        return self

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        if condition.system.get("kind") != "network":
            yield (
                "method",
                "'response' probes a network, and this system is none; leave its conditions out of 'conditions'",
            )
        if condition.record.state == ():
            yield (
                "method",
                "'response' reads recorded weights, and record.state is empty; write state: all there",
            )
        last = condition.training.steps
        if self.products and min(self.products) > last:
            yield (
                "products",
                f"names no step before {min(self.products)}, but training.steps is {last}; write smaller numbers, or "
                "none",
            )
        if self.decades is not None and last < 10**self.decades:
            yield (
                "decades",
                f"asks for exponents over {self.decades:g} decades, but training.steps is {last}; train longer, write "
                "fewer, or null for none",
            )


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Responses of the original run (copy 0) of every seed at recorded steps; float64 throughout.

    Returns:
        With ``norm`` in the order raw, out, pre, and ``kernel`` in the order K_f, K_u:
        ``response(seed, moment, probe, norm, place)`` and ``own(seed, moment, probe, norm)`` at x0 itself;
        ``tangent(seed, moment, probe, kernel, place)`` and ``own_tangent(seed, moment, probe, kernel)``, the kernels by
        automatic differentiation; ``factor(seed, moment, probe)``, f'(u) at x0 where there is one output;
        ``probe_error(seed, moment, probe)``, |y0 - f(x0)|; ``mean_error(seed, moment)``, mean |y - f| over the training
        samples; ``shifted(seed, moment, probe)``, 1 where another target was probed with; ``mismatch(seed, moment)``,
        largest difference of the closed form of K_u from ``tangent`` over its largest value;
        ``half_width(seed, moment, probe, norm)``; ``peak(seed, moment, probe, kernel)``, K(x0, x0) over the mean over
        the places; ``small_distance(seed, moment, probe)``, the exponent of K_u; ``violation(seed, probe, norm, rows,
        span)`` of the rank-one law with rows as they are and of length one, over all steps and over the late stage;
        ``boundary(seed, stage)``, first steps below the mean errors 0.25 and 0.05; ``identity(seed, probe, rate)``,
        distance of the response from its first order, relative; ``probe_place(seed, moment, probe)``;
        ``place_at(place)``, ``moment_step(moment)``, ``identity_rate(rate)``. What belongs to a state that is not
        finite is NaN.

    Raises:
        OrreryError: no network, weights that were not recorded, probes that do not fit the inputs, records that do not
            span the decades asked for.
    """
    from orrery.analyses.response_records import records_of

    return records_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Exponents with their standard errors, specificity, rank-one violations, stages, and how exact it all is.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.response_numbers import publish

    return publish(sources, settings)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Profiles over log time, ageing with fitted and predicted slopes, kernels, singular values, specificity, stages.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.response_figures import draw

    return draw(sources, settings)
