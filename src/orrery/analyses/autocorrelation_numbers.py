"""The numbers that an autocorrelation publishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_number

if TYPE_CHECKING:
    import xarray as xr

LAGS = 10
"""Lags that are published one by one."""


def publish(sources: Mapping[str, xr.Dataset]) -> list[Number]:
    """All numbers of all conditions.

    Args:
        sources: by condition, ``acf(seed, lag)``, ``low(seed, lag)`` and ``high(seed, lag)``.
    """
    return [number for name, source in sources.items() for number in _of_condition(name, source)]


def _of_condition(name: str, source: xr.Dataset) -> Iterator[Number]:
    acf, low, high = (source[key].values for key in ("acf", "low", "high"))
    defined = np.isfinite(acf).all(axis=1)
    acf, low, high = acf[defined], low[defined], high[defined]
    outside = (acf < low) | (acf > high)
    for lag in range(1, min(LAGS, acf.shape[1] - 1) + 1):
        at = f"[{name},lag={lag}]"
        yield mean_number(f"acf{at}", acf[:, lag], f"autocorrelation at lag {lag}, mean over seeds")
        yield mean_number(f"band-low{at}", low[:, lag], "2.5 % of shuffled series lie lower, mean over seeds")
        yield mean_number(
            f"band-high{at}", high[:, lag], "2.5 % of shuffled series lie higher, mean over seeds"
        )
        yield mean_number(
            f"outside{at}", outside[:, lag].astype(float), f"share of seeds outside the band at lag {lag}"
        )
    yield mean_number(
        f"outside[{name}]",
        outside[:, 1:].mean(axis=1),
        f"share of the lags 1 to {acf.shape[1] - 1} outside the band of shuffled series, mean over seeds",
        floor=0.05,
    )
    yield Number(
        f"undefined[{name}]",
        float((~defined).sum()),
        n=len(defined),
        description="seeds whose series is constant, not finite or not within the bounds in the stretch",
    )
    yield Number(
        f"left-out[{name}]",
        float((~source["within"].values.astype(bool)).sum()),
        n=len(defined),
        description="of these, seeds whose metric is not within the bounds over the whole stretch",
    )
