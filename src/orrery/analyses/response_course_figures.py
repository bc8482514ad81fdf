"""Stages of training with their factors, and how specific the response is along them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.response_fits import curve
from orrery.analyses.response_tables import long_table, rounded
from orrery.figures import panels, style
from orrery.numerics.response_profiles import EARLY, LATE

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.response import Settings

NORMS = ("raw", "out", "pre")


def draw_stages(sources: Mapping[str, xr.Dataset]) -> Figure:
    """Mean error with the bounds of the stages, and the factors of the response beside it.

    Args:
        sources: by condition, with ``mean_error(seed, moment)``, ``factor(seed, moment, probe)`` and kernels.
    """
    parts = (
        ("mean |y - f|", lambda source: source["mean_error"].values),
        ("f'(x0)", lambda source: curve(source, "factor")[:, 0]),
        ("K_u(x0, x0)", lambda source: curve(source, "kernel")[:, 0]),
        ("K_f(x0, x0)", lambda source: curve(source, "output-kernel")[:, 0]),
    )
    figure = style.figure("double", 116)
    axes = figure.subplots(2, 2, sharex=True)
    for ax, (words, values_of) in zip(axes.ravel(), parts, strict=True):
        for index, (name, source) in enumerate(sources.items()):
            steps = source["moment_step"].values
            values = values_of(source)[:, steps > 0]
            if np.isfinite(values).any():
                panels.curves_of_runs(ax, steps[steps > 0], values, name, index=index, thin=False)
        ax.set(xscale="log", yscale="log", ylabel=words)
    for bound in (EARLY, LATE):
        axes[0, 0].axhline(bound, color=style.INK, linestyle=(0, (4, 2)), linewidth=style.line(0.8))
    for ax in axes[1]:
        ax.set_xlabel("step")
    axes[1, 0].legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    tables = [
        long_table(name, source, {words: values_of(source) for words, values_of in parts})
        for name, source in sources.items()
    ]
    caption = (
        "Stages of training by the mean error over the training samples: early down to 0.25, late below 0.05 (dashed); "
        "and the factors of which the response is composed: the slope f' of the link at the probe, the kernel K_u of "
        "the last layer, and K_f = f'^2 K_u of the output. Lines: medians over seeds; bands: 25th to 75th percentile."
    )
    return Figure(
        "stages", "Stages and factors of the response", caption, figure, pd.concat(tables, ignore_index=True)
    )


def draw_specificity(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Half width, peak over mean and small-distance exponent against the step; none where places have no distance.

    Args:
        sources: by condition, with ``half_width(seed, moment, probe, norm)``, ``peak(seed, moment, probe, kernel)`` and
            ``small_distance(seed, moment, probe)``.
        settings: of the analysis.
    """
    norm = "out" if "out" in settings.normalisations else settings.normalisations[0]
    parts = {
        f"half width of R_{norm}": lambda source: source["half_width"].values[:, :, 0, NORMS.index(norm)],
        "K_u(x0, x0) over mean": lambda source: source["peak"].values[:, :, 0, 1],
        "small-distance exponent of K_u": lambda source: source["small_distance"].values[:, :, 0],
    }
    known = {
        words: values_of
        for words, values_of in parts.items()
        if any(np.isfinite(values_of(source)).any() for source in sources.values())
    }
    if not known:
        return []
    figure = style.figure("double", 68)
    axes = figure.subplots(1, len(known), squeeze=False)[0]
    for ax, (words, values_of) in zip(axes, known.items(), strict=True):
        for index, (name, source) in enumerate(sources.items()):
            steps = source["moment_step"].values
            later = steps > 0
            values = values_of(source)[:, later]
            # A width that does not exist at some steps leaves a gap.
            seen = np.isfinite(values).all(axis=0)
            if seen.any():
                panels.curves_of_runs(ax, steps[later][seen], values[:, seen], name, index=index, thin=False)
        ax.set(xscale="log", xlabel="step", ylabel=words)
    # A condition may be missing from a panel.
    labelled = {
        label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    if labelled:
        shown = [name for name in sources if name in labelled]
        figure.legend([labelled[name] for name in shown], shown, loc="outside lower left", ncols=4)
    tables = [
        long_table(name, source, {words: values_of(source) for words, values_of in known.items()})
        for name, source in sources.items()
    ]
    caption = (
        "How specific the response is to its probe, against the step: the distance at which it falls to a half; the "
        "kernel at the probe over its mean over the places; and the exponent p of 1 - K_u(x, x0) / sqrt(K_u(x, x) "
        "K_u(x0, x0)) ~ |x - x0|^p, 1 for a cusp and 2 for a smooth kernel in the limit of many units. Lines: medians "
        "over seeds; bands: 25th to 75th percentile; steps at which a seed has no value are left out."
    )
    return [
        Figure(
            "specificity",
            "Specificity of the response",
            caption,
            figure,
            pd.concat(tables, ignore_index=True),
        )
    ]


def draw_small_distances(sources: Mapping[str, xr.Dataset]) -> list[Figure]:
    """Small-distance exponent of the kernel by condition, at the last state; none where it was not asked for.

    Args:
        sources: by condition, with ``small_distance(seed, moment, probe)``.
    """
    values = {name: source["small_distance"].values[:, -1, 0] for name, source in sources.items()}
    if not any(np.isfinite(of_seeds).any() for of_seeds in values.values()):
        return []
    figure = style.figure("single", 24 + 8 * len(values))
    axes = figure.subplots()
    for index, of_seeds in enumerate(values.values()):
        look = style.mark(index)
        axes.plot(
            of_seeds,
            np.full(len(of_seeds), index),
            look.marker,
            color=look.colour,
            markersize=4,
            markerfacecolor="none",
        )
    for known in (1, 2):
        axes.axvline(known, color=style.INK, linestyle=(0, (4, 2)), linewidth=style.line(0.8), zorder=0)
    axes.set_yticks(range(len(values)), values)
    axes.set(xlabel="small-distance exponent of K_u", ylim=(len(values) - 0.5, -0.5))
    caption = (
        "Exponent p of 1 - K_u(x, x0) / sqrt(K_u(x, x) K_u(x0, x0)) ~ |x - x0|^p, one point for a seed. Dashed: 1, "
        "that of a cusp, and 2, that of a smooth kernel, in the limit of many units."
    )
    table = pd.concat(
        [
            pd.DataFrame(
                {"condition": name, "seed": sources[name]["seed"].values, "exponent": rounded(of_seeds)}
            )
            for name, of_seeds in values.items()
        ],
        ignore_index=True,
    )
    return [Figure("small-distances", "Cusp of the kernel", caption, figure, table)]
