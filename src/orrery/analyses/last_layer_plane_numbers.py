"""Numbers of the plane of the last layer: what it holds, how classes separate there, and who lies elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from orrery.analyses.over_seeds import mean_number, mean_over_seeds

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.api import Number

PARTS = {"train": "training samples", "test": "test samples"}
STATISTICS = {"running": "running statistics", "batch": "statistics of the samples"}


def publish(sources: Mapping[str, xr.Dataset]) -> list[Number]:
    """Of every condition ``share(seed, moment)`` and the others, moment by moment."""
    return [
        number
        for name, source in sources.items()
        for place, step in enumerate(source["moment_step"].values)
        for number in _of_moment(name, source.isel(moment=place), f"step={step}")
    ]


def _of_moment(name: str, source: xr.Dataset, at: str) -> Iterator[Number]:
    words = f"at {at.replace('=', ' ')}, mean over seeds"
    parts, statistics = source.attrs["parts"], source.attrs["statistics"]
    yield mean_number(
        f"share-of-weights[{name},{at}]",
        source["share"].values,
        f"share of the squared weights of the last layer that two singular vectors hold, {words}",
    )
    for row, part in enumerate(parts):
        for column, statistic in enumerate(statistics):
            of = f"[{name},{part},{statistic},{at}]"
            seen = f"{PARTS[part]}, {STATISTICS[statistic]}, {words}"
            yield mean_number(
                f"accuracy{of}", source["accuracy"].values[:, row, column], f"accuracy of the network, {seen}"
            )
            yield mean_number(
                f"separation{of}",
                source["separation"].values[:, row, column],
                f"accuracy of the nearest class mean of training samples in the plane, {seen}",
            )
        if "shift" in source:
            of, seen = f"[{name},{part},{at}]", f"{PARTS[part]}, {words}"
            yield mean_number(
                f"shift{of}",
                source["shift"].values[:, row],
                f"distance between positions by running and by batch statistics over the spread of the latter, {seen}",
            )
            yield mean_number(
                f"in-place{of}",
                source["in_place"].values[:, row],
                "share that by running statistics are nearest to the mean that training samples of their class have "
                f"by batch statistics, {seen}",
            )
    for column, statistic in enumerate(statistics if "offset" in source else ()):
        yield mean_number(
            f"offset[{name},{statistic},{at}]",
            source["offset"].values[:, column],
            f"distance of the class means of test samples, by {STATISTICS[statistic]}, from those of training samples "
            f"as training sees them, over the spread of the latter, {words}; floor: that of chance",
            floor=_finite(mean_over_seeds(source["offset_floor"].values[:, column])[0]),
        )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
