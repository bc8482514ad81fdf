"""Paths in principal components beside those of random walks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.figures import panels, style

if TYPE_CHECKING:
    import xarray as xr


def draw(sources: Mapping[str, xr.Dataset]) -> list[Figure]:
    """Paths of all seeds in their first two components, and shares of variance.

    Args:
        sources: by condition, what :func:`orrery.analyses.principal_components.analyse` gives.
    """
    return [_paths(sources), _shares(sources)]


def _paths(sources: Mapping[str, xr.Dataset]) -> Figure:
    names = list(sources)
    figure = style.figure("double", 92)
    axes = figure.subplots(2, len(names), squeeze=False)
    rows = []
    for column, name in enumerate(names):
        source = sources[name]
        for row, (variable, label) in enumerate((("score", name), ("null_score", "random walk"))):
            scores = source[variable].values
            # Every seed has its own basis and size: each path is scaled to its own spread in the first component.
            scaled = scores / np.abs(scores[:, :, :1]).max(axis=1, keepdims=True)
            panels.paths(axes[row, column], scaled[:, :, 0], scaled[:, :, 1], label, index=column)
            axes[row, column].set_title(
                label if row == 0 else f"random walk, {source.attrs['entries']} entries",
                fontsize=style.text_size(7),
            )
            axes[row, column].set_xlabel("component 1")
            axes[row, column].set_ylabel("component 2")
            for seed, path in zip(source["seed"].values, scores, strict=True):
                frame = pd.DataFrame(
                    {"step": source["drawn_step"].values, "first": path[:, 0], "second": path[:, 1]}
                )
                frame.insert(0, "seed", int(seed))
                frame.insert(0, "of", label)
                frame.insert(0, "condition", name)
                rows.append(frame)
    caption = (
        "Top: trajectories of the original run of every seed in their own first two principal components "
        "(centred), each scaled by its largest first score; rings are starts, dots are ends. Bottom: Gaussian "
        "random walks with as many steps and entries, one per seed: their components are close to cosines, so "
        "that an arc alone shows nothing."
    )
    return Figure(
        "paths", "Trajectories in principal components", caption, figure, pd.concat(rows, ignore_index=True)
    )


def _shares(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure = style.figure("single", 62)
    ax = figure.subplots()
    rows = []
    for index, (name, source) in enumerate(sources.items()):
        look = style.mark(index)
        component = source["component"].values + 1
        for variable, dashes, suffix in (("fraction", "-", ""), ("null_fraction", ":", ", random walk")):
            values = source[variable].values
            values = values[np.isfinite(values).all(axis=1)]
            mean = values.mean(axis=0)
            ax.semilogy(
                component,
                mean,
                color=look.colour,
                linestyle=dashes,
                marker=look.marker,
                label=name if not suffix else None,
            )
            ax.fill_between(
                component, values.min(axis=0), values.max(axis=0), color=look.colour, alpha=0.2, linewidth=0
            )
            rows.append(
                pd.DataFrame(
                    {
                        "condition": name,
                        "of": suffix.strip(", ") or "trajectory",
                        "component": component,
                        "mean": mean,
                        "least": values.min(axis=0),
                        "largest": values.max(axis=0),
                    }
                )
            )
    ax.plot([], [], color=style.MUTED, linestyle=":", label="random walks")
    ax.set_xlabel("principal component")
    ax.set_ylabel("share of variance")
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    caption = (
        "Share of the variance of each principal component, mean over seeds; bands reach from the least to the "
        "largest seed. Dotted: random walks with as many steps and entries."
    )
    return Figure(
        "shares", "Variance by principal component", caption, figure, pd.concat(rows, ignore_index=True)
    )
