"""Figure of the running statistics of batch normalisation: how far from those of the samples, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.modes_figures import layer_legend, layer_looks, step_axis, table
from orrery.figures import style
from orrery.figures.grids import panel_grid

if TYPE_CHECKING:
    import xarray as xr


def draw_statistics(normalised: Mapping[str, xr.Dataset]) -> Figure:
    """``mean_gap(seed, moment, layer)`` against the step, one panel per condition; the other gap in the table."""
    figure, axes = panel_grid(
        len(normalised),
        50,
        horizontal="step",
        vertical="|running - batch| mean\nover batch deviation",
        sharey=True,
    )
    tables = []
    looks = layer_looks(normalised)
    for ax, (name, one) in zip(axes, normalised.items(), strict=True):
        steps = one["moment_step"].values
        means, deviations = one["mean_gap"].values, one["deviation_gap"].values
        for place, (colour, label) in enumerate(looks[: means.shape[2]]):
            ax.plot(steps, means[:, :, place].T, color=colour, linewidth=style.line(0.4), alpha=0.3)
            ax.plot(
                steps, means[:, :, place].mean(axis=0), color=colour, linewidth=style.line(1.2), label=label
            )
            for seed, mean, deviation in zip(
                one["seed"].values, means[:, :, place], deviations[:, :, place], strict=True
            ):
                tables.append(
                    table(
                        name,
                        {"layer": place + 1, "seed": seed},
                        {"step": steps, "mean_gap": mean, "deviation_gap": deviation},
                    )
                )
        step_axis(ax, steps)
        ax.set_ylim(bottom=0)
        ax.set_title(name)
    layer_legend(figure, axes, "layer")
    caption = (
        "Batch normalisation: distance of the running mean of a unit from its mean over the training samples, in "
        "standard deviations over these samples, mean over the units of a layer; each layer takes the statistics of "
        "its own fields, as in training. Thin lines are seeds, thick lines their means, one colour per hidden layer. "
        "At step 0 running means are 0 and running variances 1."
    )
    return Figure("statistics", "Running and batch statistics", caption, figure, pd.concat(tables))
