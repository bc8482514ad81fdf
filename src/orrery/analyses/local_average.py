"""The scale of the local average that a network gives along training, beside that of a constant kernel.

A network that estimates a distribution outputs a local average of the data whose scale shrinks along training, and the
estimate becomes unstable: so Nakazato (arXiv 2309.07367, abstract). Here f_t - f_0 is fitted by g sum_i w_i(x) (y_i -
f_0(x_i)) with normalised Gaussian weights of width ell, our own choice. Beside it stands what a constant tangent
kernel, that of the initial network, gives in closed form (derived, exact).
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


class TriedScales(Closed):
    """The widths of the weights that are tried."""

    between: tuple[float, float] = Field((0.01, 2.0), description="smallest and largest ell")
    count: int = Field(60, ge=2, description="how many, equally spaced in log(ell)")

    @model_validator(mode="after")
    def _ordered(self) -> TriedScales:
        if not 0 < self.between[0] < self.between[1]:
            raise ValueError(
                f"between: {list(self.between)} must be two positive numbers, the smaller one first"
            )
        return self


class Times(Closed):
    """When the closed form is looked at; it needs no training."""

    between: tuple[float, float] = Field((1.0, 1e6), description="first and last time, in steps")
    count: int = Field(25, ge=3, description="how many, equally spaced in log(t), rounded to whole steps")

    @model_validator(mode="after")
    def _ordered(self) -> Times:
        if not 1 <= self.between[0] < self.between[1]:
            raise ValueError(f"between: {list(self.between)} must begin at 1 or later, and end after that")
        return self


class Compare(Closed):
    """What is compared; nothing is analysed anew after a change."""

    draws: dict[str, tuple[str, ...]] = Field(
        {},
        description="label -> patterns of conditions whose data differ in their noise only; how far their outputs "
        "spread is published",
    )
    regions: dict[str, tuple[float, float]] = Field(
        {},
        description="label -> part of the interval over which spreads and variances are averaged; all where empty",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Compare:
        for label, (low, high) in self.regions.items():
            if low >= high:
                raise ValueError(f"regions: '{label}' is empty; write the lower end first")
        return self


class Settings(AnalysisSettings):
    """Which scales, moments and times are looked at."""

    method: Literal["local-average"] = "local-average"
    moments: int = Field(
        25,
        ge=3,
        description="recorded steps looked at, at most; evenly spread in log(1 + step), the last among them",
    )
    grid: InputGrid = Field(InputGrid(), description="the inputs over which the local average is fitted")
    scales: TriedScales = Field(TriedScales(), description="the widths that are tried")
    times: Times = Field(Times(), description="when the closed form is looked at")
    reference: Literal["steps", "flow", "none"] = Field(
        "steps", description="the closed form for discrete steps, for gradient flow, or none"
    )
    compare: Compare = Field(Compare(), description="what is compared")

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        from orrery.analyses.feature_settings import not_plain, unrecorded

        yield from unrecorded(condition, self.method)
        if self.reference != "none":
            reason = not_plain(condition.system)
            if reason:
                yield (
                    "reference",
                    f"is '{self.reference}', and the closed form needs {reason}; write reference: none",
                )


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Local averages of the original run (copy 0) of every seed at some of its recorded steps, in float64.

    Returns:
        ``scale(seed, moment)``, ``gain(seed, moment)``: ell and g of the best fit, NaN at the first step read, where
        nothing has been learnt; ``explained(seed, moment)``, the share of the sum of squares over the grid that it
        explains; ``output(seed, moment, point)``, f_t - f_0 on the grid; ``moment_step(moment)``; ``point_x(point)``;
        ``rho(seed)``, Spearman's correlation of ell with t, NaN where ell does not vary; ``diverged(seed)``.

        Of the closed form with the tangent kernel of the first state read: ``closed_scale(seed, time)``,
        ``closed_gain(seed, time)``, ``closed_explained(seed, time)``, ``closed_rho(seed)``; ``freedom(seed, time)``,
        degrees of freedom; ``variance(seed, time, point)`` of the output for independent noise of variance 1;
        ``time_step(time)``; ``departure(seed, moment)``, the distance of f_t - f_0 from it, relative, in the L2 norm
        over the grid; ``edge_product(seed)``, 2 eta times the largest eigenvalue, which discrete steps need below 2.
        NaN where that is not so, and where a state is not finite.

    Raises:
        OrreryError: the weights were not recorded, inputs or outputs have more than one dimension, or the closed form
            does not hold for the loss, optimizer or batches of the condition.
    """
    from orrery.analyses.local_average_curves import curves_of

    return curves_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Rank correlation of ell with time, ell and g at the ends, degrees of freedom, variances and spreads.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.

    Raises:
        OrreryError: a label fits no condition, or a region holds no point of the grid.
    """
    from orrery.analyses.local_average_numbers import publish

    return publish(sources, settings)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """ell(t) and g(t), outputs beside their local averages, degrees of freedom and variances.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.local_average_figures import draw

    return draw(sources, settings)
