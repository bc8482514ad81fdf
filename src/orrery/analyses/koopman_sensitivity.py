"""How the headline distances change with rank, centring, delays and seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.koopman_statistics import blocks_of, resamples
from orrery.figures import panels, style
from orrery.numerics.resampling import interval, resampled_mean

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.koopman import Compare, Pair, Settings

MOST_SEEDS = 10
"""With more seeds, only the two that matter most are shown."""


def draw_sensitivity(comparison: xr.Dataset, settings: Settings, chosen: Compare) -> Figure:
    """One strip per pair of conditions: the mean distance under each setting, the headline filled.

    Args:
        comparison: from :func:`orrery.analyses.koopman_comparison.compare_spectra`.
        settings: of the analysis.
        chosen: what is compared.
    """
    tables = [_table(comparison, settings, chosen, pair) for pair in chosen.pairs]
    count = len(tables[0])
    figure = style.figure("double", 26 + 4.6 * count)
    axes = figure.subplots(1, len(tables), squeeze=False, sharey=True)[0]
    for ax, table, pair in zip(axes, tables, chosen.pairs, strict=True):
        values = table["distance"].to_numpy()
        several = np.isfinite(table["low"]).any()
        intervals = table[["low", "high"]].to_numpy() if several else None
        panels.sensitivity_strip(
            ax,
            table["setting"].tolist(),
            values,
            intervals=intervals,
            headline=0,
            floors={"other batches": table["floor"].to_numpy()}
            if np.isfinite(table["floor"]).any()
            else None,
            quantity="W",
            logarithmic=bool(np.nanmax(values) > 5 * np.nanmin(values)),
        )
        if ax is not axes[0] and ax.get_legend() is not None:
            ax.get_legend().remove()
        if ax.get_xscale() == "linear":
            ax.locator_params(axis="x", nbins=4)
        ax.set_title(f"{pair[0]}\n{pair[1]}", fontsize=style.text_size(7))
    place = _home(comparison, chosen)
    level = int(comparison["level"].values[place])
    bars = (
        " Bars: 95 % bootstrap intervals over seeds. 'without seed s' leaves one seed out."
        if np.isfinite(tables[0]["low"]).any()
        else ""
    )
    floor = (
        " Ticks: the larger distance of the two to the same starts with other batches."
        if chosen.floors
        else ""
    )
    caption = (
        f"Mean distance W of each pair under other settings; the filled point is the headline ({level} delays, rank "
        f"and centring as in the study), everything else changes one setting.{bars}{floor} Other ranks and centring "
        f"are at {level} delays; a row without a point was not possible."
    )
    return Figure(
        "sensitivity", "Sensitivity of the distances", caption, figure, pd.concat(tables, ignore_index=True)
    )


def _home(comparison: xr.Dataset, chosen: Compare) -> int:
    """The level of the headline: the published one, or the one that was swept, or the first."""
    levels = comparison["level"].values.tolist()
    if chosen.headline is not None:
        return int(levels.index(chosen.headline))
    swept = np.isfinite(comparison["pair_distance"].values[:, 1:]).any(axis=(0, 1, 3))
    return int(np.argmax(swept)) if swept.any() else 0


def _table(comparison: xr.Dataset, settings: Settings, chosen: Compare, pair: Pair) -> pd.DataFrame:
    values = comparison["pair_distance"].values[comparison.attrs["pairs"].index(list(pair))]
    levels = comparison["level"].values.tolist()
    home = _home(comparison, chosen)
    seeds = comparison["seed"].values
    rows = [_row("headline", values[0, home], _floor(comparison, chosen, pair, home))]
    variants = comparison.attrs["variants"]
    for index, variant in enumerate(variants[1:], start=1):
        changed = variant["centred"] != variants[0]["centred"]
        label = ("centred" if variant["centred"] else "uncentred") if changed else f"rank {variant['rank']}"
        rows.append(_row(label, values[index, home], np.nan))
    for place, level in enumerate(levels):
        if place != home:
            rows.append(_row(f"{level} delays", values[0, place], _floor(comparison, chosen, pair, place)))
    base = values[0, home]
    known = np.flatnonzero(np.isfinite(base))
    if len(known) > 2:
        without = {
            int(seeds[place]): np.where(np.arange(len(base)) == place, np.nan, base) for place in known
        }
        shown = list(without)
        if len(shown) > MOST_SEEDS:
            by_mean = sorted(shown, key=lambda seed: float(np.nanmean(without[seed])))
            shown = [by_mean[0], by_mean[-1]]
        rows += [_row(f"without seed {seed}", without[seed], np.nan) for seed in shown]
    table = pd.DataFrame(rows, columns=["setting", "distance", "low", "high", "floor", "seeds"])
    table.insert(0, "pair", f"{pair[0]} and {pair[1]}")
    return table


def _row(label: str, by_seed: np.ndarray, floor: float) -> tuple[str, float, float, float, float, int]:
    known = by_seed[np.isfinite(by_seed)]
    if not known.size:
        return label, np.nan, np.nan, np.nan, np.nan, 0
    low, high = np.nan, np.nan
    if known.size > 1:
        low, high = interval(resampled_mean(known, resamples(known.size, 10_000)))
    return label, float(known.mean()), low, high, floor, int(known.size)


def _floor(comparison: xr.Dataset, chosen: Compare, pair: Pair, place: int) -> float:
    found = [
        np.diag(blocks_of(comparison, (name, chosen.floors[name]), place).between).mean()
        for name in pair
        if name in chosen.floors
    ]
    return float(max(found)) if len(found) == 2 else np.nan
