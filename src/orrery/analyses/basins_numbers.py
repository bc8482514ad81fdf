"""Numbers of the basins: sizes by condition and class, accuracies, and how well single samples are foretold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from orrery.analyses.api import Number
from orrery.analyses.basins_jump import jump_numbers
from orrery.analyses.basins_trends import trend_numbers
from orrery.analyses.over_seeds import mean_number
from orrery.numerics.crossings import WITHIN
from orrery.numerics.ranks import rank_correlation

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.basins import Settings


def publish(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """All numbers of all conditions; of ``basin(seed, moment, noise, threshold)`` and the others."""
    found = [number for name, source in sources.items() for number in _of_condition(name, source)]
    return [*found, *trend_numbers(sources, settings)]


def _of_condition(name: str, source: xr.Dataset) -> Iterator[Number]:
    for part in ("train", "test"):
        yield mean_number(
            f"{part}-accuracy[{name}]",
            source[f"{part}_accuracy"].values[:, -1],
            f"accuracy on the {'training' if part == 'train' else 'test'} set at the last moment",
        )
    for place, noise in enumerate(source.attrs["noise"]):
        yield mean_number(
            f"chance[{name},{noise}]",
            source["chance"].values[:, -1, place],
            f"accuracy under very large noise on {noise}",
        )
        for column, threshold in enumerate(source["threshold"].values):
            of, words = f"[{name},{noise},{threshold:g}]", f"accuracy {threshold:g} under noise on {noise}"
            sizes = source["basin"].values[:, -1, place, column]
            censored = source["censored"].values[:, -1, place, column]
            yield mean_number(f"basin{of}", sizes, f"amplitude of the first crossing of {words}")
            yield Number(
                f"censored{of}",
                float((censored != WITHIN).sum()),
                n=len(censored),
                description=f"seeds whose crossing of {words} lies outside of the amplitudes, counted at their end",
            )
            yield Number(
                f"undefined{of}",
                float(np.isnan(sizes).sum()),
                n=len(sizes),
                description=f"seeds without a basin at {words}, since chance is not below it",
            )
        yield from _of_classes(name, noise, place, source)
        if "predicted" in source:
            yield from _of_single_samples(name, noise, place, source)
    if len(source["moment_step"]) > 2:
        yield from jump_numbers(name, source)


def _of_classes(name: str, noise: str, place: int, source: xr.Dataset) -> Iterator[Number]:
    """Sizes of the classes at the threshold nearest to 1/2, and above or below the median class."""
    thresholds = source["threshold"].values
    middle = int(np.abs(thresholds - 0.5).argmin())
    sizes = source["class_basin"].values[:, -1, place, middle]  # (seed, class)
    above = sizes - np.median(sizes, axis=1, keepdims=True)
    for label in range(sizes.shape[1]):
        of = f"[{name},{noise},{label}]"
        yield mean_number(
            f"class-basin{of}",
            sizes[:, label],
            f"basin of class {label} at {thresholds[middle]:g} under noise on {noise}",
        )
        yield mean_number(
            f"class-above-median{of}", above[:, label], "the same, minus that of the median class"
        )


def _of_single_samples(name: str, noise: str, place: int, source: xr.Dataset) -> Iterator[Number]:
    measured = source["single_basin"].values[:, place]
    predicted = source["predicted"].values[:, place]
    reach = source["reach"].values[:, place]
    for title, values, words in (
        ("prediction", predicted, "basins of the linearised network"),
        ("reach", reach, "margins over their first-order deviations"),
    ):
        yield mean_number(
            f"{title}-correlation[{name},{noise}]",
            np.array([correlation(one, other) for one, other in zip(values, measured, strict=True)]),
            f"Spearman's correlation of {words} and measured basins of single samples, right ones only, noise "
            f"on {noise}",
        )
    ratios = [_median_ratio(one, other) for one, other in zip(predicted, measured, strict=True)]
    yield mean_number(
        f"prediction-ratio[{name},{noise}]",
        np.array(ratios),
        "median over samples of predicted over measured basin",
    )


def _kept(predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Samples that are right without noise and have a basin; wrong ones, 0 in both, would only flatter."""
    return (measured > 0) & (predicted > 0) & ~np.isnan(predicted)


def correlation(predicted: Float[np.ndarray, " sample"], measured: Float[np.ndarray, " sample"]) -> float:
    """Spearman's correlation over samples that are right without noise; NaN where one of the two does not vary."""
    kept = _kept(predicted, measured)
    one, other = predicted[kept], measured[kept]
    if len(one) < 3 or len(set(one)) < 2 or len(set(other)) < 2:
        return np.nan
    return rank_correlation(one, other)


def _median_ratio(predicted: np.ndarray, measured: np.ndarray) -> float:
    kept = _kept(predicted, measured)
    return float(np.median(predicted[kept] / measured[kept])) if kept.any() else np.nan
