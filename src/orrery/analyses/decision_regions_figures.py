"""Figures of decision regions: right points around samples, mixing along rays, connected pairs of each class."""

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

PAIRS = ((0, 1), (0, 2), (1, 2))
"""Two-dimensional views of three components; a space drawn in perspective could not be read off."""
MOST = 4
"""Conditions whose points are drawn."""


def draw(sources: Mapping[str, xr.Dataset]) -> list[Figure]:
    """All figures; sources by condition, with ``changes(seed, amplitude)`` and the others."""
    shown = list(sources.items())[:MOST]
    points = [
        _points(name, source, "" if len(shown) == 1 else f"-{place + 1}")
        for place, (name, source) in enumerate(shown)
    ]
    return [*points, _mixing(sources), _lines(sources)]


def _points(name: str, source: xr.Dataset, suffix: str) -> Figure:
    scores, labels = source["point"].values, source["point_class"].values
    at, shares = source["point_amplitude"].values, source["variance_share"].values
    figure, axes = panel_grid(len(PAIRS), 60, horizontal="", vertical="")
    classes = sorted(set(labels.tolist()))
    largest = max(float(at.max(initial=0)), 1e-300)
    # The fainter, the farther: on the scale of the amplitudes, of which the largest is all that has to be seen.
    alpha = np.clip(0.75 - 0.55 * at / largest, 0.2, 0.75)
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


def _mixing(sources: Mapping[str, xr.Dataset]) -> Figure:
    names = {
        "right": "share of rays in the\nclass of their sample",
        "changes": "changes of the decision\nup to s",
        "entropy": "entropy of the classes\nreached at s (bit)",
    }
    figure = style.figure("double", 62)
    axes = figure.subplots(1, len(names))
    tables = []
    for number, (name, source) in enumerate(sources.items()):
        look, at = style.mark(number), source["amplitude"].values[1:]
        for ax, kind in zip(axes, names, strict=True):
            values = source[kind].values[:, 1:]
            values = values[np.isfinite(values).all(axis=1)]
            if not len(values):
                continue
            ax.fill_between(
                at, values.min(axis=0), values.max(axis=0), color=look.colour, alpha=0.2, linewidth=0
            )
            ax.plot(at, values.mean(axis=0), color=look.colour, linestyle=look.dashes, label=name)
            tables += [
                pd.DataFrame({"condition": name, "quantity": kind, "amplitude": at, "value": one})
                for one in values
            ]
    for ax, (kind, words) in zip(axes, names.items(), strict=True):
        ax.set(xscale="log", xlabel="amplitude s (units of the inputs)", ylabel=words)
        ax.set_ylim(0, 1.02) if kind == "right" else ax.set_ylim(bottom=0)
    if len(sources) > 1:
        axes[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    first = next(iter(sources.values()))
    caption = (
        f"Along {first.attrs['rays']} rays x + s xi from each sample that is classified right, xi normal with "
        "deviation 1 per component: how many rays are still in the class of their sample, how often the decision has "
        "changed on the way, and the entropy of the classes that the rays of a sample have reached. Lines: means over "
        "seeds; bands: least and largest of them. Changes between two neighbouring amplitudes are not seen."
    )
    return Figure("mixing", "Decisions along rays", caption, figure, _all(tables))


def _lines(sources: Mapping[str, xr.Dataset]) -> Figure:
    names = {"connected": "by a straight line", "joined": "by a chain of lines"}
    figure, axes = panel_grid(len(sources), 56, horizontal="class", vertical="share of pairs", sharey=True)
    tables = []
    for ax, (name, source) in zip(axes, sources.items(), strict=True):
        for number, (kind, words) in enumerate(names.items()):
            look, values = style.mark(number), source[kind].values
            classes = np.arange(values.shape[1])
            for column in classes:
                own = values[np.isfinite(values[:, column]), column]
                ax.plot(
                    np.full(len(own), column) + 0.15 * (2 * number - 1),
                    own,
                    linestyle="none",
                    marker=".",
                    markersize=2,
                    color=look.colour,
                    alpha=0.5,
                )
                ax.plot(
                    column + 0.15 * (2 * number - 1),
                    own.mean() if len(own) else np.nan,
                    linestyle="none",
                    marker=look.marker,
                    markersize=3.5,
                    color=look.colour,
                    label=words if column == 0 else None,
                )
            tables += [
                pd.DataFrame({"condition": name, "joined": words, "class": classes, "share": one})
                for one in values
            ]
        ax.set_ylim(0, 1.04)
        ax.set_xticks(classes)
        ax.set_title(name)
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    first = next(iter(sources.values()))
    caption = (
        "Pairs of training samples of one class, both classified right, up to "
        f"{first.attrs['pairs']} for each class: the share whose straight line stays in the region of the class, at "
        f"{first.attrs['points']} points between them, and the share joined by a chain of such lines. Large marks: "
        "means over seeds; small ones: seeds. Other paths may join more, so both bound connectedness from below."
    )
    return Figure("lines", "Pairs of samples connected within their class", caption, figure, _all(tables))


def _all(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"condition": []})
