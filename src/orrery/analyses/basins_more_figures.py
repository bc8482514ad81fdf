"""Figures of the basins over training, and of single samples beside their first-order prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.basins_figures import means_over_seeds, scale_sizes
from orrery.analyses.basins_numbers import correlation
from orrery.figures import style
from orrery.figures.tick_labels import write_numbers

if TYPE_CHECKING:
    import xarray as xr

MOST = 6
"""Conditions of which single samples are drawn."""


def draw_moments(sources: Mapping[str, xr.Dataset]) -> Figure:
    """``train_accuracy(seed, moment)`` and the test accuracy, and the basins below them, against the step."""
    figure = style.figure("double" if len(sources) > 1 else 110.0, 104)
    panes = figure.subplots(2, len(sources), squeeze=False, sharex="col")
    rows = []
    for column, (name, source) in enumerate(sources.items()):
        steps = source["moment_step"].values
        upper, lower = panes[:, column]
        for number, part in enumerate(("train", "test")):
            look, values = style.mark(number), source[f"{part}_accuracy"].values
            upper.plot(steps, values.T, color=look.colour, linewidth=style.line(0.5), alpha=0.4)
            upper.plot(steps, values.mean(axis=0), color=look.colour, linestyle=look.dashes, label=part)
        middle = int(np.abs(source["threshold"].values - 0.5).argmin())
        for number, kind in enumerate(source.attrs["noise"]):
            look, values = style.mark(number + 2), source["basin"].values[:, :, number, middle]
            drawn = np.where(values > 0, values, np.nan)
            lower.plot(steps, drawn.T, color=look.colour, linewidth=style.line(0.5), alpha=0.4)
            lower.plot(steps, means_over_seeds(drawn), color=look.colour, linestyle=look.dashes, label=kind)
            rows += [
                {
                    "condition": name,
                    "noise": kind,
                    "seed": int(seed),
                    "step": int(step),
                    "basin": values[row, place],
                    "train_accuracy": source["train_accuracy"].values[row, place],
                    "test_accuracy": source["test_accuracy"].values[row, place],
                }
                for row, seed in enumerate(source["seed"].values)
                for place, step in enumerate(source["moment_step"].values)
            ]
        upper.set_ylim(0, 1.02)
        upper.set_xscale("symlog", linthresh=float(steps[steps > 0].min(initial=1e9)))
        upper.set_xlim(0, steps[-1])
        upper.set_title(name)
        scale_sizes(lower)
        lower.set_xlabel("step")
    panes[0, 0].set_ylabel("accuracy")
    panes[1, 0].set_ylabel("size of the basin, s")
    panes[0, -1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    panes[1, -1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="noise on")
    caption = (
        "Above: accuracy on all training and test samples. Below: amplitude of noise at which the accuracy "
        "on training samples "
        "first crosses 50 %; a size of 0, where it is lower without noise, is not drawn. Thin lines: seeds; "
        "thick lines: means."
    )
    return Figure("over-training", "Basins over training", caption, figure, pd.DataFrame(rows))


def draw_single(sources: Mapping[str, xr.Dataset]) -> Figure:
    """``predicted(seed, noise, sample)`` beside the measured basins of single samples, of the first seed."""
    shown = dict(list(sources.items())[:MOST])
    kinds = list(next(iter(shown.values())).attrs["noise"])
    figure = style.figure("double", 8 + 62 * len(shown))
    panes = figure.subplots(len(shown), len(kinds), squeeze=False)
    rows = []
    for row, (name, source) in enumerate(shown.items()):
        for column, kind in enumerate(kinds):
            ax = panes[row, column]
            measured = source["single_basin"].values[0, column]
            predicted = source["predicted"].values[0, column]
            kept = (measured > 0) & (predicted > 0) & np.isfinite(predicted)
            look = style.mark(column)
            ax.plot(
                predicted[kept],
                measured[kept],
                linestyle="none",
                marker=".",
                markersize=2,
                color=look.colour,
                rasterized=True,
            )
            if kept.any():
                ends = (
                    min(predicted[kept].min(), measured[kept].min()),
                    max(predicted[kept].max(), measured[kept].max()),
                )
                ax.plot(ends, ends, color=style.MUTED, linewidth=style.line(0.7))
            ax.set(xscale="log", yscale="log", xlabel="predicted, s", ylabel="measured, s")
            write_numbers(ax.xaxis)
            write_numbers(ax.yaxis)
            ax.set_title(f"{name}\nnoise on {kind}, rank correlation {correlation(predicted, measured):.2f}")
            rows += [
                {"condition": name, "noise": kind, "class": int(label), "predicted": one, "measured": other}
                for label, one, other in zip(source["single_class"].values, predicted, measured, strict=True)
            ]
    caption = (
        "Basins of single samples, the amplitude at which half of the draws of noise give another class, "
        "beside those of the "
        "network linearised at the sample; samples of the first seed that are right without noise. Line: "
        "equality. Measured "
        "sizes at the largest amplitude are censored."
    )
    return Figure(
        "single", "Predicted and measured basins of single samples", caption, figure, pd.DataFrame(rows)
    )
