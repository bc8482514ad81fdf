"""The figures of a comparison of spectra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.koopman_numbers import ladder_of
from orrery.analyses.koopman_sensitivity import draw_sensitivity
from orrery.analyses.koopman_spectra import finite
from orrery.analyses.koopman_statistics import blocks_of
from orrery.figures import panels, style
from orrery.numerics.resampling import mean_within

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.koopman import Settings


def draw(comparison: xr.Dataset, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Spectra, a matrix of distances with floors per number of delays, sensitivity, ladder.

    Args:
        comparison: from :func:`orrery.analyses.koopman_comparison.compare_spectra`.
        sources: by condition, from :func:`orrery.analyses.koopman.analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.koopman import Compare

    chosen = settings.compare or Compare()
    names = list(dict.fromkeys(name for pair in chosen.pairs for name in pair)) or list(sources)
    levels = [
        (place, int(level))
        for place, level in enumerate(comparison["level"].values)
        if chosen.headline is None or level == chosen.headline
    ]
    if not levels:
        return []
    found = [_spectra(sources, names, levels, settings)]
    if len(names) > 1:
        found += [_matrix(comparison, sources, names, place, level, settings) for place, level in levels]
    if chosen.pairs and levels[0][1] >= 0:
        found.append(draw_sensitivity(comparison, settings, chosen))
    if chosen.ladder:
        found.append(_ladder(comparison, settings, levels[0][0]))
    return found


def said(settings: Settings) -> str:
    """The settings of the spectra in words, for captions."""
    rank = settings.rank if isinstance(settings.rank, int) else f"at most {settings.rank.most}"
    group = "all runs of a condition" if settings.group == "condition" else "all copies of a seed"
    window = f", steps {settings.steps[0]} to {settings.steps[1]}" if settings.steps else ""
    centring = "centred" if settings.centred else "uncentred"
    return f"rank {rank}, one joint spectrum from {group}{window}, {centring} states"


def delays_in_words(sources: Mapping[str, xr.Dataset], names: list[str], level: int) -> str:
    """Delays of a level in words; each condition's own where they differ.

    Args:
        sources: by condition, with the coordinate ``delays(delays)``.
        names: conditions that are named.
        level: a number of delays, or -1 where each condition has its own.
    """
    if level >= 0:
        return f"{level} delays"
    return "delays " + ", ".join(f"{int(sources[name]['delays'].values[0])} for {name}" for name in names)


def _spectra(
    sources: Mapping[str, xr.Dataset], names: list[str], levels: list[tuple[int, int]], settings: Settings
) -> Figure:
    figure = style.figure("double" if len(levels) > 1 else "single", 88 if len(levels) == 1 else 76)
    axes = figure.subplots(1, len(levels), squeeze=False)[0]
    rows = []
    for ax, (_, level) in zip(axes, levels, strict=True):
        spectra = {}
        for name in names:
            delays = sources[name]["delays"].values.tolist()
            at = 0 if level < 0 else delays.index(level)
            values = sources[name]["eigenvalue"].values[:, at, 0]
            spectra[name] = values[np.isfinite(values)]
            for seed, row in zip(sources[name]["seed"].values, values, strict=True):
                rows += [
                    {
                        "condition": name,
                        "delays": delays[at],
                        "seed": int(seed),
                        "real": one.real,
                        "imaginary": one.imag,
                    }
                    for one in finite(row)
                ]
        panels.complex_plane(ax, spectra, legend=len(levels) == 1)
        ax.locator_params(nbins=5)
        if len(levels) > 1:
            ax.set_title(f"{level} delays")
    if len(levels) > 1:
        axes[0].legend(loc="upper left", bbox_to_anchor=(0, -0.28), ncols=1)
    seeds = sources[names[0]].sizes["seed"]
    many = f" Points of {seeds} seeds lie over one another." if seeds > 1 else ""
    words = ", ".join(delays_in_words(sources, names, level) for _, level in levels)
    caption = (
        f"Koopman eigenvalues per step in the complex plane, with the unit circle; the inset shows those near 1. "
        f"{words}; {said(settings)}.{many}"
    )
    return Figure("spectra", "Koopman spectra", caption, figure, pd.DataFrame(rows))


def _matrix(
    comparison: xr.Dataset,
    sources: Mapping[str, xr.Dataset],
    names: list[str],
    place: int,
    level: int,
    settings: Settings,
) -> Figure:
    chosen = settings.compare
    several = all(sources[name].sizes["seed"] > 1 for name in names)
    matrix = np.full((len(names), len(names)), np.nan)
    for row, one in enumerate(names):
        for column, other in enumerate(names):
            blocks = blocks_of(comparison, (one, other), place)
            if row == column:
                matrix[row, column] = mean_within(blocks.first)
            elif blocks.seeds:
                matrix[row, column] = float(np.diag(blocks.between).mean())
    floors: dict[str, np.ndarray] = {}
    if chosen is not None and chosen.floors:
        floors["other batches"] = np.array(
            [
                np.diag(blocks_of(comparison, (name, chosen.floors[name]), place).between).mean()
                if name in chosen.floors
                else np.nan
                for name in names
            ]
        )
    if any("split_distance" in sources[name] for name in names):
        floors["split halves"] = np.array([_split_floor(sources[name], level) for name in names])
    if "null_distance" in comparison:
        known = list(comparison.attrs["conditions"])
        others = [other for other in range(comparison.sizes["other_level"]) if other != place]
        null = comparison["null_distance"].values[:, place, others]
        floors["other delays"] = np.array([np.nanmean(null[known.index(name)]) for name in names])
    figure = style.figure(120.0 if floors else "single", 24 + 13 * len(names))
    panels.matrix_with_floors(figure.subplots(), matrix, names, floors, quantity="W", logarithmic=not several)
    kinds = []
    if several:
        kinds.append("the diagonal holds the mean over all pairs of seeds of one condition")
    if "other batches" in floors:
        kinds.append("'other batches': the same starts trained with a second order of batches")
    if "split halves" in floors:
        kinds.append("'split halves': two halves of the copies of a seed, which share their batches")
    if "other delays" in floors:
        kinds.append("'other delays': the same trajectories analysed at each of the other numbers of delays")
    caption = (
        f"Distances W between conditions, mean over seeds ({delays_in_words(sources, names, level)}; {said(settings)})"
        f"{'; ' + '; '.join(kinds) if kinds else ''}. One colour scale. A distance says nothing "
        f"unless it exceeds the floors."
    )
    data = pd.DataFrame(matrix, columns=names)
    data.insert(0, "condition", names)
    for name, values in floors.items():
        data[name] = values
    suffix = f"-{level}-delays" if level >= 0 and chosen is not None and chosen.headline is None else ""
    return Figure(
        f"distances{suffix}",
        f"Distances and floors, {delays_in_words(sources, names, level)}",
        caption,
        figure,
        data,
    )


def _split_floor(source: xr.Dataset, level: int) -> float:
    if "split_distance" not in source:
        return float("nan")
    at = 0 if level < 0 else source["delays"].values.tolist().index(level)
    return float(np.nanmean(source["split_distance"].values[:, at]))


def _ladder(comparison: xr.Dataset, settings: Settings, place: int) -> Figure:
    assert settings.compare is not None
    rungs = sorted(ladder_of(comparison, settings.compare, place), key=lambda rung: rung[1])
    figure = style.figure(120.0, 14 + 6.5 * len(rungs))
    ax = figure.subplots()
    look = style.mark(0)
    values = np.array([value for _, value in rungs])
    rows = np.arange(len(rungs))
    ax.hlines(rows, values.min() / 2, values, color=style.GRID, linewidth=1)
    ax.plot(values, rows, linestyle="none", marker=look.marker, color=look.colour)
    for row, value in enumerate(values):
        ax.annotate(
            f"{value:.3g}",
            (value, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.text_size(6.5),
        )
    ax.set_xscale("log")
    ax.set_xlim(values.min() / 2, values.max() * 3)
    ax.set_yticks(rows, [label for label, _ in rungs])
    ax.set_xlabel("W")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    level = int(comparison["level"].values[place])
    caption = (
        f"A ladder of distances, sorted ({level} delays, {said(settings)}). Spectra depend on the sampled starts "
        f"as well as on the map: compare conjugate partners from matched and from other starts. No bands: the "
        f"maps are deterministic."
    )
    return Figure(
        "ladder", "Ladder of distances", caption, figure, pd.DataFrame(rungs, columns=["rung", "distance"])
    )
