"""Figures of the local average: scale and gain over time, outputs beside their fits, and how unstable they become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.feature_space_figures import rounded
from orrery.analyses.local_average_numbers import draws_of, regions_of, spread_over
from orrery.figures import panels, style
from orrery.figures.grids import panel_grid

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from orrery.analyses.local_average import Settings

SHOWN = 6
MOMENTS = 4


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """All figures.

    Args:
        sources: by condition, with ``scale(seed, moment)`` and all else that the analysis gives.
        settings: of the analysis.
    """
    figures = [_scales(sources), _outputs(sources)]
    if any("variance" in source for source in sources.values()):
        figures.append(_instability(sources, settings))
    if settings.compare.draws:
        figures.append(_spreads(sources, settings))
    return figures


def _scales(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure = style.figure("double", 78)
    axes = figure.subplots(1, 2, squeeze=False)[0]
    tables = []
    for index, (name, source) in enumerate(sources.items()):
        look = style.mark(index)
        for of, times, closed in (("", "moment_step", False), ("closed_", "time_step", True)):
            if f"{of}scale" not in source:
                continue
            t = source[times].values
            table = {"condition": name, "constant_kernel": closed}
            table |= {"seed": np.repeat(source["seed"].values, len(t)), "t": np.tile(t, source.sizes["seed"])}
            for ax, variable in ((axes[0], "scale"), (axes[1], "gain")):
                values = source[f"{of}{variable}"].values
                table[variable] = rounded(values)
                _band(ax, t, values, look, closed, name)
            table["explained"] = rounded(source[f"{of}explained"].values)
            tables.append(pd.DataFrame(table))
    for ax, words in ((axes[0], "scale ell"), (axes[1], "gain g")):
        ax.set(xscale="log", yscale="log", xlabel="step t", ylabel=words)
    axes[0].legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    caption = (
        "Scale ell and gain g of the local average of the data that comes nearest to the output, less that at the "
        "start. Solid: training; dashed: closed form of the constant kernel of the initial network. Lines are medians "
        "over seeds, bands reach from the 25th to the 75th percentile. A gain that is not positive is not drawn."
    )
    return Figure(
        "scales", "Scale of the local average", caption, figure, pd.concat(tables, ignore_index=True)
    )


def _band(ax: Axes, t: np.ndarray, values: np.ndarray, look: style.Mark, dashed: bool, label: str) -> None:
    known = np.isfinite(values).any(axis=0) & (t > 0)
    if not known.any():
        return
    low, middle, high = np.nanpercentile(values[:, known], [25, 50, 75], axis=0)
    ax.fill_between(t[known], low, high, color=look.colour, alpha=0.1 if dashed else 0.25, linewidth=0)
    ax.plot(
        t[known],
        np.where(middle > 0, middle, np.nan),
        color=look.colour,
        linestyle=(0, (4, 2)) if dashed else "-",
        linewidth=style.line(0.9 if dashed else 1.4),
        label=None if dashed else label,
    )


def _outputs(sources: Mapping[str, xr.Dataset]) -> Figure:
    shown = list(sources)[:SHOWN]
    figure, axes = panel_grid(len(shown), 58, horizontal="input x", vertical="output less that at the start")
    tables = []
    for ax, name in zip(axes, shown, strict=True):
        source = sources[name]
        lost = source["diverged"].values.astype(bool)
        run = 0 if lost.all() else int(np.flatnonzero(~lost)[0])
        known = np.flatnonzero(np.isfinite(source["scale"].values[run]))
        places = (
            known[np.unique(np.linspace(0, len(known) - 1, MOMENTS).round().astype(int))]
            if len(known)
            else []
        )
        for index, place in enumerate(places):
            look, step = style.mark(index), int(source["moment_step"].values[place])
            x, values = source["point_x"].values, source["output"].values[run, place]
            scale = float(source["scale"].values[run, place])
            ax.plot(
                x, values, color=look.colour, linestyle=look.dashes, label=f"step {step}, ell {scale:.2g}"
            )
            tables.append(
                pd.DataFrame(
                    {"condition": name, "step": step, "x": x, "output": rounded(values), "scale": scale}
                )
            )
        ax.set_title(name, fontsize=style.text_size(7))
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.28), fontsize=style.text_size(6))
    more = (
        f" The first {len(shown)} of {len(sources)} conditions are drawn."
        if len(sources) > len(shown)
        else ""
    )
    caption = (
        "Output of the first seed that did not diverge, less that at the start, at some of the steps looked at, with "
        f"the scale ell of the local average that comes nearest.{more}"
    )
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"condition": []})
    return Figure("outputs", "Outputs along training", caption, figure, data)


def _instability(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    figure = style.figure("double", 78)
    axes = figure.subplots(1, 2, squeeze=False)[0]
    tables = []
    known = {name: source for name, source in sources.items() if "variance" in source}
    for index, (name, source) in enumerate(known.items()):
        look, t = style.mark(index), source["time_step"].values
        _band(axes[0], t, source["freedom"].values, look, False, name)
        deviations = np.sqrt(source["variance"].values)
        # Nothing is finite where the steps are too long for the kernel.
        middle = np.nanmedian(deviations, axis=0) if np.isfinite(deviations).any() else deviations[0]
        for place, (region, inside) in enumerate(regions_of(source, settings).items()):
            if region or not settings.compare.regions:
                line = np.sqrt((middle[:, inside] ** 2).mean(axis=1))
                label = f"{name}{region}" if region else name
                axes[1].plot(t, line, color=look.colour, linestyle=style.mark(place).dashes, label=label)
                tables.append(
                    pd.DataFrame(
                        {
                            "condition": name,
                            "region": region.lstrip(","),
                            "t": t,
                            "deviation": rounded(line),
                            "freedom": rounded(np.median(source["freedom"].values, axis=0)),
                        }
                    )
                )
    axes[0].set(xscale="log", xlabel="step t", ylabel="degrees of freedom")
    axes[1].set(xscale="log", yscale="log", xlabel="step t", ylabel="deviation for noise of deviation 1")
    axes[1].legend(loc="upper left", bbox_to_anchor=(0, -0.2))
    caption = (
        "Closed form of the constant kernel of the initial network. Left: degrees of freedom, the sum of the fitted "
        "shares of its modes, which only grow. Right: standard deviation of the output where the targets have "
        "independent noise of deviation 1, root mean square over the inputs, medians over seeds."
    )
    return Figure(
        "instability", "Instability of the estimate", caption, figure, pd.concat(tables, ignore_index=True)
    )


def _spreads(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    groups = draws_of(sources, settings)
    figure, axes = panel_grid(
        len(groups), 60, horizontal="step t", vertical="spread of the output over draws"
    )
    tables = []
    for ax, (label, names) in zip(axes, groups.items(), strict=True):
        one = sources[names[0]]
        spread, t = spread_over(sources, names), one["moment_step"].values
        for index, (region, inside) in enumerate(regions_of(one, settings).items()):
            values = np.sqrt((spread[:, :, inside] ** 2).mean(axis=2))
            place = region.lstrip(",") or "all inputs"
            panels.curves_of_runs(ax, t, values, place, index=index, thin=False)
            tables.append(
                pd.DataFrame(
                    {"draws": label, "inputs": place, "t": t, "spread": rounded(np.median(values, axis=0))}
                )
            )
        ax.set(xscale="symlog", title=label)
        ax.legend(loc="upper left")
    caption = (
        "Standard deviation of the output, less that at the start, over conditions that differ in the noise of their "
        "targets only: root mean square over the inputs, medians over seeds."
    )
    return Figure("spreads", "Spread over noise", caption, figure, pd.concat(tables, ignore_index=True))
