"""Is the response a product of time and place, and is it that of first order? Singular values, and errors by rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.response_tables import rounded
from orrery.figures import style
from orrery.numerics.response_profiles import shares_of_singular_values, stage_of

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.response import Settings

NORMS = ("raw", "out", "pre")
RANKS = 8


def draw_separability(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    """Shares of the squared singular values of R[t, x] over all steps and over the late stage.

    Args:
        sources: by condition, with ``response(seed, moment, probe, norm, place)`` and ``mean_error(seed, moment)``.
        settings: of the analysis.
    """
    norm = "out" if "out" in settings.normalisations else settings.normalisations[0]
    place = NORMS.index(norm)
    spans = [(False, "all steps")]
    if any(_shares(source, place, True, False) is not None for source in sources.values()):
        spans.append((True, "late stage"))
    figure = style.figure("double" if len(spans) > 1 else 110.0, 74)
    axes = figure.subplots(1, len(spans), sharey=True, squeeze=False)[0]
    tables = []
    for ax, (late, title) in zip(axes, spans, strict=True):
        for index, (name, source) in enumerate(sources.items()):
            look = style.mark(index)
            for unit_rows in (False, True):
                shares = _shares(source, place, late, unit_rows)
                if shares is None:
                    continue
                ranks = np.arange(1, len(shares) + 1)
                ax.plot(
                    ranks,
                    shares,
                    color=look.colour,
                    marker=look.marker,
                    markersize=3,
                    linestyle="-" if unit_rows else (0, (1.2, 1.2)),
                    linewidth=style.line(0.9),
                    label=name if unit_rows else None,
                )
                tables.append(
                    pd.DataFrame(
                        {
                            "condition": name,
                            "steps": title,
                            "unit_rows": unit_rows,
                            "rank": ranks,
                            "share": rounded(shares),
                        }
                    )
                )
        ax.axhline(0.05, color=style.INK, linestyle=(0, (4, 2)), linewidth=style.line(0.8))
        ax.set(yscale="log", xlabel="rank", ylim=(1e-10, 2))
        ax.set_title(title)
    axes[0].set_ylabel(f"share of s² of R_{norm}[t, x]")
    axes[0].legend(loc="upper left", bbox_to_anchor=(0, -0.18), ncols=2)
    caption = (
        f"Squared singular values of the matrix R_{norm}[t, x] over their sum, medians over seeds, over all steps "
        "looked at and, where it is reached, over the late stage (mean |y - f| below 0.05). Dotted: rows as they are; "
        "solid: rows of length one, the stricter test, since early rows may be larger by decades. A response that is a "
        "product of a decay in time and a kernel in input space has rank 1; dashed: 5 %."
    )
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return Figure("separability", "Is the response a product of time and place?", caption, figure, table)


def _shares(source: xr.Dataset, norm: int, late: bool, unit_rows: bool) -> np.ndarray | None:
    """Medians over seeds of the first shares; ``None`` where no seed has three steps."""
    stages = stage_of(source["mean_error"].values)
    found = []
    for matrix, stage in zip(source["response"].values[:, :, 0, norm], stages, strict=True):
        rows = matrix[stage == 2] if late else matrix
        if len(rows) >= 3:
            shares = np.zeros(RANKS)
            first = shares_of_singular_values(rows, unit_rows=unit_rows)[:RANKS]
            shares[: len(first)] = first
            found.append(shares)
    return np.median(found, axis=0) if found else None


def draw_identity(sources: Mapping[str, xr.Dataset]) -> Figure:
    """Distance of the response from its first order against the rate of the probe step.

    Args:
        sources: by condition, with ``identity(seed, probe, rate)``.
    """
    figure = style.figure(130.0, 84)
    axes = figure.subplots()
    tables = []
    for index, (name, source) in enumerate(sources.items()):
        look = style.mark(index)
        rates = source["identity_rate"].values
        order = np.argsort(rates)
        errors = source["identity"].values[:, 0][:, order]
        low, middle, high = np.nanpercentile(errors, [25, 50, 75], axis=0)
        axes.fill_between(rates[order], low, high, color=look.colour, alpha=0.25, linewidth=0)
        axes.plot(
            rates[order],
            middle,
            color=look.colour,
            linestyle=look.dashes,
            marker=look.marker,
            markersize=3,
            linewidth=style.line(1.0),
            label=name,
        )
        tables.append(
            pd.DataFrame(
                {
                    "condition": name,
                    "seed": np.repeat(source["seed"].values, len(rates)),
                    "rate": np.tile(rates[order], len(errors)),
                    "error": rounded(errors),
                }
            )
        )
    axes.set(
        xscale="log", yscale="log", xlabel="rate of the probe step", ylabel="distance from the first order"
    )
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2)
    caption = (
        "Distance over the places of the measured response from rate x kernel x slope of the loss, relative, against "
        "the rate of the probe step; first state looked at. The slope is 1 where the first order is right. Lines: "
        "medians over seeds; bands: 25th to 75th percentile."
    )
    return Figure(
        "identity",
        "The response and its first order",
        caption,
        figure,
        pd.concat(tables, ignore_index=True),
    )
