"""The figure of the conjugacy check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from orrery.analyses.api import Figure
from orrery.figures import style

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.conjugacy import Settings


def draw(comparison: xr.Dataset, settings: Settings) -> Figure:
    """``gap(place)`` and ``distance(place)`` against the value of the sequence, both axes logarithmic."""
    value = comparison["value"].values
    figure = style.figure("single", 62)
    ax = figure.subplots()
    for index, (name, label) in enumerate(
        (("gap", "largest |x − h(u)|"), ("distance", "W(spectra of x, h(u))"))
    ):
        look = style.mark(index)
        ax.loglog(
            value,
            comparison[name].values,
            color=look.colour,
            marker=look.marker,
            linestyle=look.dashes,
            label=label,
        )
    gap = comparison["gap"].values
    ax.loglog(
        value,
        gap[0] * value / value[0],
        color=style.MUTED,
        linewidth=style.line(0.7),
        linestyle=":",
        label="slope 1",
    )
    ax.set_xlabel(settings.quantity)
    ax.set_ylabel("gap, distance")
    ax.minorticks_off()
    ax.set_xticks(value, [f"{one:g}" for one in value])
    ax.legend()
    shape = "e^u" if settings.map == "exponential" else "u"
    data = pd.DataFrame({settings.quantity: value, "gap": gap, "distance": comparison["distance"].values})
    caption = (
        f"Largest gap between x and h(u) = {shape} over all runs and steps, from matched starts, and the distance "
        f"of the spectra of x and h(u) ({settings.delays} delays, rank at most {settings.rank}, direct SVD), against "
        f"the {settings.quantity}. A conjugacy that holds in the limit only leaves a gap in proportion to the "
        f"{settings.quantity} (dotted: slope 1). No bands: the maps are deterministic."
    )
    return Figure("gap", "Gap to the conjugate partner", caption, figure, data)
