"""Numbers of local exponents beside the edge of stability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from orrery.analyses.api import Number
from orrery.analyses.sharpness_numbers import over_seeds

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.edge_exponents import Settings


def publish(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """All numbers of all conditions.

    Args:
        sources: by condition, with ``local(seed, moment)`` and all else that the analysis gives.
        settings: of the analysis.
    """
    return [number for name, source in sources.items() for number in _of_condition(name, source, settings)]


def first_above(
    values: Float[np.ndarray, "seed moment"],
    floor: float | Float[np.ndarray, "seed moment"],
    steps: Float[np.ndarray, " moment"],
) -> Float[np.ndarray, " seed"]:
    """The first step at which each seed lies above a floor; NaN where none does."""
    above = values > floor
    return np.where(above.any(axis=1), steps[above.argmax(axis=1)], np.nan)


def beyond_negative_curvature(
    lowest: Float[np.ndarray, "seed moment"], threshold: float
) -> Float[np.ndarray, "seed moment"]:
    """What a local exponent must exceed so that negative curvature alone does not explain it.

    The larger growth of the direction of lowest curvature at the two ends of the stretch, and the threshold; infinite
    for the first stretch, whose start is not among the moments.
    """
    before = np.concatenate([np.full((len(lowest), 1), np.inf), lowest[:, :-1]], axis=1)
    return np.asarray(np.maximum(np.maximum(before, lowest), threshold))


def _of_condition(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    lost = source["diverged"].values.astype(bool) | ~np.isfinite(source["local"].values).all(axis=1)
    yield Number(
        f"diverged[{name}]", float(lost.sum()), n=len(lost), description="runs that diverged; left out below"
    )
    if lost.all():
        return
    steps = source["moment_step"].values.astype(float)
    kept = {
        variable: source[variable].values[~lost]
        for variable in (
            "local",
            "sharpest_growth",
            "lowest_growth",
            "finite_time",
            "sharpest_stretch",
            "lowest_stretch",
            "product",
            "crossing",
        )
    }
    local, crossing = kept["local"], kept["crossing"]
    threshold = f"{settings.threshold:g} per step"
    positive = first_above(local, settings.threshold, steps)
    explained = beyond_negative_curvature(kept["lowest_growth"], settings.threshold)
    sharp = first_above(local, explained, steps)
    yield over_seeds(
        f"first-positive[{name}]",
        positive,
        f"end of the first stretch with a local exponent above {threshold}, mean over the seeds that have one",
        "steps",
    )
    yield over_seeds(
        f"first-beyond-negative-curvature[{name}]",
        sharp,
        f"end of the first stretch whose local exponent exceeds {threshold} and the growth along the lowest "
        "curvature, mean over the seeds that have one",
        "steps",
    )
    for number, when in (("lead", positive), ("lead-beyond-negative-curvature", sharp)):
        yield over_seeds(
            f"{number}[{name}]",
            crossing - when,
            f"steps from {'that stretch' if number != 'lead' else 'the first positive stretch'} to the crossing of "
            "the edge, negative where it comes after; mean over the seeds that have both",
            "steps",
        )
    yield from _of_stretches(name, kept, steps, settings.threshold)
    after = steps[None, :] >= np.nan_to_num(crossing, nan=np.inf)[:, None]
    for word, chosen in (("before", ~after), ("after", after)):
        yield over_seeds(
            f"local-{word}[{name}]",
            _means(local, chosen),
            f"mean local exponent {word} the crossing of the edge, mean over seeds",
            "1/step",
        )
        yield over_seeds(
            f"positive-share-{word}[{name}]",
            _means((local > settings.threshold).astype(float), chosen),
            f"share of the stretches {word} the crossing with a local exponent above {threshold}, mean over seeds",
        )
        yield over_seeds(
            f"sharpest-growth-{word}[{name}]",
            _means(kept["sharpest_growth"], chosen),
            f"mean ln |J v| along the sharpest direction {word} the crossing, mean over seeds",
            "1/step",
        )
    multiplier = np.abs(1 - 2 * kept["product"])
    if np.isfinite(multiplier).all():
        yield Number(
            f"multiplier-mismatch[{name}]",
            float(np.abs(np.exp(kept["sharpest_growth"]) - multiplier).max()),
            n=len(local),
            description="largest difference of |J v| along the sharpest direction from |1 - 2 sharpness / edge|, which "
            "it is for plain descent without weight decay on the batch of the Hessian",
        )


def _of_stretches(
    name: str, kept: Mapping[str, np.ndarray], steps: Float[np.ndarray, " moment"], threshold: float
) -> Iterator[Number]:
    """When finite-time exponents turn positive: of any direction, and of the sharpest one."""
    any_floor = np.full_like(kept["finite_time"], threshold)
    sharp_floor = np.maximum(np.nan_to_num(kept["lowest_stretch"], nan=np.inf), threshold)
    for word, values, floor, words in (
        ("finite-time", kept["finite_time"], any_floor, "finite-time exponent"),
        (
            "sharpest",
            kept["sharpest_stretch"],
            sharp_floor,
            "growth along the sharpest direction at its start, also above that along the lowest curvature,",
        ),
    ):
        when = first_above(np.nan_to_num(values, nan=-np.inf), floor, steps)
        yield over_seeds(
            f"{word}-first-positive[{name}]",
            when,
            f"end of the first stretch with a {words} above {threshold:g} per step, mean over the seeds that have one",
            "steps",
        )
        yield over_seeds(
            f"{word}-lead[{name}]",
            kept["crossing"] - when,
            "steps from the end of that stretch to the crossing of the edge, negative where it comes after; mean over "
            "the seeds that have both",
            "steps",
        )


def _means(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.array(
        [row[kept].mean() if kept.any() else np.nan for row, kept in zip(values, chosen, strict=True)]
    )
