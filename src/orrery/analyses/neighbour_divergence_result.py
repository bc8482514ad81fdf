"""Exponents of starts in the metric of one condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from jaxtyping import Int

from orrery.analyses.metric_series import metric_series
from orrery.config.errors import OrreryError
from orrery.numerics.line_fits import lines
from orrery.numerics.neighbour_divergence import SIGNIFICANCE_RANGE, Divergence, neighbour_divergence
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.neighbour_divergence import Settings
    from orrery.trajectory.trajectory import Trajectory

NAME = "neighbour-divergence"
LEFT_OUT = 4
"""Why a start was dropped, beside the reasons of the numerics: the series of its seed is not within the bounds."""
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
    found = _with_window(source, settings, context)
    if settings.apart is None:
        return found
    other = _with_window(source, settings.model_copy(update={"theiler": settings.apart}), context)
    return found.assign(exponent_apart=other["exponent"], p_apart=other["p"])


def _with_window(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """All of it with the neighbours of one Theiler window."""
    series = metric_series(source, settings, NAME)
    points = len(series.steps)
    if points < settings.starts:
        raise OrreryError(
            f"{NAME}: the stretch has {points} steps, and {settings.starts} distinct starts are drawn from it; write "
            "fewer starts, or read a longer stretch (steps)"
        )
    found = []
    for seed, values, within in zip(series.seeds, series.values, series.within, strict=True):
        generator = Streams().generator("probe", int(seed), NAME, settings.metric, points)
        starts = generator.choice(points, settings.starts, replace=False)
        if not within:
            found.append(_left_out(starts, settings.horizon))
            continue
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


def _left_out(starts: Int[np.ndarray, " start"], horizon: int) -> Divergence:
    """What stands for a series that is not followed."""
    count = len(starts)
    nothing, none = np.full(count, np.nan), np.zeros(count, dtype=np.int64)
    return Divergence(
        start=np.sort(starts),
        value=nothing,
        dropped=none + LEFT_OUT,
        neighbours=none,
        distance=np.full((count, horizon), np.nan),
        exponent=nothing,
        r_squared=nothing,
        length=none,
        slope=nothing,
        p=nothing,
    )
