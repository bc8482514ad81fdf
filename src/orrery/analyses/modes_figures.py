"""Figures of the modes of neurons: rank densities, gradients over training, truncation curves, errors of the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Int, Real
from matplotlib import colormaps

from orrery.analyses.api import Figure
from orrery.analyses.figures_in_parts import in_parts
from orrery.analyses.modes_sizes import by_size
from orrery.analyses.modes_truncation import FORMS
from orrery.figures import panels, style
from orrery.figures.grids import panel_grid
from orrery.figures.tick_labels import write_numbers

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from orrery.analyses.modes import Settings

DIGITS = 6
MOST = 12
"""Conditions that a figure shows."""
NAMED = 6
"""Up to so many layers have a line of their own in a legend; of more, every few."""
TWO_COLUMNS = 5.0
"""Inches from which on a figure spans two columns of a page."""
WIDE = 50
"""Steps are drawn on a logarithmic axis where the last is so many times the first after the start."""


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """All figures.

    Args:
        sources: by condition, with ``gradient(seed, moment, layer, class)`` and all else that the analysis gives.
        settings: of the analysis, for its pairs.
    """
    kept = {name: one.isel(seed=~one["diverged"].values.astype(bool)) for name, one in sources.items()}
    kept = {name: one for name, one in kept.items() if one.sizes["seed"]}
    if not kept:
        return []
    figures = in_parts(kept, MOST, _of_some)
    sizes = by_size(sources, settings)
    if sizes:
        from orrery.analyses.modes_sizes_figure import draw_sizes

        figures.append(draw_sizes(sizes))
    return figures


def _of_some(kept: Mapping[str, xr.Dataset]) -> list[Figure]:
    figures = [_layers(kept), _classes(kept), _gradients(kept)]
    deep = {name: one for name, one in kept.items() if one.sizes["layer"] > 1}
    if deep:
        figures.append(_slopes(deep))
    normalised = {name: one for name, one in kept.items() if "mean_gap" in one}
    if normalised:
        from orrery.analyses.modes_statistics_figure import draw_statistics

        figures.append(draw_statistics(normalised))
    known = {name: one for name, one in kept.items() if "truncated_accuracy" in one}
    if known:
        figures += [_truncation(known), _errors(known)]
    return figures


def _layers(kept: Mapping[str, xr.Dataset]) -> Figure:
    figure, axes = panel_grid(
        len(kept), 50, horizontal="normalised rank", vertical="rank density", sharex=True, sharey=True
    )
    tables = []
    looks = layer_looks(kept)
    for ax, (name, one) in zip(axes, kept.items(), strict=True):
        density = one["layer_density"].values[:, -1].mean(axis=0)
        centres = _centres(density.shape[-1])
        for place, (colour, label) in enumerate(looks[: len(density)]):
            ax.plot(centres, density[place], color=colour, linewidth=style.line(1.1), label=label)
            tables.append(table(name, {"layer": place + 1}, {"rank": centres, "density": density[place]}))
        _finish(ax, name, 1.0)
    layer_legend(figure, axes, "layer")
    caption = (
        "Rank densities of the samples of a class among all, under the local field of a neuron times the sign of its "
        "influence on that class, mean over neurons, classes and seeds at the last step; one line per hidden layer. "
        "Dashed: no order. Steep: most neurons keep the order of the samples."
    )
    return Figure("layers", "Rank densities by layer", caption, figure, pd.concat(tables))


def _classes(kept: Mapping[str, xr.Dataset]) -> Figure:
    figure, axes = panel_grid(
        len(kept), 50, horizontal="normalised rank", vertical="rank density", sharex=True, sharey=True
    )
    tables = []
    for ax, (name, one) in zip(axes, kept.items(), strict=True):
        density = one["density"].values[:, -1].mean(axis=(0, 1))
        centres = _centres(density.shape[-1])
        for place, number in enumerate(one.attrs["classes"]):
            look = style.mark(place)
            ax.plot(
                centres,
                density[place],
                color=look.colour,
                linestyle=look.dashes,
                linewidth=style.line(0.9),
                label=str(number),
            )
            tables.append(table(name, {"class": number}, {"rank": centres, "density": density[place]}))
        _finish(ax, name, 1.0)
    layer_legend(figure, axes, "class")
    caption = (
        "The same by class: mean over neurons, hidden layers and seeds at the last step, one line per class that is "
        "kept apart."
    )
    return Figure("classes", "Rank densities by class", caption, figure, pd.concat(tables))


def _gradients(kept: Mapping[str, xr.Dataset]) -> Figure:
    figure, axes = panel_grid(len(kept), 50, horizontal="step", vertical="gradient G", sharey=True)
    tables = []
    looks = layer_looks(kept)
    for ax, (name, one) in zip(axes, kept.items(), strict=True):
        steps, gradient = one["moment_step"].values, one["layer_gradient"].values
        for place, (colour, label) in enumerate(looks[: gradient.shape[2]]):
            curve = gradient[:, :, place]
            ax.plot(steps, curve.T, color=colour, linewidth=style.line(0.4), alpha=0.3)
            ax.plot(steps, curve.mean(axis=0), color=colour, linewidth=style.line(1.3), label=label)
            for seed, row in zip(one["seed"].values, curve, strict=True):
                tables.append(
                    table(name, {"layer": place + 1, "seed": seed}, {"step": steps, "gradient": row})
                )
        step_axis(ax, steps)
        _finish(ax, name, 0.0)
    layer_legend(figure, axes, "layer")
    caption = (
        "Gradient G of the rank densities, mean over neurons and classes, over training: thin lines are seeds, thick "
        "lines their means, one colour per hidden layer. Dashed: random weights, or neurons that change the order."
    )
    return Figure("gradients", "Gradients of rank densities by layer", caption, figure, pd.concat(tables))


def _slopes(deep: Mapping[str, xr.Dataset]) -> Figure:
    figure = style.figure("double", 74)
    axes = figure.subplots(1, 2)
    tables = []
    longest: Any = ()
    for index, (name, one) in enumerate(deep.items()):
        steps = one["moment_step"].values
        longest = max(longest, steps, key=lambda values: values[-1] if len(values) else -1)
        # At initialisation G is chance, and so is what it is divided by.
        after = steps > 0
        for ax, kind, drawn in zip(axes, ("slope", "spread"), (steps >= 0, after), strict=True):
            values = one[kind].values[:, drawn]
            panels.curves_of_runs(ax, steps[drawn], values, name, index=index, thin=len(deep) < 4)
        for seed, slope, spread in zip(
            one["seed"].values, one["slope"].values, one["spread"].values, strict=True
        ):
            tables.append(table(name, {"seed": seed}, {"step": steps, "slope": slope, "spread": spread}))
    axes[0].set_ylabel("slope of G per layer")
    axes[1].set_ylabel("(max - min) / |mean| of G over layers")
    axes[1].set_yscale("log")
    write_numbers(axes[1].yaxis)
    for ax in axes:
        step_axis(ax, longest)
        ax.set_xlabel("step")
    axes[0].axhline(0, color=style.MUTED, linestyle=(0, (4, 2)), linewidth=style.line(0.8))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    caption = (
        "Left: slope of G over the number of the hidden layer; negative where early layers are steeper (phase I), "
        "positive where late ones are (phase II). Right: how far the layers are apart after step 0; small where all "
        "come to one value. Thick lines: medians over seeds; bands: 25th to 75th percentile."
    )
    return Figure("phases", "Phases of training", caption, figure, pd.concat(tables))


def _truncation(known: Mapping[str, xr.Dataset]) -> Figure:
    figure, axes = panel_grid(
        len(known), 52, horizontal="layers kept nonlinear, from below", vertical="accuracy", sharey=True
    )
    tables = []
    for ax, (name, one) in zip(axes, known.items(), strict=True):
        last = one.isel(moment=-1)
        for place, part in enumerate(one.attrs["parts"]):
            look = style.mark(place)
            curves = last["truncated_accuracy"].values[:, place].mean(axis=0)
            full = float(last["accuracy"].values[:, place].mean())
            # Layer l in the form "field" keeps l - 1 activations, in the form "activation" l.
            kept = np.arange(len(curves) + 1)
            joined = np.concatenate([curves[:1, FORMS.index("field")], curves[:, FORMS.index("activation")]])
            ax.plot(kept, joined, color=look.colour, linestyle=look.dashes, marker=look.marker, label=part)
            ax.axhline(full, color=look.colour, linewidth=style.line(0.5), linestyle=(0, (1, 2)))
            tables.append(table(name, {"part": part, "full": full}, {"kept": kept, "accuracy": joined}))
        ax.set_title(name)
        ax.locator_params(axis="x", integer=True)
    layer_legend(figure, axes, None)
    caption = (
        "Truncation: accuracy with the activations of the lowest hidden layers kept and all above replaced by their "
        "linear map, mean over seeds at the last step. On the left nothing is kept, on the right all of it; dotted: "
        "the full network."
    )
    return Figure("truncation", "Truncation curves", caption, figure, pd.concat(tables))


def _errors(known: Mapping[str, xr.Dataset]) -> Figure:
    figure, axes = panel_grid(
        len(known), 52, horizontal="hidden layer", vertical="error of the linear map", sharey=True
    )
    tables = []
    kinds = {"map_disagreement": "another class", "map_error": "relative L2 error"}
    for ax, (name, one) in zip(axes, known.items(), strict=True):
        last = one.isel(moment=-1)
        for index, (kind, words) in enumerate(kinds.items()):
            for form in FORMS:
                values = last[kind].values[:, -1, :, FORMS.index(form)].mean(axis=0)
                look = style.mark(index)
                ax.plot(
                    1 + np.arange(len(values)),
                    values,
                    color=look.colour,
                    marker=look.marker,
                    markerfacecolor=look.colour if form == "activation" else "none",
                    linestyle="-" if form == "activation" else (0, (3, 2)),
                    label=f"{words}, {form} form",
                )
                tables.append(
                    table(
                        name,
                        {"kind": kind, "form": form},
                        {"layer": 1 + np.arange(len(values)), "value": values},
                    )
                )
        ax.set_title(name)
        ax.set_yscale("symlog", linthresh=1e-3, linscale=0.4)
        ax.locator_params(axis="x", integer=True)
        ax.set_xlim(0.5, one.sizes["layer"] + 0.5)
        if one.sizes["layer"] == 1:
            ax.set_xticks([1])
    axes[0].set_ylim(bottom=0)
    layer_legend(figure, axes, None, columns=2)
    part = next(iter(known.values())).attrs["parts"][-1]
    caption = (
        f"How far a network with linear layers above one layer is from the full one on the {part} samples at the last "
        "step, mean over seeds: share of samples that get another class, and relative L2 error of the last layer. In "
        "the field form the activation of the layer itself is linear too; in the activation form the last hidden layer "
        "has no error."
    )
    return Figure("map-errors", "Errors of the linear map", caption, figure, pd.concat(tables))


def layer_looks(kept: Mapping[str, xr.Dataset]) -> list[tuple[Any, str | None]]:
    """A colour for each layer along one scale, the same in all conditions, and a name for some of them.

    Args:
        kept: by condition, with ``layer_gradient(seed, moment, layer)``.
    """
    count = max(one.sizes["layer"] for one in kept.values())
    scale = colormaps[style.SEQUENTIAL]
    named = set(np.unique(np.linspace(1, count, min(count, NAMED)).round().astype(int)).tolist())
    return [
        (scale(0.9 * place / max(1, count - 1)), str(place + 1) if place + 1 in named else None)
        for place in range(count)
    ]


def _centres(bins: int) -> np.ndarray:
    return (np.arange(bins) + 0.5) / bins


def step_axis(ax: Axes, steps: Int[np.ndarray, " moment"]) -> None:
    """A logarithmic axis of steps, 0 among them, where the moments are spread so; else a linear one."""
    after = steps[steps > 0]
    if len(after) and after[-1] >= WIDE * after[0]:
        ax.set_xscale("symlog", linthresh=float(after[0]), linscale=1.0)
        ax.set_xlim(left=0)


def _finish(ax: Axes, name: str, level: float) -> None:
    ax.axhline(level, color=style.MUTED, linestyle=(0, (4, 2)), linewidth=style.line(0.7), zorder=1)
    ax.set_title(name)


def layer_legend(figure: Any, axes: list[Axes], title: str | None, columns: int = 7) -> None:
    """One legend for all panels, of the panel that names most; the deepest network names all that any names."""
    handles, labels = max((ax.get_legend_handles_labels() for ax in axes), key=lambda found: len(found[1]))
    # A figure of one column has no room for more than five.
    room = columns if figure.get_figwidth() > TWO_COLUMNS else 5
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), room), title=title)


def table(
    name: str, fixed: Mapping[str, Any], columns: Mapping[str, Real[np.ndarray, " row"]]
) -> pd.DataFrame:
    """Rows of a condition, in few digits."""
    rounded = {
        key: [float(f"{value:.{DIGITS}g}") for value in np.asarray(values, dtype=float)]
        for key, values in columns.items()
    }
    return pd.DataFrame({"condition": name, **fixed, **rounded})
