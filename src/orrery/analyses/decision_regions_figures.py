"""Figures of decision regions: right points around samples; mixing along rays and connected pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.class_marks import class_handles, scatter_classes
from orrery.figures import style
from orrery.figures.grids import panel_grid

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

PAIRS = ((0, 1), (0, 2), (1, 2))
"""Two-dimensional views of three components; a space drawn in perspective could not be read off."""
CURVES = {
    "changes": "changes of the decision up to s",
    "entropy": "entropy of the classes reached at s (bit)",
}
PAIRS_OF = {"connected": "by a straight line", "joined": "by a chain of lines"}
MOST = 4
"""Conditions whose points are drawn."""


def draw(sources: Mapping[str, xr.Dataset]) -> list[Figure]:
    """All figures; sources by condition, with ``changes(seed, amplitude)`` and the others."""
    shown = list(sources.items())[:MOST]
    points = [
        _points(name, source, "" if len(shown) == 1 else f"-{place + 1}")
        for place, (name, source) in enumerate(shown)
    ]
    return [*points, _regions(sources)]


def _points(name: str, source: xr.Dataset, suffix: str) -> Figure:
    scores, labels = source["point"].values, source["point_class"].values
    at, shares = source["point_amplitude"].values, source["variance_share"].values
    figure, axes = panel_grid(len(PAIRS), 60, horizontal="", vertical="")
    classes = sorted(set(labels.tolist()))
    largest = max(float(at.max(initial=0)), 1e-300)
    alpha = 0.8 - 0.6 * at / largest
    tips = at == 0
    for ax, (across, up) in zip(axes, PAIRS, strict=True):
        both = scores[:, [across, up]]
        scatter_classes(ax, both[~tips], labels[~tips], size=3.0, alpha=alpha[~tips])
        ax.scatter(
            both[tips, 0],
            both[tips, 1],
            s=16,
            facecolors="none",
            edgecolors=style.INK,
            linewidths=0.8,
            zorder=3,
        )
        ax.set_xlabel(f"component {across + 1} ({shares[across]:.0%})")
        ax.set_ylabel(f"component {up + 1} ({shares[up]:.0%})")
    figure.legend(handles=class_handles(classes), loc="outside lower center", ncols=6)
    caption = (
        f"{name}, first seed, step {source.attrs['step']}: noisy inputs x + s xi that are still given the class of "
        f"their sample x, up to s = {largest:.3g}, in the leading principal components of these points, in units of "
        "the inputs; percentages are shares of their variance. Circles: the samples without noise; fainter points have "
        f"more noise. {len(at)} points around {int(tips.sum())} samples."
    )
    table = pd.DataFrame(
        {
            "class": labels,
            "sample": source["point_sample"].values,
            "amplitude": at,
            **{f"component {number + 1}": scores[:, number] for number in range(scores.shape[1])},
        }
    )
    return Figure(f"points{suffix}", f"Right points around samples ({name})", caption, figure, table)


def _regions(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure = style.figure("double", 62)
    axes = figure.subplots(1, 3)
    tables = []
    for number, (name, source) in enumerate(sources.items()):
        look, at = style.mark(number), source["amplitude"].values[1:]
        for ax, kind in zip(axes, CURVES, strict=False):
            values = source[kind].values[:, 1:]
            values = values[np.isfinite(values).all(axis=1)]
            if len(values):
                low, high = values.min(axis=0), values.max(axis=0)
                ax.fill_between(at, low, high, color=look.colour, alpha=0.2, linewidth=0)
                ax.plot(at, values.mean(axis=0), color=look.colour, linestyle=look.dashes, label=name)
            tables += [_table(name, kind, at, one) for one in values]
        tables += _pairs(axes[2], name, source, number, len(sources))
    for ax, words in zip(axes, CURVES.values(), strict=False):
        ax.set(xscale="log", xlabel="amplitude s (units of the inputs)", ylabel=words)
        ax.set_ylim(bottom=0)
    axes[2].set(ylim=(0, 1.04), xlabel="class", ylabel="share of pairs connected")
    axes[2].legend(loc="lower left", fontsize=style.text_size(6))
    if len(sources) > 1:
        axes[0].legend(loc="upper left", fontsize=style.text_size(6))
    first = next(iter(sources.values())).attrs
    caption = (
        f"Left and middle: along {first['rays']} rays x + s xi from each sample that is classified right, xi normal "
        "with deviation 1 per component, how often the decision has changed on the way, and the entropy of the classes "
        "that the rays of a sample have reached. Lines: means over seeds; bands: least and largest of them; changes "
        "between two neighbouring amplitudes are not seen. Right: of the pairs of training samples of one class, both "
        f"classified right, up to {first['pairs']} for each class, the share whose straight line stays in the region "
        f"of the class at {first['points']} points between them (filled, mean over seeds; bars: least and largest), "
        "and the share joined by a chain of such lines (open). Other paths may join more, so both bound connectedness "
        "from below."
    )
    data = pd.concat(tables, ignore_index=True)
    return Figure("regions", "Mixing along rays and connected pairs", caption, figure, data)


def _pairs(ax: Axes, name: str, source: xr.Dataset, number: int, among: int) -> list[pd.DataFrame]:
    """Shares of connected pairs of each class, one condition beside the other."""
    look, tables = style.mark(number), []
    for kind, words in PAIRS_OF.items():
        values = source[kind].values
        values = values[np.isfinite(values).any(axis=1)]
        if not len(values):
            continue
        known = np.isfinite(values)
        low = np.where(known, values, np.inf).min(axis=0)
        high = np.where(known, values, -np.inf).max(axis=0)
        mean = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        classes = np.arange(values.shape[1])
        has = known.any(axis=0)
        at = classes + 0.5 * ((number + 0.5) / among - 0.5) + (0.12 if kind == "joined" else -0.12) / among
        ax.vlines(at[has], low[has], high[has], color=look.colour, linewidth=style.line(0.8))
        ax.plot(
            at[has],
            mean[has],
            linestyle="none",
            marker=look.marker,
            markersize=3,
            markeredgewidth=0.7,
            markerfacecolor=look.colour if kind == "connected" else "none",
            markeredgecolor=look.colour,
            label=words if number == 0 else None,
        )
        ax.set_xticks(classes)
        tables += [_table(name, kind, classes, one) for one in values]
    return tables


def _table(name: str, quantity: str, at: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"condition": name, "quantity": quantity, "at": at, "value": values})
