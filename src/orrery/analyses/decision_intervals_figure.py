"""How the line is divided along training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.figures import panels, style

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.decision_intervals import Settings


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    """Medians and quartiles over seeds of ``intervals(seed, moment)``; dotted lines are what the labels need.

    Args:
        sources: by condition, with ``intervals(seed, moment)`` and ``moment_step(moment)``.
        settings: of the analysis.
    """
    figure = style.figure(110.0, 70)
    ax = figure.subplots()
    tables = []
    for index, (name, source) in enumerate(sources.items()):
        steps, counts = source["moment_step"].values, source["intervals"].values
        lost = ~np.isfinite(counts).all(axis=1)
        panels.curves_of_runs(ax, steps + 1, counts, name, index=index, diverged=lost, thin=False)
        ax.axhline(
            source.attrs["needed"],
            color=style.mark(index).colour,
            linestyle=":",
            linewidth=style.line(0.8),
            zorder=1,
        )
        tables.append(
            pd.DataFrame(
                {
                    "condition": name,
                    "seed": np.repeat(source["seed"].values, len(steps)),
                    "step": np.tile(steps, len(counts)),
                    "intervals": counts.ravel(),
                }
            )
        )
    ax.set(xlabel="step + 1", ylabel="intervals of constant decision", xscale="log", ylim=(0, None))
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.22))
    one = next(iter(sources.values()))
    low, high = one.attrs["interval"]
    caption = (
        f"Intervals of constant decision among {one.attrs['points']} equally spaced inputs from {low:g} to {high:g} "
        "along training: lines are medians over seeds, bands reach from the 25th to the 75th percentile. Dotted: how "
        "many the labels of the training samples need. Diverged runs are left out."
    )
    return Figure(
        "intervals", "Intervals of constant decision", caption, figure, pd.concat(tables, ignore_index=True)
    )
