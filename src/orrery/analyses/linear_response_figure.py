"""The figure of the linear response of perturbed copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex

from orrery.analyses.api import Figure
from orrery.figures import panels, style

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.linear_response import Settings

LEAST = 1e-9
"""Smaller differences are drawn here."""
MOST_MARKS = 6
"""More sizes than these are told apart by one scale of colours, from the smallest to the largest."""
WIDE = 30.0
"""Responses that differ by a larger factor stand on a logarithmic axis."""


def draw(comparison: xr.Dataset, sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    """Two panels.

    Args:
        comparison: ``difference(condition, moment)``.
        sources: by condition, ``response(seed, copy, moment)``.
        settings: name the reference.
    """
    figure = style.figure("double", 78)
    left, right = figure.subplots(1, 2)
    steps = comparison["moment_step"].values
    tables = []
    conditions = comparison.attrs["conditions"]
    # A study may give the sizes in any order.
    names = sorted(conditions, key=lambda name: sources[name].attrs["amplitude"])
    for look, name in zip(_looks(len(names)), names, strict=True):
        # The mean over copies of the first seed: one curve for each size.
        response = sources[name]["response"].values[0].mean(axis=0)
        difference = comparison["difference"].values[conditions.index(name)]
        amplitude = sources[name].attrs["amplitude"]
        left.plot(
            steps,
            response,
            color=look.colour,
            linestyle=look.dashes,
            linewidth=style.line(1.1),
            label=f"{amplitude:g}",
        )
        if name != settings.reference:
            right.semilogy(
                steps,
                np.maximum(difference, LEAST),
                color=look.colour,
                linestyle=look.dashes,
                linewidth=style.line(1.1),
            )
        tables.append(
            pd.DataFrame(
                {
                    "condition": name,
                    "amplitude": amplitude,
                    "step": steps,
                    "response": response,
                    "difference": difference,
                }
            )
        )
    right.axhline(0.01, color=style.MUTED, linewidth=style.line(0.7), linestyle="--")
    drawn = np.concatenate([table["response"] for table in tables])
    drawn = drawn[drawn > 0]
    if drawn.size and drawn.max() > WIDE * drawn.min():
        left.set_yscale("log")
    left.set_xlabel("step")
    left.set_ylabel("d(t) / size of the perturbation")
    right.set_xlabel("step")
    right.set_ylabel("relative difference")
    left.legend(
        title="size", loc="upper left", bbox_to_anchor=(0, -0.2), ncols=4 if len(names) <= MOST_MARKS else 8
    )
    panels.panel_letter(left, "a")
    panels.panel_letter(right, "b")
    reference = sources[settings.reference].attrs["amplitude"]
    caption = (
        "a: entrywise L1 distance of perturbed copies over the size of the perturbation, first seed, mean over copies; "
        "where the response is linear, curves of all sizes fall on one. b: largest relative difference from the size "
        f"{reference:g} over all seeds and copies; dashed: 1 %."
    )
    return Figure(
        "response",
        "Response to perturbations of several sizes",
        caption,
        figure,
        pd.concat(tables, ignore_index=True),
    )


def _looks(count: int) -> list[style.Mark]:
    """Looks of sizes in ascending order: those of all figures for a few, a scale of colours for many."""
    if count <= MOST_MARKS:
        return [style.mark(index) for index in range(count)]
    colours = [to_hex(colour) for colour in colormaps[style.SEQUENTIAL](np.linspace(0, 1, count))]
    return [style.Mark(colour, "o", "-") for colour in colours]
