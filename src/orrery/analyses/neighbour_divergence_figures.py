"""Figures of the divergence of neighbours: P(Lambda), Lambda against the start, mean logarithm of distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.runs import evenly
from orrery.config.errors import OrreryError
from orrery.figures import style
from orrery.numerics.neighbour_divergence import SIGNIFICANCE_RANGE

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.neighbour_divergence import Settings

MOST_PANELS = 3
BINS = 40


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """All figures.

    Args:
        sources: by condition, ``exponent(seed, draw)``, ``p(seed, draw)`` and the rest.
        settings: of the analysis.

    Raises:
        OrreryError: there is no condition.
    """
    if not sources:
        raise OrreryError("neighbour-divergence: no condition was analysed; widen its patterns of conditions")
    return [_exponents(sources, settings), _distances(sources)]


def _exponents(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    """Above the distribution, below exponents against the value at the start; one column per condition."""
    every = list(sources)
    names = [every[place] for place in evenly(len(every), MOST_PANELS)]
    figure = style.figure("single" if len(names) == 1 else "double", 104)
    axes = figure.subplots(2, len(names), squeeze=False)
    words = settings.metric.replace("_", " ")
    tables = []
    for column, name in enumerate(names):
        source = sources[name]
        exponent, p, value = (source[key].values.ravel() for key in ("exponent", "p", "start_value"))
        used = np.isfinite(exponent)
        exponent, p, value = exponent[used], p[used], value[used]
        significant = p <= settings.significance
        look, other = style.mark(0), style.mark(1)
        upper, lower = axes[:, column]
        if len(exponent):
            edges = np.histogram_bin_edges(exponent, BINS)
            scale = len(exponent) * np.diff(edges)
            for values, label, colour, filled in (
                (exponent, "all starts", look.colour, False),
                (exponent[significant], "significant", other.colour, True),
            ):
                heights = np.histogram(values, edges)[0] / scale
                upper.stairs(
                    heights, edges, fill=filled, color=colour, alpha=0.5 if filled else 1, label=label
                )
        upper.axvline(0, color=style.GRID, linewidth=style.line(0.7), zorder=0)
        lower.axhline(0, color=style.GRID, linewidth=style.line(0.7), zorder=0)
        for chosen, mark in ((~significant, look), (significant, other)):
            lower.plot(
                value[chosen],
                exponent[chosen],
                linestyle="none",
                marker=mark.marker,
                markersize=1.8,
                markeredgewidth=0,
                color=mark.colour,
                alpha=0.6,
                rasterized=True,
            )
        upper.set_title(
            f"{name}: {int(significant.sum())} of {len(exponent)} significant", fontsize=style.text_size(7)
        )
        upper.set_xlabel("exponent Λ (1/step)")
        lower.set_xlabel(f"{words} at the start")
        table = pd.DataFrame({"start_value": value, "exponent": exponent, "p": p})
        table.insert(0, "condition", name)
        tables.append(table)
    axes[0, 0].set_ylabel("P(Λ)")
    axes[1, 0].set_ylabel("exponent Λ (1/step)")
    axes[0, 0].legend(fontsize=style.text_size(6))
    told = (
        f" Shown are {len(names)} of {len(every)} conditions, evenly spaced."
        if len(names) < len(every)
        else ""
    )
    caption = (
        f"Top: distribution over starts of the exponent Λ from the divergence of neighbours in {words} (closer than "
        f"{settings.radius:g}, Theiler window {settings.theiler}), all seeds together. Filled: starts whose slope over "
        f"n = 1 to 10 is significant (p ≤ {settings.significance:g}). Bottom: Λ against {words} at the start.{told}"
    )
    return Figure(
        "exponents",
        "Exponents from the divergence of neighbours",
        caption,
        figure,
        pd.concat(tables, ignore_index=True),
    )


def _distances(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure = style.figure("single", 68)
    ax = figure.subplots()
    first, last = SIGNIFICANCE_RANGE
    tables = []
    for index, (name, source) in enumerate(sources.items()):
        look = style.mark(index)
        logarithm = source["logarithm"].values
        ahead = np.arange(logarithm.shape[1])
        for row, curve in enumerate(logarithm):
            ax.plot(
                ahead,
                curve,
                color=look.colour,
                linestyle=look.dashes,
                marker=look.marker,
                markersize=2,
                linewidth=style.line(0.8),
                alpha=0.8,
                label=name if row == 0 else None,
            )
            table = pd.DataFrame({"ahead": ahead, "logarithm": curve})
            table.insert(0, "seed", int(source["seed"].values[row]))
            table.insert(0, "condition", name)
            tables.append(table)
    ax.axvspan(first, last, color=style.GRID, alpha=0.5, zorder=0, linewidth=0)
    ax.set_xlabel("steps after the start, n")
    ax.set_ylabel("mean of ln d")
    if tables:
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    caption = (
        "Mean over all starts that are used of the logarithm of the mean distance of their neighbours after n steps, "
        f"one line per seed. Grey: n = {first} to {last}, over which slopes are tested."
    )
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"condition": [], "ahead": []})
    return Figure("mean-divergence", "Mean divergence of neighbours", caption, figure, data)
