"""Autocorrelation of the metric of one condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from orrery.analyses.metric_series import metric_series
from orrery.config.errors import OrreryError
from orrery.numerics.autocorrelation import autocorrelation, shuffle_band
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.autocorrelation import Settings
    from orrery.trajectory.trajectory import Trajectory

NAME = "autocorrelation"


def autocorrelation_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """See :func:`orrery.analyses.autocorrelation.analyse`."""
    series = metric_series(source, settings, NAME)
    points = len(series.steps)
    if points <= settings.lags:
        raise OrreryError(
            f"{NAME}: the stretch has {points} steps, and lags reach to {settings.lags}; read a longer stretch "
            "(steps), or write fewer lags"
        )
    bands = np.full((len(series.seeds), settings.lags + 1, 2), np.nan)
    taken = np.where(series.within[:, None], series.values, np.nan)
    for row, (seed, values) in enumerate(zip(series.seeds, taken, strict=True)):
        generator = Streams().generator("probe", int(seed), NAME, settings.metric, points)
        bands[row] = shuffle_band(values, settings.lags, settings.shuffles, generator)
    return xr.Dataset(
        {
            "acf": (("seed", "lag"), autocorrelation(taken, settings.lags)),
            "low": (("seed", "lag"), bands[:, :, 0]),
            "high": (("seed", "lag"), bands[:, :, 1]),
            "within": (("seed",), series.within),
            "mean": (("seed",), series.values.mean(axis=1)),
            "deviation": (("seed",), series.values.std(axis=1)),
        },
        coords={"seed": ("seed", series.seeds), "lag": ("lag", np.arange(settings.lags + 1))},
        attrs={"axes": dict(context.axes), "first_step": int(series.steps[0]), "points": points},
    )
