"""Basins and accuracy along an axis of the grid: rank correlations, and where accuracy is best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from orrery.analyses.along_axes import axis_of, name_of_axis
from orrery.analyses.api import Number
from orrery.numerics.resampling import bootstrap_counts, interval, resampled_mean
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.basins import Settings

AXIS = "basins: axis"
DRAWS = 2000


@dataclass(frozen=True)
class Group:
    """Conditions that differ along the axis only, in its order.

    Attributes:
        label: values of the other axes, ``width=64``; empty where there is one group.
        names: conditions.
        places: on the axis.
    """

    label: str
    names: tuple[str, ...]
    places: Float[np.ndarray, " condition"]


def groups_of(sources: Mapping[str, xr.Dataset], settings: Settings) -> tuple[str, list[Group]]:
    """The axis, and the groups along it; results ``basin(seed, moment, noise, threshold)`` by condition.

    No group where there is no axis.

    Raises:
        OrreryError: the axis of the settings does not exist or has no numbers.
    """
    places = axis_of(sources, settings.axis, AXIS)
    if places is None:
        return "", []
    axis = name_of_axis(sources, settings.axis)
    every = {name: source.attrs.get("axes", {}) for name, source in sources.items()}
    others = [
        other
        for other in dict.fromkeys(key for one in every.values() for key in one)
        if other != axis and len({str(one.get(other)) for one in every.values()}) > 1
    ]
    found: dict[str, list[str]] = {}
    for name, one in every.items():
        label = ",".join(f"{other}={one[other]}" for other in others if other in one)
        found.setdefault(label, []).append(name)
    ordered = {label: sorted(names, key=lambda name: places[name]) for label, names in found.items()}
    return axis, [
        Group(label, tuple(names), np.array([places[name] for name in names]))
        for label, names in ordered.items()
    ]


def trend_numbers(sources: Mapping[str, xr.Dataset], settings: Settings) -> Iterator[Number]:
    """Spearman's correlation of the axis with the mean sizes, and the value of the axis with the best accuracy.

    Of each condition ``basin(seed, moment, noise, threshold)`` and ``test_accuracy(seed, moment)`` are read, at the
    last moment. Intervals resample the seeds, the same in all conditions.
    """
    axis, groups = groups_of(sources, settings)
    for group in groups:
        if len(group.names) < 3:
            continue
        of = f"{group.label}," if group.label else ""
        results = [sources[name] for name in group.names]
        for place, noise in enumerate(results[0].attrs["noise"]):
            for column, threshold in enumerate(results[0]["threshold"].values):
                sizes = [one["basin"].values[:, -1, place, column] for one in results]
                value, bounds, n = _correlation(group.places, sizes)
                yield Number(
                    f"trend[{of}{noise},{threshold:g}]",
                    value,
                    bounds,
                    n,
                    description=f"Spearman's correlation of {axis} and mean basin at {threshold:g}, noise on {noise}",
                )
        accuracies = [one["test_accuracy"].values[:, -1] for one in results]
        means = np.array([np.mean(one) for one in accuracies])
        best = _resampled(accuracies)
        yield Number(
            f"best[{group.label}]" if group.label else "best",
            float(group.places[int(means.argmax())]),
            interval(group.places[best.argmax(axis=1)]) if best is not None else None,
            min(len(one) for one in accuracies),
            description=f"{axis} with the highest mean test accuracy",
        )


def _resampled(values: list[np.ndarray]) -> np.ndarray | None:
    """Means of resampled seeds, ``(draw, condition)``; ``None`` where seeds are missing or there is but one."""
    counts = {len(one) for one in values}
    n = min(counts)
    if len(counts) > 1 or n < 2 or not all(np.isfinite(one).all() for one in values):
        return None
    drawn = bootstrap_counts(n, DRAWS, Streams().generator("probe", n, "bootstrap"))
    return np.stack([resampled_mean(one, drawn) for one in values], axis=1)


def _correlation(
    places: np.ndarray, values: list[np.ndarray]
) -> tuple[float, tuple[float, float] | None, int]:
    """Rank correlation of the means over the finite values; NaN where a condition has none or all are equal."""
    finite = [one[np.isfinite(one)] for one in values]
    n = min(len(one) for one in finite)
    if not n:
        return np.nan, None, 0
    means = np.array([one.mean() for one in finite])
    drawn = _resampled(values)
    bounds = None if drawn is None else interval(_spearman(places, drawn))
    return float(_spearman(places, means[None])[0]), bounds, n


def _spearman(places: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of each row with the places; equal values share their rank."""

    def ranks(values: np.ndarray) -> np.ndarray:
        above = values[:, :, None] > values[:, None, :]
        equal = values[:, :, None] == values[:, None, :]
        centred = above.sum(axis=2) + (equal.sum(axis=2) - 1) / 2
        return np.asarray(centred - centred.mean(axis=1, keepdims=True))

    one, other = ranks(places[None].astype(float)), ranks(rows)
    spread = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    products = (one * other).sum(axis=1)
    return np.divide(products, spread, out=np.full(len(rows), np.nan), where=spread > 0)
