"""Figures of the plane of the last layer: training and test samples of the first seed, moment by moment."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.class_marks import class_handles, part_handle, scatter_classes
from orrery.config.errors import OrreryError
from orrery.figures import style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from orrery.analyses.last_layer_plane import Settings

ROWS = {"batch": "statistics of the samples", "running": "running statistics"}
PARTS = {"train": "training samples", "test": "test samples"}


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """A figure for each condition drawn, of ``train_position(moment, statistic, train_sample, axis)`` and so on.

    Args:
        sources: by condition.
        settings: which of them are drawn.

    Raises:
        OrreryError: a pattern fits no condition.
    """
    patterns = settings.drawn.conditions
    for pattern in patterns:
        if not any(name == pattern or fnmatchcase(name, pattern) for name in sources):
            raise OrreryError(
                f"last-layer-plane: drawn.conditions: '{pattern}' fits no condition of the analysis; write one of "
                f"{', '.join(sources)}"
            )
    chosen = [name for name in sources if any(name == one or fnmatchcase(name, one) for one in patterns)]
    return [
        _of_condition(name, sources[name], "" if len(chosen) == 1 else f"-{place + 1}")
        for place, name in enumerate(chosen)
    ]


def _of_condition(name: str, source: xr.Dataset, suffix: str) -> Figure:
    statistics = [one for one in ROWS if one in source.attrs["statistics"]]
    steps, parts = source["moment_step"].values, source.attrs["parts"]
    figure = style.figure("double", 16 + 54 * len(statistics))
    axes = figure.subplots(len(statistics), len(steps), squeeze=False, sharex="col", sharey="col")
    classes = sorted(set(source["train_class"].values.tolist()))
    tables = []
    for row, statistic in enumerate(statistics):
        place = source.attrs["statistics"].index(statistic)
        for column, step in enumerate(steps):
            ax: Axes = axes[row, column]
            for part in parts:
                points = source[f"{part}_position"].values[column, place]
                labels = source[f"{part}_class"].values
                scatter_classes(ax, points, labels, filled=part == "train")
                tables.append(_table(step, statistic, PARTS[part], points, labels))
            _means(ax, source["mean_position"].values[column], classes)
            ax.locator_params(nbins=5)
            if row == 0:
                held = float(source["share"].values[0, column])
                ax.set_title(f"step {step}: {held:.0%} of the weights")
            if row == len(statistics) - 1:
                ax.set_xlabel("first singular vector")
        words = f"{ROWS[statistic]}\n" if len(statistics) > 1 else ""
        axes[row, 0].set_ylabel(f"{words}second singular vector")
    handles = [part_handle(PARTS[part], filled=part == "train") for part in parts]
    figure.legend(handles=[*handles, *class_handles(classes)], loc="outside lower center", ncols=6)
    by = " by the statistics of the samples" if len(statistics) > 1 else ""
    caption = (
        f"{name}, first seed: what enters the last layer, projected on the two leading right singular vectors of its "
        "weights, in units of that input; percentages are the share of the squared weights that the plane holds. "
        "Filled: training samples, open: test samples, by class; numbers stand at the means of the training samples of "
        "a class"
        f"{by}. {_of_rows(statistics)}Axes differ between columns, and an axis points to the output with its largest "
        "entry."
    )
    title = f"Plane of the last layer ({name})"
    return Figure(f"plane{suffix}", title, caption, figure, pd.concat(tables, ignore_index=True))


def _of_rows(statistics: list[str]) -> str:
    if len(statistics) < 2:
        return ""
    return (
        "Above, batch normalisation takes the mean and variance of all training or all test samples, as in training; "
        "below, its running statistics, as in evaluation. "
    )


def _means(ax: Axes, means: np.ndarray, classes: list[int]) -> None:
    """The number of each class at its mean."""
    for number in classes:
        if np.isfinite(means[number]).all():
            # Layout need not measure what lies inside the axes.
            ax.text(
                float(means[number, 0]),
                float(means[number, 1]),
                str(number),
                ha="center",
                va="center",
                fontsize=style.text_size(7),
                fontweight="bold",
            ).set_in_layout(False)


def _table(step: int, statistic: str, part: str, points: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "step": int(step),
            "statistic": statistic,
            "part": part,
            "class": labels,
            "first": points[:, 0],
            "second": points[:, 1],
        }
    )
