"""Figures of the fragility: distances against pattern counts, and how many decisions a change of some size flips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.feature_space_figures import rounded
from orrery.analyses.fragility_numbers import correlation, groups_of, pooled
from orrery.analyses.runs import evenly
from orrery.figures import style
from orrery.figures.grids import panel_grid

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.fragility import Settings


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Both figures.

    Args:
        sources: by condition, with ``distance(seed, moment, sample)`` and all else that the analysis gives.
        settings: of the analysis.
    """
    return [_against_counts(sources, settings), _flipped(sources, settings)]


def _against_counts(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    groups = groups_of(sources, settings)
    figure, axes = panel_grid(
        len(groups), 66, horizontal="distinct patterns", vertical="median flipping distance"
    )
    tables, lost = [], 0
    for ax, (label, names) in zip(axes, groups.items(), strict=True):
        of = pooled({name: sources[name] for name in names}, settings.layer - 1)
        finite = of.median[np.isfinite(of.median)]
        top = 1.6 * (float(finite.max()) if len(finite) else 1.0)
        for index, name in enumerate(names):
            mine = np.array([one == name for one in of.condition], dtype=bool)
            look = style.mark(index)
            beyond = mine & np.isinf(of.median)
            lost += int(beyond.sum())
            for chosen, at, filled in (
                (mine & ~beyond, of.median, True),
                (beyond, np.full(len(mine), top), False),
            ):
                ax.plot(
                    of.patterns[chosen],
                    at[chosen],
                    linestyle="none",
                    marker=look.marker,
                    markersize=3.2,
                    color=look.colour,
                    markerfacecolor=look.colour if filled else "none",
                    alpha=0.8,
                    label=name if filled else None,
                )
            tables.append(
                pd.DataFrame(
                    {
                        "group": label,
                        "condition": name,
                        "seed": of.seed[mine],
                        "patterns": of.patterns[mine],
                        "median_distance": rounded(of.median[mine]),
                    }
                )
            )
        ax.set_yscale("log")
        value = correlation(of)[0]
        ax.set_title(f"{label}: rho = {value:.2f}" if np.isfinite(value) else f"{label}: no rho")
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.24), fontsize=style.text_size(6))
    above = (
        f" {lost} of them, open at the upper rim, have more than half of their samples censored."
        if lost
        else ""
    )
    caption = (
        f"Each mark is one run at the last step: the median over its correctly classified training samples of the "
        f"smallest change that flips the decision ({_what(sources)}), against the number of distinct activation "
        f"patterns of hidden layer {settings.layer}.{above} rho: Spearman's correlation over the runs of a panel."
    )
    data = pd.concat(tables, ignore_index=True)
    return Figure("distances", "Fragility against the feature space", caption, figure, data)


def _flipped(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    groups = groups_of(sources, settings)
    figure, axes = panel_grid(
        len(groups), 60, horizontal="size of the change", vertical="share of decisions flipped", sharey=True
    )
    tables = []
    for ax, (label, names) in zip(axes, groups.items(), strict=True):
        for index, name in enumerate(names):
            source = sources[name]
            distance = source["distance"].values[:, -1].ravel()
            distance = np.sort(distance[~np.isnan(distance)])
            # Censored ones stay in the denominator and out of the curve.
            share = np.arange(1, len(distance) + 1) / max(1, len(distance))
            shown = np.isfinite(distance)
            look = style.mark(index)
            x, y = distance[shown], share[shown]
            ends = (np.r_[x, source.attrs["largest"]], np.r_[y, y[-1:] if len(y) else 0.0])
            ax.plot(*ends, drawstyle="steps-post", color=look.colour, linestyle=look.dashes, label=name)
            kept = evenly(len(x), 400)
            tables.append(
                pd.DataFrame(
                    {"group": label, "condition": name, "size": rounded(x[kept]), "share": rounded(y[kept])}
                )
            )
        ax.set(xscale="log", ylim=(0, 1.02), title=label)
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.26), fontsize=style.text_size(6))
    caption = (
        "Share of the training samples classified correctly whose decision a change of at most that size flips "
        f"({_what(sources)}), at the last step, samples of all seeds together. What no change flips is counted and "
        "never reached by the line."
    )
    return Figure(
        "flipped", "Decisions flipped by small changes", caption, figure, pd.concat(tables, ignore_index=True)
    )


def _what(sources: Mapping[str, xr.Dataset]) -> str:
    features = {source.attrs["features"] for source in sources.values()}
    kinds = ["distance to the nearest input of another class"] if 1 in features else []
    kinds += ["smallest eps of the one-step attack x + eps sign(grad l)"] if features - {1} else []
    return "; ".join(kinds)
