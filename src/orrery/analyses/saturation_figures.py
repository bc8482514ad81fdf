"""Figures of saturated networks beside the reduced map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.saturation_patterns import counted, matched
from orrery.figures import style
from orrery.numerics import softmax_map

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.saturation import Settings

ROWS = 5
"""Runs whose losses are drawn: one for each number of units at one and kind of pattern."""
SHOWN = 300
"""Of the window, the last steps that are drawn."""
COURSES = 4


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Four figures for each condition.

    Args:
        sources: by condition, with ``loss(seed, time)`` and the others of :func:`orrery.analyses.saturation.analyse`.
        settings: tolerances.
    """
    found: list[Figure] = []
    for place, (name, source) in enumerate(sources.items()):
        suffix = "" if len(sources) == 1 else f"-{place + 1}"
        of = "" if len(sources) == 1 else f" ({name})"
        found += [
            _losses(source, suffix, of),
            _attractors(source, settings, suffix, of),
            _following(source, suffix, of),
            _course(source, suffix, of),
        ]
    return found


def _examples(source: xr.Dataset) -> list[int]:
    """One run for each number of units at one and kind of pattern, few units first."""
    periods, ones = source["period"].values, source["ones"].values
    first: dict[tuple[int, int], int] = {}
    for place in np.flatnonzero(counted(source)):
        first.setdefault((int(ones[place]), int(periods[place])), int(place))
    chosen = [first[key] for key in sorted(first)]
    if len(chosen) > ROWS:
        # those without a period and the triples are what a reader looks for
        wanted = sorted(chosen, key=lambda place: (periods[place] not in (0, 1, 3), place))[:ROWS]
        chosen = [place for place in chosen if place in wanted]
    return chosen


def _losses(source: xr.Dataset, suffix: str, of: str) -> Figure:
    chosen = _examples(source)
    rows = max(len(chosen), 1)
    figure = style.figure("double", 14 + 30 * rows)
    axes = figure.subplots(rows, 2, squeeze=False, sharex=True, sharey="row")
    fractions = source["fractions"].values
    entropy = float(softmax_map.loss(softmax_map.fixed_point(fractions), fractions))
    tables = []
    shown = slice(-SHOWN, None)
    time = np.arange(source.sizes["time"])[shown]
    for row, place in enumerate(chosen):
        both = (
            ("network", source["loss"].values[place]),
            ("reduced map", source["reduced_loss"].values[place]),
        )
        for column, (label, values) in enumerate(both):
            ax = axes[row, column]
            ax.plot(
                time,
                values[shown],
                linestyle="none",
                marker=".",
                markersize=2.2,
                markeredgewidth=0,
                color=style.mark(column).colour,
            )
            ax.axhline(entropy, color=style.MUTED, linewidth=style.line(0.7), linestyle=":")
            tables.append(
                pd.DataFrame(
                    {
                        "of": label,
                        "seed": int(source["seed"].values[place]),
                        "time": time,
                        "loss": values[shown],
                    }
                )
            )
        ones, period = int(source["ones"].values[place]), int(source["period"].values[place])
        pattern = {0: "no period", 1: "flat"}.get(period, f"period {period}")
        axes[row, 0].set_title(
            f"network, seed {int(source['seed'].values[place])}: m = {ones}, {pattern}",
            fontsize=style.text_size(7),
        )
        rate = float(source["effective_rate"].values[place])
        axes[row, 1].set_title(f"reduced map, effective rate {rate:.4g}", fontsize=style.text_size(7))
        axes[row, 0].set_ylabel("loss")
        low, high = (pick(pick(values[shown]) for _, values in both) for pick in (min, max))
        margin = max(0.08 * (high - low), 0.05)
        axes[row, 0].set_ylim(low - margin, high + margin)
    for ax in axes[-1]:
        ax.set_xlabel("step of the window")
    caption = (
        f"Loss at each of the last {len(time)} steps of runs whose hidden units saturated{of}, one run for each "
        "number m of units at one and kind of pattern (left), and of the reduced map, started from the logits of the "
        f"network at the start of the window of {source.sizes['time']} steps (right). Dotted: the entropy of the "
        f"classes, {entropy:.4f}, the loss of the fixed point. Where the motion has no period, the two agree in their "
        "band and not in the single values: small differences grow."
    )
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"seed": []})
    return Figure(
        f"losses{suffix}", f"Losses of saturated networks beside the reduced map{of}", caption, figure, data
    )


