"""Figures of the basins: accuracy over amplitude, sizes along an axis or by condition, and of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib import colormaps

from orrery.analyses.api import Figure
from orrery.analyses.basins_trends import Group, groups_of
from orrery.analyses.figures_in_parts import in_parts
from orrery.figures import style
from orrery.figures.tick_labels import write_numbers

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from orrery.analyses.basins import Settings

WORDS = {"inputs": "noise on inputs", "weights": "noise on weights"}
MOST = 12
"""Conditions of which a figure shows the classes, the course or single samples."""
UNITS = {"inputs": "amplitude s (units of the inputs)", "weights": "amplitude s (std of the layer)"}


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """All figures; sources by condition, with ``accuracy(seed, moment, noise, amplitude)`` and all else."""
    axis, groups = groups_of(sources, settings)
    groups = groups or [Group("", tuple(sources), np.arange(len(sources), dtype=float))]
    figures = [_accuracy(sources, axis, groups), _sizes(sources, axis, groups)]
    return figures + in_parts(sources, MOST, _of_some)


def _of_some(sources: Mapping[str, xr.Dataset]) -> list[Figure]:
    from orrery.analyses.basins_more_figures import draw_moments, draw_single

    figures = [_classes(sources)]
    followed = {name: one for name, one in sources.items() if len(one["moment_step"]) > 2}
    if followed:
        figures.append(draw_moments(followed))
    single = {name: one for name, one in sources.items() if "predicted" in one}
    if single:
        figures.append(draw_single(single))
    return figures


def noise_of(sources: Mapping[str, xr.Dataset]) -> list[str]:
    """The kinds of noise of the results ``basin(seed, moment, noise, threshold)``."""
    return list(next(iter(sources.values())).attrs["noise"])


def means_over_seeds(values: Float[np.ndarray, "seed column"]) -> Float[np.ndarray, " column"]:
    """Over the seeds that have a size; NaN where none has."""
    known = np.isfinite(values)
    return np.divide(
        np.where(known, values, 0).sum(axis=0),
        known.sum(axis=0),
        out=np.full(values.shape[1], np.nan),
        where=known.any(axis=0),
    )


def scale_sizes(ax: Axes) -> None:
    """A logarithmic axis for the sizes that are drawn on it; words where none is larger than 0."""
    drawn = [np.asarray(curve.get_ydata(), dtype=float) for curve in ax.get_lines()]
    if any((values > 0).any() for values in drawn):
        ax.set_yscale("log")
        write_numbers(ax.yaxis)
        return
    ax.set_yticks([])
    ax.text(
        0.5,
        0.5,
        "no size above 0",
        transform=ax.transAxes,
        ha="center",
        va="center",
        color=style.MUTED,
        fontsize=style.text_size(6),
    )


def _colours(count: int) -> list[Any]:
    return [colormaps[style.SEQUENTIAL](value) for value in np.linspace(0.08, 0.85, count)]


def _accuracy(sources: Mapping[str, xr.Dataset], axis: str, groups: list[Group]) -> Figure:
    kinds = noise_of(sources)
    figure = style.figure("double", 12 + 50 * len(groups))
    panes = figure.subplots(len(groups), len(kinds), squeeze=False, sharey=True)
    rows = []
    for row, group in enumerate(groups):
        colours = _colours(len(group.names))
        for column, kind in enumerate(kinds):
            ax: Axes = panes[row, column]
            for number, (name, place) in enumerate(zip(group.names, group.places, strict=True)):
                source = sources[name]
                look = style.mark(number)
                at, curves = source["amplitude"].values, source["accuracy"].values[:, -1, column]
                colour = colours[number] if axis else look.colour
                label = f"{axis} {place:g}" if axis else name
                dashes = "-" if axis else look.dashes
                ax.plot(
                    at,
                    curves.mean(axis=0),
                    color=colour,
                    linestyle=dashes,
                    linewidth=style.line(1.1),
                    label=label,
                )
                ax.fill_between(
                    at, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.15, linewidth=0
                )
                rows += [
                    {
                        "condition": name,
                        "noise": kind,
                        "amplitude": s,
                        "accuracy": mean,
                        "least": low,
                        "largest": high,
                    }
                    for s, mean, low, high in zip(
                        at, curves.mean(axis=0), curves.min(axis=0), curves.max(axis=0), strict=True
                    )
                ]
            for threshold in next(iter(sources.values()))["threshold"].values:
                ax.axhline(
                    threshold, color=style.MUTED, linestyle=(0, (3, 2)), linewidth=style.line(0.6), zorder=1
                )
            ax.set(xscale="log", ylim=(0, 1.02), xlabel=UNITS[kind])
            ax.set_title(", ".join(filter(None, (WORDS[kind], group.label))))
        panes[row, 0].set_ylabel("accuracy, training samples")
        panes[row, -1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=style.text_size(6))
    caption = (
        "Accuracy on training samples against the amplitude of Gaussian noise, at the last moment. Lines: means over "
        "seeds; bands: least and largest of the seeds. Dashed: the thresholds whose first crossing is the "
        "size of a basin."
    )
    return Figure("accuracy", "Accuracy under noise", caption, figure, pd.DataFrame(rows))


def _sizes(sources: Mapping[str, xr.Dataset], axis: str, groups: list[Group]) -> Figure:
    kinds = noise_of(sources)
    thresholds = next(iter(sources.values()))["threshold"].values
    long = max(len(name) for name in sources)
    figure = style.figure("double", 66 if axis else 62 + 0.5 * long)
    panes = figure.subplots(1, len(kinds), squeeze=False)[0]
    markers = ("v", "o", "^", "s", "D")
    rows = []
    for column, kind in enumerate(kinds):
        ax: Axes = panes[column]
        for number, group in enumerate(groups):
            for index, threshold in enumerate(thresholds):
                values = [sources[name]["basin"].values[:, -1, column, index] for name in group.names]
                means = np.array([means_over_seeds(one[:, None])[0] for one in values])
                colour = style.mark(number if len(groups) > 1 else index).colour
                label = f"{group.label} " if len(groups) > 1 else ""
                ax.plot(
                    group.places,
                    means,
                    color=colour,
                    marker=markers[index % len(markers)],
                    markersize=3,
                    linestyle="-" if axis else "none",
                    linewidth=style.line(0.9),
                    label=f"{label}{threshold:.0%}",
                )
                for name, place, one in zip(group.names, group.places, values, strict=True):
                    ax.plot(
                        np.full(len(one), place),
                        one,
                        linestyle="none",
                        marker=".",
                        markersize=1.8,
                        color=colour,
                        alpha=0.5,
                    )
                    rows += [
                        {
                            "condition": name,
                            "noise": kind,
                            "threshold": threshold,
                            "place": place,
                            "basin": size,
                        }
                        for size in one
                    ]
        scale_sizes(ax)
        ax.set_title(WORDS[kind])
        ax.set_xlabel(axis or "")
        if not axis:
            ax.set_xticks(groups[0].places, groups[0].names, rotation=35, ha="right")
            ax.margins(x=0.15)
    panes[0].set_ylabel("size of the basin, s")
    panes[-1].legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=style.text_size(6), title="accuracy"
    )
    caption = (
        "Amplitude at which accuracy first crosses a threshold, at the last moment: points are seeds, larger "
        "marks their means. "
        f"{_left_out(sources)}"
    )
    return Figure("sizes", "Sizes of attraction basins", caption, figure, pd.DataFrame(rows))


def _left_out(sources: Mapping[str, xr.Dataset]) -> str:
    censored = sum(int((one["censored"].values[:, -1] != 0).sum()) for one in sources.values())
    undefined = sum(int(np.isnan(one["basin"].values[:, -1]).sum()) for one in sources.values())
    zero = sum(int((one["basin"].values[:, -1] == 0).sum()) for one in sources.values())
    return (
        f"Of all sizes {censored} lie outside of the amplitudes and stand at their end, {zero} are 0 "
        "(accuracy without noise "
        f"below the threshold) and {undefined} undefined (chance not below it); neither of the latter is drawn."
    )


def _classes(sources: Mapping[str, xr.Dataset]) -> Figure:
    kinds = noise_of(sources)
    first = next(iter(sources.values()))
    middle = int(np.abs(first["threshold"].values - 0.5).argmin())
    figure = style.figure("double", 64)
    panes = figure.subplots(1, len(kinds), squeeze=False)[0]
    rows = []
    for column, kind in enumerate(kinds):
        for number, (name, source) in enumerate(sources.items()):
            sizes = source["class_basin"].values[:, -1, column, middle]  # (seed, class)
            look = style.mark(number)
            means = means_over_seeds(sizes)
            panes[column].plot(
                np.arange(len(means)),
                means,
                color=look.colour,
                marker=look.marker,
                markersize=3,
                linestyle=look.dashes,
                linewidth=style.line(0.7),
                label=name,
            )
            rows += [
                {"condition": name, "noise": kind, "seed": int(seed), "class": label, "basin": size}
                for seed, of_seed in zip(source["seed"].values, sizes, strict=True)
                for label, size in enumerate(of_seed)
            ]
        scale_sizes(panes[column])
        panes[column].set_xlabel("class")
        panes[column].set_title(WORDS[kind])
    panes[0].set_ylabel("size of the basin, s")
    if len(sources) <= 12:
        panes[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=style.text_size(6))
    level = float(first["threshold"].values[middle])
    caption = (
        f"Amplitude at which the accuracy of each class first crosses {level:.0%}, at the last moment: means "
        "over seeds. "
        "Classes that are not right as often without noise have size 0 and are not drawn."
    )
    return Figure("classes", "Basins of the classes", caption, figure, pd.DataFrame(rows))
