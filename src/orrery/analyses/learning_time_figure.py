"""Times of learning along an axis of the grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.along_axes import axis_of, name_of_axis
from orrery.analyses.api import Figure
from orrery.analyses.learning_time_numbers import AXIS, median
from orrery.figures import style

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.learning_time import Settings


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    """Each ``time(seed)`` a ring, medians joined; below, the share of the seeds that learned."""
    places = axis_of(sources, settings.axis, AXIS)
    first = next(iter(sources.values()))
    label = "condition" if places is None else name_of_axis(sources, settings.axis)
    where = np.array(list(places.values())) if places else np.arange(len(sources), dtype=float)
    figure = style.figure(120.0, 96)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    look, rows = style.mark(0), []
    for place, (name, source) in zip(where, sources.items(), strict=True):
        values = source["time"].values
        upper.plot(
            np.full(len(values), place),
            values,
            linestyle="none",
            marker="o",
            markersize=3.5,
            markerfacecolor="none",
            markeredgecolor=look.colour,
            markeredgewidth=0.8,
        )
        for seed, value in zip(source["seed"].values, values, strict=True):
            rows.append({"condition": name, label: place, "seed": int(seed), "time": value})
    medians = np.array([median(source["time"].values) for source in sources.values()])
    order = np.argsort(where)
    # Conditions without an axis have no order that a line could follow.
    line = {"linestyle": "none"} if places is None else {"linewidth": style.line(1.0)}
    bar = {"marker": "_", "markersize": 14} if places is None else {}
    upper.plot(where[order], medians[order], color=look.colour, **line, **bar)
    shares = np.array([np.isfinite(source["time"].values).mean() for source in sources.values()])
    lower.plot(where[order], shares[order], color=look.colour, marker="o", markersize=3, **line)
    lower.set_ylim(-0.05, 1.05)
    words = settings.metric.replace("_", " ")
    sign = "≥" if settings.direction == "at-least" else "≤"
    upper.set_ylabel(f"steps to {words} {sign} {settings.threshold:g}")
    lower.set_ylabel("share that learned")
    lower.set_xlabel(label.replace("_", " "))
    if places is None:
        lower.set_xticks(where, list(sources), rotation=30, ha="right")
    elif (where > 0).all() and where.max() / where.min() >= 30:
        lower.set_xscale("log")
    if np.isfinite(medians).any() and np.nanmax(medians) > 30 * max(np.nanmin(medians), 1):
        upper.set_yscale("log")
    if not np.isfinite(medians).any() and not shares.any():
        upper.set_ylim(0, first.attrs["last"])
    caption = (
        f"First step at which {words} is {settings.threshold:g} or {'more' if sign == '≥' else 'less'}: "
        f"rings are seeds, {'bars are' if places is None else 'the line joins'} medians over seeds (those that did not "
        "learn within "
        f"{first.attrs['last']} steps count as infinitely slow). Below: the share of the seeds that learned."
    )
    return Figure("time", f"Steps until {words} is learned", caption, figure, pd.DataFrame(rows))
