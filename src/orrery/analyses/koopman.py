"""Koopman spectra of trajectories and their comparison between conditions (Redman et al., arXiv 2302.09160).

Conjugate maps share their Koopman eigenvalues: different spectra show that two maps are not conjugate, equal spectra
are necessary evidence only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number, needed
from orrery.config.closed import Closed
from orrery.config.names import ConditionName

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

Pair = tuple[ConditionName, ConditionName]
Delays = Annotated[int, Field(ge=0)]
Rank = Annotated[int, Field(ge=1)]
COMPARES = "results"


class Most(Closed):
    """A rank that gives way where the data have fewer singular values."""

    most: Rank = Field(description="largest rank; the number of singular values where that is smaller")


class Sweep(Closed):
    """Other settings under which the headline numbers are computed too."""

    ranks: tuple[Rank, ...] = Field(
        (), description="other ranks; left empty where the data do not allow them"
    )
    centred: bool = Field(False, description="once more with the mean state of the group taken away")
    delays: tuple[Delays, ...] | None = Field(None, description="at these numbers of delays only")


class Ratio(Closed):
    """A distance over the smallest of some others."""

    pair: Pair = Field(description="the two conditions of the numerator")
    against: tuple[Pair, ...] = Field(
        min_length=1, description="pairs of conditions; the smallest distance divides"
    )


class Rate(Closed):
    """The learning-rate control: at the rate c times smaller over the same time, eigenvalues should be l^c."""

    reference: ConditionName = Field(description="condition at the full rate")
    other: ConditionName = Field(description="condition at the rate times power, over as much time")
    power: float = Field(gt=0, description="c, the factor of the rate")


class Order(Closed):
    """Two distances of which one should be larger."""

    larger: Pair = Field(description="the pair that should lie further apart")
    smaller: Pair = Field(description="the pair that should lie closer")


class Rung(Closed):
    """One rung of a ladder of distances."""

    label: str = Field(min_length=1, description="what the rung is called")
    pair: Pair = Field(description="the two conditions")


class Compare(Closed):
    """What is compared with what, and against which floors."""

    pairs: tuple[Pair, ...] = Field((), description="pairs of conditions")
    headline: Delays | None = Field(
        None, description="numbers are published at these delays only; at all where absent"
    )
    unequal_delays: bool = Field(
        False, description="every condition has one number of delays, not the same one"
    )
    floors: dict[ConditionName, ConditionName] = Field(
        {}, description="condition -> the same starts trained with other batches: the floor of its distances"
    )
    paired: bool = Field(
        True, description="seeds share start or batches across conditions: relabel within pairs"
    )
    relabellings: int = Field(9_999, ge=2_000, description="random ones, where more than 20,000 are possible")
    resamples: int = Field(10_000, ge=100, description="bootstrap resamples of the seeds")
    swap: bool = Field(False, description="the paper's swap control, which can only count ties")
    null_of_delays: bool = Field(False, description="distances of the same trajectories at different delays")
    ratios: dict[str, Ratio] = Field({}, description="label -> a distance over the smallest of others")
    rates: dict[str, Rate] = Field({}, description="label -> a learning-rate control")
    orders: dict[str, Order] = Field({}, description="label -> two distances, the larger expected first")
    ladder: tuple[Rung, ...] = Field((), description="distances to be shown side by side")


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


class Settings(AnalysisSettings):
    """Spectra of delay-embedded trajectories, and distances between those of several conditions."""

    method: Literal["koopman"] = "koopman"
    observable: tuple[str, ...] = Field(
        (),
        description="tensors or observables of the trajectory; all tensors where empty; not with a reduction",
    )
    group: Literal["seed", "condition"] = Field(
        "seed", description="one spectrum per seed, from its copies, or one per condition, from all runs"
    )
    delays: Annotated[
        tuple[Delays, ...], BeforeValidator(_as_tuple, json_schema_input_type=int | tuple[int, ...])
    ] = Field(min_length=1, description="m, one number or several; the embedding has m + 1 blocks")
    rank: Rank | Most = Field(description="k, the singular triplets kept: a number, or {most: k}")
    path: Literal["auto", "direct", "gram", "covariance", "operator"] = Field(
        "auto",
        description="auto: direct SVD for small problems, else the operator; the Gram side for a Gram reduction",
    )
    centred: bool = Field(False, description="take the mean state of the group away; the paper does not")
    stride: int = Field(1, ge=1, description="c of the stride control with pairs (H_t, H_{t+c}); 1: none")
    splits: int = Field(
        0, ge=0, le=126, description="split halves of the copies behind the split-half floor; 0: none"
    )
    sweep: Sweep = Field(Sweep(), description="sensitivity of the headline numbers")
    controls: bool = Field(
        True, description="false: the headline spectra only, without stride, splits and sweep"
    )
    compare: Compare | None = Field(
        None, description="what is compared with what; no pairs and no floors where absent"
    )


def scope(settings: Settings) -> str:
    """One spectrum of all runs needs all runs; one per seed goes block by block."""
    return "condition" if settings.group == "condition" else "block"


def analyse(source: Trajectory | xr.Dataset, settings: Settings, context: Context) -> xr.Dataset:
    """Spectra of one condition.

    Without ``controls`` there are no strides, splits or variants.

    Returns:
        ``eigenvalue(seed, delays, variant, mode)``, complex, in no particular order, NaN beyond the rank and where a
        variant was not asked for; ``modes``, ``singular_ratio``, ``error``, ``path`` beside it;
        ``stride_eigenvalue(seed, delays, mode)``; ``split_distance(seed, delays, split)``. Variant 0 is the headline;
        attribute ``variants`` describes them. With ``group: condition`` the dimension ``seed`` has length 1.

    Raises:
        RankError: the headline rank cannot be resolved.
        OrreryError: unsuitable source or settings.
    """
    from orrery.analyses.koopman_spectra import spectra_of

    return spectra_of(source, settings)


def compare(sources: Mapping[str, xr.Dataset], settings: Settings) -> xr.Dataset:
    """Distances between all spectra; see :func:`orrery.analyses.koopman_comparison.compare_spectra`."""
    from orrery.analyses.koopman_comparison import compare_spectra

    return compare_spectra(sources, settings.compare or Compare())


def numbers(
    comparison: xr.Dataset | None, sources: Mapping[str, xr.Dataset], settings: Settings
) -> list[Number]:
    """Distances with intervals and floors, tests, controls.

    Args:
        comparison: from :func:`compare`.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.

    Raises:
        OrreryError: there is no comparison.
    """
    from orrery.analyses.koopman_numbers import publish

    return publish(needed(comparison, "koopman"), sources, settings.compare or Compare())


def plot(
    comparison: xr.Dataset | None, sources: Mapping[str, xr.Dataset], settings: Settings
) -> list[Figure]:
    """Spectra, distance matrices with floors, sensitivity, ladder.

    Args:
        comparison: from :func:`compare`.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.

    Raises:
        OrreryError: there is no comparison.
    """
    from orrery.analyses.koopman_figures import draw

    return draw(needed(comparison, "koopman"), sources, settings)
