"""The numbers that distances of perturbed copies publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from orrery.analyses.along_axes import axis_of, name_of_axis
from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_number, pooled_number, share_number
from orrery.numerics.ranks import rank_correlation

if TYPE_CHECKING:
    import xarray as xr
    from jaxtyping import Float, Int

    from orrery.analyses.copy_divergence import Settings

NAME = "copy-divergence"
PER_STEP = "1/step"


def publish(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """All numbers of all conditions.

    Args:
        sources: by condition, ``distance(seed, copy, moment)`` and the rest.
        settings: of the analysis.
    """
    found: list[Number] = []
    for name, source in sources.items():
        if settings.rule is not None:
            found += exponents(name, source)
        found += _distances(name, source, settings)
    if settings.rule is not None:
        found += _along(sources, settings, {number.name: number.value for number in found})
    return found


def exponents(name: str, source: xr.Dataset) -> Iterator[Number]:
    """The numbers of the best windows of one condition, of which ``slope(seed)`` and ``kept(seed)`` tell."""
    slope, kept = source["slope"].values, source["kept"].values.astype(bool)
    chosen = slope[kept]
    n = len(chosen)
    yield mean_number(
        f"nMLE[{name}]",
        chosen,
        "mean slope of the best window over the initial conditions that are kept; biased upwards by this choice",
        unit=PER_STEP,
    )
    yield Number(
        f"nMLE-deviation[{name}]",
        float(chosen.std()) if n else np.nan,
        n=n,
        unit=PER_STEP,
        description="population standard deviation over the initial conditions that are kept",
    )
    yield Number(
        f"nMLE-standard-error[{name}]",
        float(chosen.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan,
        n=n,
        unit=PER_STEP,
        description="standard error of the mean over the initial conditions that are kept",
    )
    yield Number(f"kept[{name}]", float(n), n=len(slope), description="initial conditions that are kept")
    yield share_number(f"kept-share[{name}]", kept, "share of the initial conditions that are kept")
    yield mean_number(
        f"slope-before-filter[{name}]",
        slope,
        "mean slope of the best window over all initial conditions that have one",
        unit=PER_STEP,
    )
    yield mean_number(
        f"two-point[{name}]",
        source["two_point"].values,
        "mean growth of ln d per step from the first to the last step that windows reach over; no window is chosen",
        unit=PER_STEP,
    )
    yield Number(
        f"without-window[{name}]",
        float((~np.isfinite(slope)).sum()),
        n=len(slope),
        description="initial conditions whose windows are all void",
    )


def _distances(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    distance = source["distance"].values
    first, last = distance[:, :, 0], distance[:, :, -1]
    steps = source["moment_step"].values
    yield mean_number(
        f"initial-distance[{name}]", first.mean(axis=1), f"mean distance of a copy at step {steps[0]}"
    )
    if source.attrs.get("expected_start", 0) > 0:
        yield mean_number(
            f"initial-over-expected[{name}]",
            first.mean(axis=1) / source.attrs["expected_start"],
            "mean distance at the start over its expectation; below 1 where rounding takes perturbations away",
        )
    yield Number(
        f"unperturbed-share[{name}]",
        float((first == 0).mean()) if first.size else np.nan,
        n=len(first),
        description="share of copies that start as their original, since rounding took the perturbation away",
    )
    growth = np.divide(last, first, out=np.full_like(last, np.nan), where=first > 0)
    said = f"d({steps[-1]}) / d({steps[0]})"
    yield pooled_number(f"growth[{name}]", growth, "median", f"median of {said} over all pairs")
    sound = growth[np.isfinite(growth)]
    for word, value in (("least", np.min), ("largest", np.max)):
        yield Number(
            f"growth-{word}[{name}]",
            float(value(sound)) if sound.size else np.nan,
            n=len(growth),
            description=f"{word} {said} of all pairs",
        )
    yield from _course(name, distance.mean(axis=1), steps, settings.compare.reach)
    if settings.compare.growth_between is not None:
        low, high = settings.compare.growth_between
        within = np.where(np.isfinite(growth), (growth >= low) & (growth <= high), np.nan)
        yield pooled_number(
            f"growth-share[{name}]",
            within,
            "mean",
            f"share of pairs with {said} from {low:g} to {high:g}",
        )
    largest = source["largest"].values
    share = np.divide(first, largest, out=np.full_like(first, np.nan), where=largest > 0)
    yield pooled_number(
        f"initial-over-largest[{name}]",
        share,
        "median",
        "median over all pairs of the distance at the start over the largest distance",
    )


def _course(
    name: str, mean: Float[np.ndarray, "seed moment"], steps: Int[np.ndarray, " moment"], reach: float | None
) -> Iterator[Number]:
    """How the mean over copies goes between its ends: its range, its first tenth, and how soon it has grown."""
    sound = mean[np.isfinite(mean).all(axis=1)]
    for word, value in (("least", np.min), ("largest", np.max)):
        yield Number(
            f"distance-{word}[{name}]",
            float(value(sound)) if sound.size else np.nan,
            n=len(sound),
            description=f"{word} distance over seeds and moments, mean over the copies of a seed",
        )
    growth = np.divide(mean, mean[:, :1], out=np.full_like(mean, np.nan), where=mean[:, :1] > 0)
    tenth = int(np.searchsorted(steps, steps[0] + (steps[-1] - steps[0]) / 10))
    early = growth[:, tenth]
    yield Number(
        f"early-growth[{name}]",
        float(np.median(early[np.isfinite(early)])) if np.isfinite(early).any() else np.nan,
        n=int(np.isfinite(early).sum()),
        description=f"d({steps[tenth]}) / d({steps[0]}), median over seeds",
    )
    yield share_number(
        f"early-fall-share[{name}]",
        early[np.isfinite(early)] < 1,
        f"share of seeds with d({steps[tenth]}) below d({steps[0]})",
    )
    if reach is None:
        return
    there = growth >= reach
    reached = there.any(axis=1)
    took = (steps[there.argmax(axis=1)] - steps[0])[reached]
    yield share_number(
        f"reached-share[{name}]", reached, f"share of seeds whose d(t) / d({steps[0]}) reaches {reach:g}"
    )
    for word, of in (("least", np.min), ("median", np.median), ("largest", np.max)):
        yield Number(
            f"reached-after-{word}[{name}]",
            float(of(took)) if took.size else np.nan,
            n=len(took),
            unit="steps",
            description=f"steps until d(t) / d({steps[0]}) reaches {reach:g}, {word} of the seeds that do",
        )


def _along(
    sources: Mapping[str, xr.Dataset], settings: Settings, values: Mapping[str, float]
) -> Iterator[Number]:
    """How the exponents of several conditions go along an axis."""
    places = axis_of(sources, settings.compare.against, f"{NAME}: compare.against")
    if places is None:
        return
    axis = name_of_axis(sources, settings.compare.against)
    for quantity in ("nMLE", "kept-share"):
        pairs = [(place, values[f"{quantity}[{name}]"]) for name, place in places.items()]
        pairs = [pair for pair in pairs if np.isfinite(pair[1])]
        distinct = len({pair[1] for pair in pairs}) > 1
        yield Number(
            f"rank-correlation[{quantity},{axis}]",
            rank_correlation(*np.array(pairs).T) if len(pairs) > 2 and distinct else np.nan,
            description=f"rank correlation of {quantity} with {axis} over {len(pairs)} conditions; -1 where it always "
            "falls",
        )
