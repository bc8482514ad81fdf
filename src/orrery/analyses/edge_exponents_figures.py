"""Figures of local exponents beside the edge of stability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.figures import panels, style

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.edge_exponents import Settings

GROWTHS = {
    "sharpest_stretch": "finite-time, along the sharpest direction",
    "lowest_stretch": "finite-time, along the lowest curvature",
}
COLUMNS = ("product", "local", "finite_time", *GROWTHS, "sharpest_growth", "lowest_growth")
LINEAR = 1e-3
"""Growth below this is drawn on a linear axis where the threshold is 0; beyond, decades."""


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """One row per condition: sharpness over edge, and local exponents; then exponents against sharpness over edge.

    Args:
        sources: by condition, with ``local(seed, moment)`` and ``product(seed, moment)``.
        settings: of the analysis.
    """
    return [_over_steps(sources, settings), *_against_product(sources)]


def _over_steps(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    figure = style.figure("double", 20 + 56 * len(sources))
    axes = figure.subplots(len(sources), 2, squeeze=False, sharex="row")
    tables = []
    for row, (name, source) in enumerate(sources.items()):
        left, right = axes[row]
        steps = source["moment_step"].values
        lost = source["diverged"].values.astype(bool)
        panels.curves_of_runs(left, steps, source["product"].values, name, index=row, diverged=lost)
        left.axhline(1.0, color=style.INK, linestyle=(0, (4, 2)), linewidth=style.line(0.9))
        left.set(ylabel="sharpness over edge", ylim=(0, None))
        left.set_title(name)
        local = source["local"].values
        panels.curves_of_runs(
            right, steps, local, "local exponent of a carried vector", index=row, diverged=lost
        )
        for offset, (variable, label) in enumerate(GROWTHS.items(), start=3):
            look = style.mark(offset)
            values = source[variable].values[~lost]
            if len(values):
                right.plot(
                    steps,
                    np.median(values, axis=0),
                    color=look.colour,
                    linestyle=look.dashes,
                    linewidth=style.line(0.9),
                    label=label,
                )
        right.axhline(0.0, color=style.INK, linewidth=style.line(0.6))
        # Exponents of a hundredth and growth of the sharpest direction by a third of e are both to be read.
        linear = settings.threshold or LINEAR
        right.set_yscale("symlog", linthresh=linear, linscale=0.6)
        right.axhspan(-linear, linear, color=style.GRID, alpha=0.4, linewidth=0)
        right.set_ylim(-3, 1)
        right.set_ylabel("growth per step (ln)")
        right.legend(loc="upper left", bbox_to_anchor=(0, -0.22), ncols=1)
        for ax in (left, right):
            ax.set_xlabel("step")
            for step in source["crossing"].values[np.isfinite(source["crossing"].values)]:
                ax.axvline(step, ymax=0.05, color=style.MUTED, linewidth=style.line(0.7))
        tables.append(_table(name, source))
    caption = (
        "Left: sharpness over the edge of stability (rate x sharpness / 2 for plain descent); dashed: 1. Right: the "
        f"leading local Lyapunov exponent of the analysis {settings.of}, the mean since the point before, of a "
        "vector that has been carried along since the start, beside finite-time exponents of the same stretch, which "
        "begin anew: "
        "growth of the sharpest direction at its start, and of that of the lowest curvature (medians over seeds). "
        "Thin lines: seeds; thick lines: medians; bands: 25th to 75th percentile; ticks on the axis: "
        "where a seed first stands at the edge or above. The right axis is linear within the grey band, up to the size "
        "that counts as positive, and logarithmic beyond."
    )
    return Figure(
        "exponents",
        "Local exponents and the edge of stability",
        caption,
        figure,
        pd.concat(tables, ignore_index=True),
    )


def _against_product(sources: Mapping[str, xr.Dataset]) -> list[Figure]:
    """Growth of the sharpest direction over a stretch against the sharpness there, where there is an edge."""
    known = {name: source for name, source in sources.items() if np.isfinite(source["edge"].values).all()}
    if not known:
        return []
    figure = style.figure(130.0, 88)
    axes = figure.subplots()
    tables = []
    reach = 1.0
    for index, (name, source) in enumerate(known.items()):
        look = style.mark(index)
        kept = ~source["diverged"].values.astype(bool)
        product = source["product"].values[kept]
        middle = (product[:, 1:] + product[:, :-1]) / 2
        grown = source["sharpest_stretch"].values[kept][:, 1:]
        if middle.size:
            reach = max(reach, float(np.nanmax(middle)))
        axes.plot(
            middle.ravel(),
            grown.ravel(),
            look.marker,
            color=look.colour,
            markersize=2.6,
            alpha=0.6,
            markeredgewidth=0,
            label=name,
        )
        stretches = middle.shape[1]
        tables.append(
            pd.DataFrame(
                {
                    "condition": name,
                    "seed": np.repeat(source["seed"].values[kept], stretches),
                    "step": np.tile(source["moment_step"].values[1:], len(middle)),
                    "product": [float(f"{value:.6g}") for value in middle.ravel()],
                    "sharpest_stretch": [float(f"{value:.6g}") for value in grown.ravel()],
                }
            )
        )
    line = np.linspace(0.0, 1.05 * reach, 801)
    with np.errstate(divide="ignore"):
        axes.plot(
            line,
            np.log(np.abs(1 - 2 * line)),
            color=style.INK,
            linewidth=style.line(0.9),
            label="ln |1 - 2 x sharpness over edge|",
        )
    axes.axvline(1.0, color=style.INK, linestyle=(0, (4, 2)), linewidth=style.line(0.9))
    axes.axhline(0.0, color=style.INK, linewidth=style.line(0.6))
    axes.set(
        xlabel="sharpness over edge",
        ylabel="finite-time exponent (ln per step)",
        xlim=(0, None),
        ylim=(-1.5, 1),
    )
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2)
    caption = (
        "Finite-time exponent of each stretch along the direction that is sharpest at its start, against the sharpness "
        "over the edge, the mean of both ends of the stretch. One point per seed and stretch. Solid: ln |1 - rate x "
        "sharpness|, what a step of plain descent at that sharpness gives: it turns positive at the edge (dashed). "
        "Points leave the line where sharpness or direction change within the stretch; well below the edge, where the "
        "sharpest direction shrinks most, what is left of it lies along directions that shrink less."
    )
    return [
        Figure(
            "link",
            "Growth along the sharpest direction and the edge of stability",
            caption,
            figure,
            pd.concat(tables, ignore_index=True),
        )
    ]


def _table(name: str, source: xr.Dataset) -> pd.DataFrame:
    seeds, steps = source["seed"].values, source["moment_step"].values
    return pd.DataFrame(
        {
            "condition": name,
            "seed": np.repeat(seeds, len(steps)),
            "step": np.tile(steps, len(seeds)),
            **{
                column: [float(f"{value:.6g}") for value in source[column].values.ravel()]
                for column in COLUMNS
            },
        }
    )
