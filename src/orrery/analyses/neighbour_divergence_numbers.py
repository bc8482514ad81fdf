"""The numbers that the divergence of neighbours publishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from orrery.analyses.api import Number
from orrery.analyses.neighbour_divergence_result import LEFT_OUT
from orrery.analyses.over_seeds import mean_number
from orrery.numerics.neighbour_divergence import VOID, WITHIN_END, WITHOUT_NEIGHBOURS
from orrery.numerics.resampling import interval
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    import xarray as xr

PER_STEP = "1/step"
LEAST = 10
"""Starts that a fifth of the range must hold to be compared."""


def publish(sources: Mapping[str, xr.Dataset], significance: float) -> list[Number]:
    """All numbers of all conditions.

    Args:
        sources: by condition, ``exponent(seed, draw)``, ``p(seed, draw)`` and the rest.
        significance: largest p that counts.
    """
    return [
        number for name, source in sources.items() for number in _of_condition(name, source, significance)
    ]


def _of_condition(name: str, source: xr.Dataset, significance: float) -> Iterator[Number]:
    exponent, p, slope = (source[key].values for key in ("exponent", "p", "slope"))
    used = np.isfinite(exponent)
    significant = used & (p <= significance)
    yield mean_number(
        f"exponent[{name}]",
        _means(exponent, used),
        "mean over starts of the slope in the window that a line fits best, mean over seeds; chosen after the fact",
        unit=PER_STEP,
    )
    yield mean_number(
        f"exponent-significant[{name}]",
        _means(exponent, significant),
        "the same over the starts whose slope is significant",
        unit=PER_STEP,
    )
    yield mean_number(
        f"slope[{name}]",
        _means(slope, used),
        "mean over starts of the slope over n = 1 to 10; no window is chosen",
        unit=PER_STEP,
    )
    yield mean_number(
        f"significant-share[{name}]",
        _means(significant.astype(float), used),
        f"share of the starts that are used with p <= {significance:g}, mean over seeds",
    )
    yield mean_number(
        f"positive-share[{name}]",
        _means((exponent > 0).astype(float), used),
        "share of the starts that are used with a positive exponent, mean over seeds",
    )
    if "exponent_apart" in source:
        yield from _apart(name, source, significance)
    dropped = source["dropped"].values
    for word, code, said in (
        ("near-end", WITHIN_END, "too near the end of the stretch"),
        ("without-neighbours", WITHOUT_NEIGHBOURS, "without neighbours"),
        ("void", VOID, "with a mean distance of zero"),
    ):
        yield Number(
            f"{word}[{name}]",
            float((dropped == code).sum()),
            n=dropped.size,
            description=f"starts dropped: {said}",
        )
    yield Number(
        f"left-out[{name}]",
        float((dropped == LEFT_OUT).any(axis=1).sum()),
        n=len(dropped),
        description="seeds whose metric is not within the bounds over the whole stretch",
    )
    yield mean_number(
        f"neighbours[{name}]",
        _means(source["neighbours"].values.astype(float), used),
        "mean number of neighbours of the starts that are used, mean over seeds",
    )
    yield from _edges(name, exponent[used], source["start_value"].values[used])


def _apart(name: str, source: xr.Dataset, significance: float) -> Iterator[Number]:
    """The same of neighbours that are farther away in time."""
    exponent = source["exponent_apart"].values
    used = np.isfinite(exponent)
    significant = used & (source["p_apart"].values <= significance)
    for word, values, said, unit in (
        ("exponent", exponent, "mean over starts of the slope in the window that a line fits best", PER_STEP),
        (
            "significant-share",
            significant.astype(float),
            f"share of the starts with p <= {significance:g}",
            "",
        ),
        ("positive-share", (exponent > 0).astype(float), "share of the starts with a positive exponent", ""),
    ):
        yield mean_number(
            f"{word}-apart[{name}]",
            _means(values, used),
            f"{said}, neighbours outside the second Theiler window, mean over seeds",
            unit=unit,
        )


def _means(values: Float[np.ndarray, "seed draw"], chosen: np.ndarray) -> Float[np.ndarray, " seed"]:
    """Mean of each seed over the chosen starts; NaN where there is none."""
    counts = chosen.sum(axis=1)
    sums = np.where(chosen, values, 0).sum(axis=1)
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def _edges(
    name: str, exponent: Float[np.ndarray, " used"], value: Float[np.ndarray, " used"]
) -> Iterator[Number]:
    """Exponents in the lowest and the highest fifth of the range of the metric less those in the middle fifth."""
    fifth = np.full(len(value), -1)
    if len(value) and np.ptp(value) > 0:
        fifth = np.minimum((5 * (value - value.min()) / np.ptp(value)).astype(int), 4)
    middle = exponent[fifth == 2]
    for word, place in (("low", 0), ("high", 4)):
        edge = exponent[fifth == place]
        enough = min(len(edge), len(middle)) >= LEAST
        generator = Streams().generator("probe", place, "edges")
        yield Number(
            f"{word}-edge-over-middle[{name}]",
            float(edge.mean() - middle.mean()) if enough else np.nan,
            interval(_resampled(edge, generator) - _resampled(middle, generator)) if enough else None,
            len(edge) + len(middle),
            unit=PER_STEP,
            description=f"mean exponent of the starts in the {word}est fifth of the range less that in the middle "
            "fifth; n and interval are over starts",
        )


def _resampled(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.array([values[generator.integers(0, len(values), len(values))].mean() for _ in range(1000)])
