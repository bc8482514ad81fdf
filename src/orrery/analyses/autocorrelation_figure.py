"""The figure of an autocorrelation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.runs import evenly
from orrery.config.errors import OrreryError
from orrery.figures import style
from orrery.figures.grids import panel_grid

if TYPE_CHECKING:
    import xarray as xr

MOST_PANELS = 6


def draw(sources: Mapping[str, xr.Dataset], metric: str) -> Figure:
    """Autocorrelation of all seeds of each condition with the shuffle bands.

    Args:
        sources: by condition, ``acf(seed, lag)``, ``low(seed, lag)`` and ``high(seed, lag)``.
        metric: what the series is.

    Raises:
        OrreryError: there is no condition.
    """
    if not sources:
        raise OrreryError("autocorrelation: no condition was analysed; widen its patterns of conditions")
    every = list(sources)
    names = [every[place] for place in evenly(len(every), MOST_PANELS)]
    figure, axes = panel_grid(
        len(names), 56, horizontal="lag (steps)", vertical="autocorrelation", sharey=True
    )
    tables = []
    for ax, name in zip(axes, names, strict=True):
        source = sources[name]
        defined = np.isfinite(source["acf"].values).all(axis=1)
        lags = source["lag"].values
        look = style.mark(0)
        ax.axhline(0, color=style.GRID, linewidth=style.line(0.6), zorder=0)
        for row, place in enumerate(np.flatnonzero(defined).tolist()):
            acf, low, high = (source[key].values[place] for key in ("acf", "low", "high"))
            ax.fill_between(
                lags[1:],
                low[1:],
                high[1:],
                color=style.MUTED,
                alpha=0.3,
                linewidth=0,
                label="95 % of shuffled series" if row == 0 else None,
            )
            ax.plot(
                lags[1:],
                acf[1:],
                color=look.colour,
                marker=look.marker,
                markersize=2.2,
                linewidth=style.line(0.7),
                alpha=0.6,
                label=metric.replace("_", " ") if row == 0 else None,
            )
            table = pd.DataFrame({"lag": lags, "acf": acf, "low": low, "high": high})
            table.insert(0, "seed", int(source["seed"].values[place]))
            table.insert(0, "condition", name)
            tables.append(table)
        ax.set_title(name, fontsize=style.text_size(7))
    if tables:
        axes[0].legend(fontsize=style.text_size(6))
    told = (
        f" Shown are {len(names)} of {len(every)} conditions, evenly spaced."
        if len(names) < len(every)
        else ""
    )
    stretches = sorted({(source.attrs["first_step"], source.attrs["points"]) for source in sources.values()})
    words = ", ".join(f"{points} steps from step {first}" for first, points in stretches)
    caption = (
        f"Autocorrelation of {metric.replace('_', ' ')} over {words}, one line per seed. Grey: for each lag alone, the "
        f"band that 95 % of the series with the same values in random order stay in.{told}"
    )
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"condition": [], "lag": []})
    return Figure("autocorrelation", f"Autocorrelation of {metric.replace('_', ' ')}", caption, figure, data)
