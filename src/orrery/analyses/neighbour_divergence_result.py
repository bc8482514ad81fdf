"""Exponents of starts in the metric of one condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from orrery.analyses.metric_series import metric_series
from orrery.config.errors import OrreryError
from orrery.numerics.line_fits import lines
from orrery.numerics.neighbour_divergence import SIGNIFICANCE_RANGE, neighbour_divergence
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.neighbour_divergence import Settings
    from orrery.trajectory.trajectory import Trajectory

NAME = "neighbour-divergence"
OF_START = {
    "exponent": "exponent",
    "p": "p",
    "slope": "slope",
    "r_squared": "r_squared",
    "length": "length",
    "start_value": "value",
    "neighbours": "neighbours",
    "dropped": "dropped",
}


def divergence_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """See :func:`orrery.analyses.neighbour_divergence.analyse`."""
    series = metric_series(source, settings.metric, settings.seeds, settings.of, NAME)
    points = len(series.steps)
    if points < settings.starts:
        raise OrreryError(
            f"{NAME}: the stretch has {points} steps, and {settings.starts} distinct starts are drawn from it; write "
            "fewer starts, or read a longer stretch (steps)"
        )
    found = []
    for seed, values in zip(series.seeds, series.values, strict=True):
        generator = Streams().generator("probe", int(seed), NAME, settings.metric, points)
        starts = generator.choice(points, settings.starts, replace=False)
        try:
            found.append(
                neighbour_divergence(
                    values, starts, settings.radius, theiler=settings.theiler, horizon=settings.horizon
                )
            )
        except OrreryError as error:
            raise OrreryError(f"{NAME}: seed {seed}, metric '{settings.metric}': {error}") from error
    shape = (len(found), settings.starts)
    variables = {
        name: (("seed", "draw"), np.array([getattr(one, key) for one in found]).reshape(shape))
        for name, key in OF_START.items()
    }
    steps = np.array([series.steps[one.start] for one in found], dtype=int).reshape(shape)
    logarithm = np.full((len(found), settings.horizon), np.nan)
    for row, one in enumerate(found):
        if (one.dropped == 0).any():
            logarithm[row] = np.log(one.distance[one.dropped == 0]).mean(axis=0)
    first, last = SIGNIFICANCE_RANGE
    return xr.Dataset(
        {
            **variables,
            "start_step": (("seed", "draw"), steps),
            "logarithm": (("seed", "ahead"), logarithm),
            "mean_slope": (("seed",), lines(logarithm[:, first : last + 1]).slope),
        },
        coords={"seed": ("seed", series.seeds)},
        attrs={"axes": dict(context.axes), "first_step": int(series.steps[0]), "points": points},
    )
