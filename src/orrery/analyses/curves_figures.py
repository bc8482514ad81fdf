"""Figures of learning curves: all runs, the median, the 25-75 % band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.curves import QUARTILES, curve, diverged, metrics_of
from orrery.figures import style
from orrery.figures.panels import curves_of_runs

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.learning_curves import Settings
    from orrery.trajectory.trajectory import Trajectory

TOGETHER = 6
"""Up to so many conditions share a panel; beyond, each has its own."""


def draw(comparison: xr.Dataset, sources: Mapping[str, Trajectory], settings: Settings) -> list[Figure]:
    """One figure per metric."""
    return [_draw(metric, comparison, sources, settings) for metric in metrics_of(sources, settings.metrics)]


def _draw(
    metric: str, comparison: xr.Dataset, sources: Mapping[str, Trajectory], settings: Settings
) -> Figure:
    shown = {name: source for name, source in sources.items() if metric in source.metrics}
    together = len(shown) <= TOGETHER
    columns = 1 if together else 4
    rows = -(-(1 if together else len(shown)) // columns)
    legend_lines = -(-len(shown) // 2) if together else 0
    figure = style.figure(
        "single" if together else "double", (52 + 4.5 * legend_lines) if together else 12 + 33 * rows
    )
    axes = figure.subplots(rows, columns, squeeze=False, sharex=not together, sharey=not together).ravel()
    words = metric.replace("_", " ")
    for index, (name, source) in enumerate(shown.items()):
        ax = axes[0 if together else index]
        steps, values = curve(source, metric)
        curves_of_runs(ax, steps, values, name, index=index if together else 0, diverged=diverged(source))
        if not together:
            ax.set_title(ax.get_legend_handles_labels()[1][-1], fontsize=6.5, fontweight="normal")
    for ax in axes[: 1 if together else len(shown)]:
        if metric in settings.logarithmic:
            ax.set_yscale("log")
    for ax in axes[1 if together else len(shown) :]:
        ax.set_visible(False)
    figure.supxlabel("optimizer step", fontsize=7.5)
    figure.supylabel(words, fontsize=7.5)
    if together:
        axes[0].legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, columnspacing=1.0)
    lost, runs = int(comparison["diverged"].sum()), int(comparison["runs"].sum())
    caption = (
        f"{words.capitalize()} over the steps. Thin lines are the {runs} runs, copies included; thick lines the "
        f"median and bands the 25 to 75 % range over the runs that did not diverge. "
        f"{'No run' if lost == 0 else f'{lost} of {runs} runs'} diverged."
    )
    return Figure(metric.replace("_", "-"), words.capitalize(), caption, figure, _table(metric, comparison))


def _table(metric: str, comparison: xr.Dataset) -> pd.DataFrame:
    """Long table: condition, step, the quartiles."""
    quartiles = comparison[f"{metric}_quartile"].transpose("condition", f"{metric}_step", "quartile")
    steps = quartiles[f"{metric}_step"].values
    names = quartiles["condition"].values
    table = pd.DataFrame(
        quartiles.values.reshape(-1, len(QUARTILES)), columns=[f"quantile {level:g}" for level in QUARTILES]
    )
    table.insert(0, "condition", np.repeat(names, len(steps)))
    table.insert(1, "step", np.tile(steps, len(names)))
    return table.dropna()
