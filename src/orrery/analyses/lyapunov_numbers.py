"""The numbers that exponents publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_over_seeds, share_over_seeds
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.lyapunov import Settings

UNIT = "1/step"
NAMED_VECTORS = 3
"""Angles are published between so many leading covariant vectors."""


def publish(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """All numbers of all conditions.

    Args:
        sources: by condition, with ``exponent(seed, index)`` and all else that the analysis gives.
        settings: of the analysis.

    Raises:
        OrreryError: all runs of a condition diverged within the window.
    """
    found: list[Number] = []
    for name, source in sources.items():
        if source["diverged"].values.all():
            first, last = source.attrs["window"]
            raise OrreryError(
                f"lyapunov: all {source.sizes['seed']} runs of '{name}' diverged before step {last}; let the window "
                f"{[first, last]} end earlier, or leave the condition out of 'conditions'"
            )
        found += _exponents(name, source, settings)
        found += _horizons(name, source, settings)
        found += _quality(name, source)
        if "angle" in source:
            found += _covariant(name, source)
    return found


def _mean(name: str, values: np.ndarray, description: str, unit: str = UNIT) -> Number:
    value, bounds, n = mean_over_seeds(np.asarray(values, dtype=float))
    return Number(name, value, bounds, n, unit=unit, description=f"{description}, mean over seeds")


def _share(name: str, values: np.ndarray, description: str) -> Number:
    values = values[~np.isnan(values)]
    value, bounds, n = share_over_seeds(values > 0)
    return Number(name, value, bounds, n, description=description)


def _exponents(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    exponents = source["exponent"].values
    ordered = -np.sort(-exponents, axis=1)
    for index in range(min(settings.shown, exponents.shape[1])):
        yield _mean(f"exponent[{name},index={index}]", exponents[:, index], f"exponent {index} in QR order")
        yield _mean(
            f"sorted-exponent[{name},index={index}]",
            ordered[:, index],
            f"exponent {index} of each seed's sorted spectrum",
        )
        yield _mean(
            f"convergence[{name},index={index}]",
            source["convergence"].values[:, index],
            f"difference between the two halves of the averaged steps, exponent {index}",
        )
    yield _share(f"positive-share[{name}]", exponents[:, 0], "share of seeds with exponent 0 above zero")
    if exponents.shape[1] == source.attrs["components"]:
        yield _mean(f"sum[{name}]", exponents.sum(axis=1), "sum of all exponents")


def _horizons(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    steps = source["horizon"].values.tolist()
    for place, horizon in enumerate(steps):
        key = f"{name},horizon={horizon}"
        finite, singular = (source[kind].values[:, place] for kind in ("finite_time", "finite_time_svd"))
        for index in range(min(settings.shown, finite.shape[1])):
            words = f"finite-time exponent {index} over {horizon} steps"
            yield _mean(f"finite-time[{key},index={index}]", finite[:, index], f"{words}, QR")
            yield _share(
                f"finite-time-positive[{key},index={index}]",
                finite[:, index],
                f"share of seeds with {words} > 0",
            )
            for word, of in (("least", np.min), ("largest", np.max)):
                known = finite[np.isfinite(finite[:, index]), index]
                yield Number(
                    f"finite-time-{word}[{key},index={index}]",
                    float(of(known)) if known.size else np.nan,
                    n=len(known),
                    unit=UNIT,
                    description=f"{word} {words} of all seeds, QR",
                )
            if np.isfinite(singular[:, index]).any():
                yield _mean(
                    f"finite-time-svd[{key},index={index}]", singular[:, index], f"{words}, singular values"
                )
        for kind, words in (("", "L2"), ("-l1", "L1")):
            grown = source[f"vector_growth{kind.replace('-', '_')}"].values[:, place]
            words = f"growth of the weight part of the first start vector over {horizon} steps, {words} norm"
            yield _mean(f"vector-growth{kind}[{key}]", grown, words)
            yield _share(
                f"vector-growth{kind}-positive[{key}]", grown, f"share of seeds with positive {words}"
            )


def _quality(name: str, source: xr.Dataset) -> Iterator[Number]:
    n = source.sizes["seed"]
    if np.isfinite(source["sum_rule"].values).any():
        yield _largest(
            f"largest-sum-rule[{name}]",
            source["sum_rule"].values,
            "largest |sum of all exponents - mean of ln|det J|| over seeds",
        )
        yield _largest(
            f"largest-single-sum-rule[{name}]",
            source["sum_rule_single"].values,
            "largest |sum of ln R_ii - ln|det J|| of one orthogonalisation, over no mean, over seeds",
            unit="",
        )
    for kind, words in (
        ("diverged", "runs that diverged within the window"),
        ("undefined", "runs whose tangents are not finite although they did not diverge"),
        ("super_contracted", "directions lost entirely in a step (R_ii = 0), over all seeds"),
        ("masked", "entries of second moments that were zero, whose tangent is set to zero, over all seeds"),
    ):
        yield Number(
            f"{kind.replace('_', '-')}[{name}]", float(source[kind].values.sum()), n=n, description=words
        )


def _largest(name: str, values: np.ndarray, description: str, unit: str = UNIT) -> Number:
    finite = values[np.isfinite(values)]
    value = float(finite.max()) if len(finite) else np.nan
    return Number(name, value, n=len(finite), unit=unit, description=description)


def _covariant(name: str, source: xr.Dataset) -> Iterator[Number]:
    yield _largest(
        f"largest-covariance-residual[{name}]",
        source["covariance_residual"].values,
        "largest distance of a pushed covariant vector from where it should arrive, unit vectors",
        unit="",
    )
    yield _largest(
        f"largest-growth-difference[{name}]",
        source["growth_difference"].values,
        "largest difference of the growth of a covariant vector from its exponent by QR over the same steps",
    )
    yield Number(
        f"fewest-covariant-vectors[{name}]",
        float(source["covariant_kept"].values.min()),
        n=source.sizes["seed"],
        description="leading covariant vectors before a direction that one step wipes out, fewest over seeds",
    )
    yield from _angles(
        "splitting", name, source["splitting"].values, "least angle between the first group and the others"
    )
    for place, (one, other) in enumerate(source.attrs["pairs"]):
        if other >= NAMED_VECTORS:
            continue
        key, words = f"{name},pair={one}-{other}", f"angle between covariant vectors {one} and {other}"
        yield from _angles("angle", key, source["angle"].values[:, :, place], words)
        least = source["least_angle"].values[:, place]
        least = least[np.isfinite(least)]
        yield Number(
            f"angle-least[{key}]",
            float(least.min()) if len(least) else np.nan,
            n=len(least),
            unit="degrees",
            description=f"{words}, least over all steps and seeds",
        )


def _angles(kind: str, key: str, values: np.ndarray, words: str) -> Iterator[Number]:
    """Mean and median over the moments of each seed that has all of them."""
    seen = values[:, np.isfinite(values).any(axis=0)]
    whole = seen[np.isfinite(seen).all(axis=1)]
    few = whole.size == 0
    for statistic, found in (
        ("mean", np.zeros(0) if few else whole.mean(axis=1)),
        ("median", np.zeros(0) if few else np.median(whole, axis=1)),
    ):
        yield _mean(f"{kind}-{statistic}[{key}]", found, f"{words}, {statistic} over moments", unit="degrees")