def _attractors(source: xr.Dataset, settings: Settings, suffix: str, of: str) -> Figure:
    figure = style.figure("double", 82)
    ax = figure.subplots()
    rates, losses = source["diagram_rate"].values, source["diagram_loss"].values
    flat = losses.reshape(len(rates), -1)
    ax.plot(
        np.repeat(rates, flat.shape[1]),
        flat.ravel(),
        linestyle="none",
        marker=".",
        markersize=1.0,
        markeredgewidth=0,
        color=style.MUTED,
        rasterized=True,
        zorder=1,
    )
    kept = counted(source)
    same = matched(source, settings)
    own = source["effective_rate"].values
    ends = source["end"].values
    # Runs of one m stand side by side.
    width = (rates[-1] - rates[0]) / 150
    rows = []
    for group, (label, met) in enumerate((("runs that match", True), ("runs that do not", False))):
        look = style.mark(group)
        places = np.flatnonzero(kept & (same == met))
        if not len(places):
            continue
        x = [own[place] + width * _rank(own, kept, int(place)) for place in places]
        ax.vlines(x, ends[places, 0], ends[places, 1], color=look.colour, linewidth=style.line(1.0), zorder=2)
        ax.plot(
            np.repeat(x, 2),
            ends[places].ravel(),
            linestyle="none",
            marker=look.marker,
            markersize=3,
            color=look.colour,
            label=f"{label} ({len(places)})",
            zorder=3,
        )
        rows += [
            (int(source["seed"].values[place]), own[place], ends[place, 0], ends[place, 1], met)
            for place in places
        ]
    bound = softmax_map.stability_bound(source["fractions"].values)
    ax.axvline(bound, color=style.INK, linewidth=style.line(0.7), linestyle="--", label=f"bound {bound:.4g}")
    ax.set_xlim(rates[0], max(rates[-1], float(own[kept].max()) + 2 if kept.any() else rates[-1]))
    ax.set_xlabel("effective rate")
    ax.set_ylabel("loss")
    ax.legend(loc="upper left")
    changed = int((source["saturated"].values.astype(bool) & (source["changes"].values > 0)).sum())
    caption = (
        f"Dots: losses of the reduced map after {settings.diagram.transient} steps from {settings.diagram.starts} "
        "random starts, over its effective rate; several attractors coexist. Bars: least and largest loss of saturated "
        f"networks{of} over their last {source.sizes['time']} steps, at rate x (1 + m) (runs of one m stand side by "
        f"side). A run matches where both ends are those of the reduced map within {settings.tolerance:g}, or "
        f"{settings.band_tolerance:g} without a period. {changed} saturated runs whose m changed are left out. Dashed: "
        "below this rate the fixed point is stable."
    )
    data = pd.DataFrame(rows, columns=["seed", "effective rate", "least loss", "largest loss", "matches"])
    return Figure(
        f"attractors{suffix}", f"Attractors of the reduced map and networks{of}", caption, figure, data
    )


def _rank(rates: np.ndarray, kept: np.ndarray, place: int) -> int:
    """How many earlier runs have the same rate."""
    return int((kept[:place] & np.isclose(rates[:place], rates[place], atol=0.05)).sum())


def _following(source: xr.Dataset, suffix: str, of: str) -> Figure:
    figure = style.figure("single", 62)
    ax = figure.subplots()
    saturated = source["saturated"].values.astype(bool)
    errors = source["error"].values[saturated]
    lags = np.arange(source.sizes["lag"])
    look = style.mark(0)
    # Exact agreement has no place on a logarithmic axis.
    ax.semilogy(lags, np.maximum(errors, 1e-17).T, color=look.colour, linewidth=style.line(0.6), alpha=0.6)
    for level, words in ((1e-4, "90 % of runs"), (1e-2, "all runs")):
        ax.axhline(level, color=style.MUTED, linewidth=style.line(0.7), linestyle="--")
        ax.text(0, level * 1.3, words, fontsize=style.text_size(6.5), color=style.MUTED)
    ax.set_xticks(np.unique(np.linspace(0, lags[-1], 5).astype(int)))
    ax.set_xlabel("steps after a common start")
    ax.set_ylabel("|loss of the map − loss of the network|")
    caption = (
        f"How long the reduced map, started from the logits of a saturated network{of}, follows its loss: one line per "
        f"run ({len(errors)}), {lags[-1]} steps up to the last one. Dashed: what is asked of 90 % of the runs, and of "
        "all. Values below 1e-17 are drawn there."
    )
    seeds = source["seed"].values[saturated]
    data = pd.DataFrame(errors.T, columns=[f"seed {seed}" for seed in seeds])
    data.insert(0, "lag", lags)
    return Figure(f"following{suffix}", f"The reduced map follows the network{of}", caption, figure, data)


def _course(source: xr.Dataset, suffix: str, of: str) -> Figure:
    figure = style.figure("double", 100)
    axes = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    steps = source["moment_step"].values
    ones = source["moment_ones"].values
    # Runs in which m changes tell most.
    changes = (ones[:, 1:] != ones[:, :-1])[:, len(steps) // 4 :].sum(axis=1)
    chosen = np.sort(np.argsort(-changes, kind="stable")[:COURSES])
    tables = []
    for index, place in enumerate(chosen):
        look = style.mark(index)
        seed = int(source["seed"].values[place])
        low, high = source["course"].values[place].T
        axes[0].fill_between(steps, low, high, color=look.colour, alpha=0.25, linewidth=0, step="post")
        axes[0].step(steps, high, color=look.colour, linewidth=style.line(0.6), where="post")
        axes[1].step(
            steps,
            ones[place] + 0.06 * (index - (len(chosen) - 1) / 2),
            color=look.colour,
            linewidth=style.line(0.9),
            where="post",
            label=f"seed {seed}",
        )
        tables.append(
            pd.DataFrame({"seed": seed, "step": steps, "least": low, "largest": high, "ones": ones[place]})
        )
    axes[0].set_ylabel("loss")
    axes[1].set_ylabel("units above one half, m")
    axes[1].set_xlabel("step")
    axes[1].ticklabel_format(style="plain", axis="x")
    axes[1].yaxis.get_major_locator().set_params(integer=True)
    axes[1].legend(loc="upper left", bbox_to_anchor=(0, -0.35), ncols=6)
    caption = (
        f"Least and largest loss between consecutive ones of {len(steps)} moments (top) and the number of hidden units "
        f"whose mean output is above one half (bottom; lines are set apart a little) for the {len(chosen)} runs{of} in "
        "which this number changes most often after the first quarter. What looks like intermittency of the loss is a "
        "change of that number."
    )
    data = pd.concat(tables, ignore_index=True)
    return Figure(
        f"course{suffix}", f"Loss and units at one over the whole course{of}", caption, figure, data
    )
