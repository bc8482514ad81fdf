"""Figures of the sharpness: against the edge of stability, with the loss beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.figures import panels, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

DIGITS = 6


def draw(sources: Mapping[str, xr.Dataset]) -> list[Figure]:
    """All figures.

    Args:
        sources: by condition, with ``sharpness(seed, moment, rank)`` and all else that the analysis gives.
    """
    figures = [_sharpness(sources)]
    if any(np.isfinite(source["edge"].values).any() for source in sources.values()):
        figures.append(_products(sources))
    if any("trace" in source for source in sources.values()):
        figures.append(_traces(sources))
    return figures


def draw_edge(axes: Axes, source: xr.Dataset, label: str | None = "edge") -> None:
    """The edge of stability as a dashed line, for a result with ``edge(moment)``."""
    edge = source["edge"].values
    if np.isfinite(edge).any():
        axes.plot(
            source["moment_step"].values,
            edge,
            color=style.INK,
            linestyle=(0, (4, 2)),
            linewidth=style.line(0.9),
            label=label,
            zorder=4,
        )


def _sharpness(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure = style.figure("double", 10 + 52 * len(sources))
    axes = figure.subplots(len(sources), 2, squeeze=False)
    tables = []
    for row, (name, source) in enumerate(sources.items()):
        steps, lost = source["moment_step"].values, source["diverged"].values.astype(bool)
        left, right = axes[row]
        sharpness = source["sharpness"].values[:, :, 0]
        panels.curves_of_runs(left, steps, sharpness, "sharpness", index=row, diverged=lost)
        draw_edge(left, source)
        for step in source["crossing"].values[np.isfinite(source["crossing"].values)]:
            left.axvline(step, ymax=0.05, color=style.MUTED, linewidth=style.line(0.7))
        left.set_ylabel("sharpness")
        left.set_title(name)
        left.set_ylim(bottom=0)
        left.legend(loc="upper left", bbox_to_anchor=(0, -0.22), ncols=2)
        panels.curves_of_runs(right, steps, source["loss"].values, "loss", index=row, diverged=lost)
        right.set_yscale("log")
        right.set_ylabel("loss")
        for place in (left, right):
            place.set_xlabel("step")
        tables.append(_table(name, source))
    batch = "all training samples" if _batch(sources) == "full" else "the batch of the step"
    caption = (
        f"Left: sharpness, the largest eigenvalue of the Hessian of the loss on {batch}, against the step. Dashed: the "
        "edge of stability, 2 / rate for plain descent; ticks on the axis: where a seed first stands at it or above. "
        "Right: the loss. Thin lines: seeds; thick lines: medians over seeds; bands: 25th to 75th percentile."
        f"{_converted(sources)}"
    )
    return Figure(
        "sharpness",
        "Sharpness and the edge of stability",
        caption,
        figure,
        pd.concat(tables, ignore_index=True),
    )


def _products(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure = style.figure(130.0, 82)
    axes = figure.subplots()
    tables = []
    for index, (name, source) in enumerate(sources.items()):
        if not np.isfinite(source["edge"].values).any():
            continue
        product = source["product"].values
        lost = source["diverged"].values.astype(bool)
        steps = source["moment_step"].values
        panels.curves_of_runs(axes, steps, product, name, index=index, diverged=lost)
        tables.append(_long(name, source, product, "product"))
    axes.axhline(1.0, color=style.INK, linestyle=(0, (4, 2)), linewidth=style.line(0.9))
    axes.set(xlabel="step", ylabel="sharpness over edge", ylim=(0, None))
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.18), ncols=2)
    caption = (
        "Sharpness over the edge of stability: rate x sharpness / 2 for plain descent. Above 1 (dashed) a minimum of "
        "that sharpness would be left. Thin lines: seeds; thick lines: medians over seeds; bands: 25th to 75th "
        "percentile."
    )
    return Figure("product", "Sharpness over the edge", caption, figure, pd.concat(tables, ignore_index=True))


def _traces(sources: Mapping[str, xr.Dataset]) -> Figure:
    known = {name: source for name, source in sources.items() if "trace" in source}
    columns = min(2, len(known))
    rows = -(-len(known) // columns)
    figure = style.figure("double" if columns > 1 else 120.0, 8 + 52 * rows)
    panes = figure.subplots(rows, columns, squeeze=False).ravel()
    tables = []
    for index, (name, source) in enumerate(known.items()):
        axes, look = panes[index], style.mark(index)
        steps = source["moment_step"].values
        for trace, error in zip(source["trace"].values, source["trace_error"].values, strict=True):
            axes.fill_between(steps, trace - error, trace + error, color=look.colour, alpha=0.12, linewidth=0)
            axes.plot(steps, trace, color=look.colour, linewidth=style.line(0.7))
        axes.set_title(name)
        axes.set(xlabel="step", ylabel="trace of the Hessian")
        frame = _long(name, source, source["trace"].values, "trace")
        tables.append(frame.assign(standard_error=_rounded(source["trace_error"].values)))
    for spare in panes[len(known) :]:
        spare.set_visible(False)
    caption = (
        "Trace of the Hessian, one line per seed, by Hutchinson's estimator; bands are one standard error over the "
        "probes, which are the same at every step of a seed: the whole of a line may lie too high or too low by that "
        "much, while its course is better known."
    )
    return Figure("trace", "Trace of the Hessian", caption, figure, pd.concat(tables, ignore_index=True))


def _batch(sources: Mapping[str, xr.Dataset]) -> str:
    return str(next(iter(sources.values())).attrs.get("batch", "full"))


def _converted(sources: Mapping[str, xr.Dataset]) -> str:
    single = [name for name, source in sources.items() if source.attrs.get("recorded") == "float32"]
    if not single:
        return ""
    return (
        f" States were recorded in float32 ({', '.join(single)}); the Hessian at them is computed in float64."
    )


def _table(name: str, source: xr.Dataset) -> pd.DataFrame:
    frame = _long(name, source, source["sharpness"].values[:, :, 0], "sharpness")
    frame["residual"] = _rounded(source["residual"].values[:, :, 0])
    frame["edge"] = _rounded(np.broadcast_to(source["edge"].values, source["loss"].shape))
    frame["loss"] = _rounded(source["loss"].values)
    return frame


def _long(name: str, source: xr.Dataset, values: np.ndarray, column: str) -> pd.DataFrame:
    """One row per seed and step, six significant digits."""
    seeds, steps = source["seed"].values, source["moment_step"].values
    return pd.DataFrame(
        {
            "condition": name,
            "seed": np.repeat(seeds, len(steps)),
            "step": np.tile(steps, len(seeds)),
            column: _rounded(values),
        }
    )


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in np.asarray(values, dtype=float).ravel()]
