"""Figures of perturbed copies: d(t) with its windows, all conditions on one scale, slopes, nMLE along an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.along_axes import axis_of, name_of_axis
from orrery.analyses.api import Figure, Number
from orrery.analyses.copy_divergence_numbers import NAME, exponents
from orrery.analyses.runs import evenly
from orrery.config.errors import OrreryError
from orrery.figures import panels, style
from orrery.figures.grids import panel_grid

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from orrery.analyses.copy_divergence import Settings

MOST_PANELS = 9
MOST_HISTOGRAMS = 6


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """All figures that the conditions allow.

    Args:
        sources: by condition, ``distance(seed, copy, moment)`` and the rest.
        settings: of the analysis.

    Raises:
        OrreryError: there is no condition.
    """
    if not sources:
        raise OrreryError(f"{NAME}: no condition was analysed; widen its patterns of conditions")
    found = [_distances(sources, settings), _normalised(sources)]
    if settings.rule is not None:
        found.append(_slopes(sources))
        if (places := axis_of(sources, settings.compare.against, f"{NAME}: compare.against")) is not None:
            found.append(_exponents(sources, settings, places))
    return found


def _some(sources: Mapping[str, xr.Dataset], most: int) -> tuple[list[str], str]:
    """At most so many conditions, evenly spaced in the order of the study, and what a caption says of it."""
    names = list(sources)
    chosen = [names[place] for place in evenly(len(names), most)]
    told = (
        f" Shown are {len(chosen)} of {len(names)} conditions, evenly spaced."
        if len(chosen) < len(names)
        else ""
    )
    return chosen, told


def _positive(values: np.ndarray) -> np.ndarray:
    """What a logarithmic axis can show."""
    return np.where(values > 0, values, np.nan)


def _distances(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    names, told = _some(sources, MOST_PANELS)
    ranges = len({tuple(sources[name]["moment_step"].values[[0, -1]].tolist()) for name in names})
    label = "distance d(t)" if settings.norm == "l1" else "Euclidean distance d(t)"
    figure, axes = panel_grid(len(names), 56, horizontal="step", vertical=label, sharex=ranges == 1)
    tables = []
    for ax, name in zip(axes, names, strict=True):
        source = sources[name]
        mean = source["distance"].values[: settings.compare.shown].mean(axis=1)
        steps = source["moment_step"].values
        for place, curve in enumerate(mean):
            look = style.mark(place)
            ax.plot(steps, _positive(curve), color=look.colour, linewidth=style.line(0.8), alpha=0.8)
            if settings.rule is not None:
                _window(ax, source, place)
            seed = int(source["seed"].values[place])
            table = pd.DataFrame({"step": steps, "distance": curve})
            table.insert(0, "seed", seed)
            table.insert(0, "condition", name)
            tables.append(table)
        ax.set_yscale("log")
        ax.set_title(name, fontsize=style.text_size(7))
    fitted = (
        " Thick black lines: the window that a line fits best, broken where the initial condition is not kept."
        if settings.rule is not None
        else ""
    )
    copies = max(source.sizes["copy"] for source in sources.values())
    kind = "entrywise L1" if settings.norm == "l1" else "Euclidean"
    caption = (
        f"Mean {kind} distance of {copies} perturbed {'copy' if copies == 1 else 'copies'} from their original, over "
        f"{', '.join(_listed(sources))}, of the first {settings.compare.shown} seeds of each condition, one colour per "
        f"seed.{fitted}{told} No bands: each line is one initial condition."
    )
    return Figure(
        "distance", "Distance of perturbed copies", caption, figure, pd.concat(tables, ignore_index=True)
    )


def _listed(sources: Mapping[str, xr.Dataset]) -> Sequence[str]:
    tensors = list(dict.fromkeys(name for source in sources.values() for name in source.attrs["tensors"]))
    return tensors if len(tensors) <= 6 else [f"{len(tensors)} tensors"]


def _window(ax: Axes, source: xr.Dataset, place: int) -> None:
    """The fitted line of one seed, over its window."""
    start, length = int(source["start"].values[place]), int(source["length"].values[place])
    if length == 0:
        return
    at = np.array([0, length - 1])
    fit = source["level"].values[place] + source["slope"].values[place] * at
    dashes = "-" if source["kept"].values[place] else (0, (2, 1.2))
    ax.plot(
        source.attrs["first_step"] + start + at,
        np.exp(fit),
        color=style.INK,
        linewidth=style.line(1.5),
        linestyle=dashes,
        zorder=3,
    )


def _normalised(sources: Mapping[str, xr.Dataset]) -> Figure:
    """Medians over seeds, over the largest distance that the perturbation allows at the start, or over the first."""
    possible = all(source.attrs.get("largest_start", 0) > 0 for source in sources.values())
    figure = style.figure("single", 78)
    ax = figure.subplots()
    tables = []
    for index, (name, source) in enumerate(sources.items()):
        mean = source["distance"].values.mean(axis=1)
        unit = np.full(len(mean), source.attrs["largest_start"]) if possible else mean[:, 0]
        scaled = np.divide(mean, unit[:, None], out=np.full_like(mean, np.nan), where=unit[:, None] > 0)
        scaled = scaled[np.isfinite(scaled).any(axis=1)]
        if not len(scaled):
            continue
        low, middle, high = np.nanpercentile(scaled, [25, 50, 75], axis=0)
        look, steps = style.mark(index), source["moment_step"].values
        ax.fill_between(steps, _positive(low), _positive(high), color=look.colour, alpha=0.15, linewidth=0)
        ax.plot(
            steps,
            _positive(middle),
            color=look.colour,
            linestyle=look.dashes,
            linewidth=style.line(1.1),
            label=name,
        )
        table = pd.DataFrame({"step": steps, "lower": low, "median": middle, "upper": high})
        table.insert(0, "condition", name)
        tables.append(table)
    ax.set_yscale("log")
    ax.set_xlabel("step")
    ax.set_ylabel("d(t) / largest possible d(0)" if possible else "d(t) / d(0)")
    if tables:
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2, fontsize=style.text_size(6))
    over = (
        "the largest distance at the start that its perturbation allows (number of perturbed entries times amplitude; "
        "uniform perturbations start near 0.5)"
        if possible
        else "the distance at the start"
    )
    caption = (
        f"Distance of perturbed copies over {over}: medians over seeds of the mean over copies, bands from the 25th to "
        "the 75th percentile. Where lines of different amplitude fall together, copies respond in proportion to the "
        "perturbation."
    )
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"condition": [], "step": []})
    return Figure("normalised-distance", "Distances on one scale", caption, figure, data)


def _slopes(sources: Mapping[str, xr.Dataset]) -> Figure:
    """P(Lambda): the slopes of all conditions in the same bins, each condition with its kept part filled."""
    names, told = _some(sources, MOST_HISTOGRAMS)
    every = np.concatenate([sources[name]["slope"].values for name in names])
    every = every[np.isfinite(every)]
    edges = _edges(every)
    figure, axes = panel_grid(len(names), 50, horizontal="slope Λ (1/step)", vertical="P(Λ)", sharex=True)
    tables = []
    for index, (ax, name) in enumerate(zip(axes, names, strict=True)):
        slope, kept = sources[name]["slope"].values, sources[name]["kept"].values.astype(bool)
        look, width = style.mark(index), np.diff(edges)
        seeds = max(1, len(slope))
        of_all = np.histogram(slope[np.isfinite(slope)], edges)[0] / (seeds * width)
        of_kept = np.histogram(slope[kept], edges)[0] / (seeds * width)
        ax.stairs(of_kept, edges, fill=True, color=look.colour, alpha=0.45, label="kept")
        ax.stairs(of_all, edges, color=look.colour, linewidth=style.line(1.0), label="all")
        if kept.any():
            ax.axvline(slope[kept].mean(), color=style.INK, linewidth=style.line(1.0), label="nMLE")
        mean_of_all = np.nanmean(slope) if np.isfinite(slope).any() else np.nan
        ax.axvline(
            mean_of_all, color=style.INK, linestyle=":", linewidth=style.line(1.0), label="mean of all"
        )
        ax.set_title(f"{name}: {int(kept.sum())} of {len(slope)} kept", fontsize=style.text_size(7))
        table = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "all": of_all, "kept": of_kept})
        table.insert(0, "condition", name)
        tables.append(table)
    axes[0].legend(fontsize=style.text_size(6))
    caption = (
        "Distribution over initial conditions of the slope Λ of ln d in the window that a line fits best. Outline: all "
        "initial conditions that have a window; filled: those that the rule keeps. Densities are per initial condition "
        f"of the study. Solid line: nMLE, the mean of the kept; dotted: the mean of all.{told}"
    )
    return Figure(
        "slopes", "Exponents of the initial conditions", caption, figure, pd.concat(tables, ignore_index=True)
    )


def _edges(values: np.ndarray) -> np.ndarray:
    """Bins by Freedman and Diaconis, at most 60; one bin where all values are equal."""
    if not values.size:
        return np.array([0.0, 1.0])
    edges = np.histogram_bin_edges(values, "fd") if np.ptp(values) > 0 else np.histogram_bin_edges(values, 1)
    return np.asarray(edges if len(edges) <= 61 else np.histogram_bin_edges(values, 60))


def _exponents(sources: Mapping[str, xr.Dataset], settings: Settings, places: Mapping[str, float]) -> Figure:
    """nMLE, what it leaves out, and the kept share, along an axis of the grid."""
    numbers = {number.name: number for name, source in sources.items() for number in exponents(name, source)}
    axis = name_of_axis(sources, settings.compare.against)
    names = sorted(sources, key=places.__getitem__)
    at = np.array([places[name] for name in names])
    figure = style.figure("single", 96)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    table = pd.DataFrame({"condition": names, axis: at})
    series = (
        ("nMLE", "nMLE (kept)"),
        ("slope-before-filter", "before the filter"),
        ("two-point", "two points"),
    )
    for index, (quantity, label) in enumerate(series):
        _with_intervals(
            upper, at, [numbers[f"{quantity}[{name}]"] for name in names], label, index, table, quantity
        )
    _with_intervals(
        lower, at, [numbers[f"kept-share[{name}]"] for name in names], "kept", 0, table, "kept-share"
    )
    if (at > 0).all() and at.max() > 30 * at.min():
        lower.set_xscale("log")
    upper.axhline(0, color=style.GRID, linewidth=style.line(0.6), zorder=0)
    upper.set_ylabel("exponent (1/step)")
    lower.set_ylabel("kept share")
    lower.set_ylim(-0.03, 1.03)
    lower.set_xlabel(axis)
    upper.legend(loc="best", fontsize=style.text_size(6.5))
    for ax, letter in ((upper, "a"), (lower, "b")):
        panels.panel_letter(ax, letter)
    caption = (
        f"a: mean exponents over initial conditions against {axis}: slope of the best window over those that the rule "
        "keeps (nMLE), the same over all, and the plain growth of ln d between the first and the last step that "
        "windows reach over. b: share of initial conditions that are kept. Bars: 95 % intervals over initial "
        "conditions."
    )
    return Figure("exponent", f"Exponents against {axis}", caption, figure, table)


def _with_intervals(
    ax: Axes,
    at: np.ndarray,
    numbers: Sequence[Number],
    label: str,
    index: int,
    table: pd.DataFrame,
    quantity: str,
) -> None:
    look = style.mark(index)
    values = np.array([number.value for number in numbers])
    bounds = np.array([number.interval or (np.nan, np.nan) for number in numbers])
    ax.vlines(at, bounds[:, 0], bounds[:, 1], color=look.colour, linewidth=style.line(0.9), alpha=0.7)
    ax.plot(
        at,
        values,
        color=look.colour,
        marker=look.marker,
        linestyle=look.dashes,
        linewidth=style.line(0.8),
        label=label,
    )
    table[quantity], table[f"{quantity} low"], table[f"{quantity} high"] = values, bounds[:, 0], bounds[:, 1]
