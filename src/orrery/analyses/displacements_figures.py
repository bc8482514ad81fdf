"""Figures of displacements: path against displacement, L1 norm over time, single weights over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.runs import evenly
from orrery.config.errors import OrreryError
from orrery.figures import panels, style
from orrery.figures.grids import panel_grid

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.displacements import Settings

MOST_POINTS = 3000
"""Weights drawn of one seed and tensor at most, evenly spaced."""
MOST_PANELS = 6
MOST_SEEDS = 10


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """All figures.

    Args:
        sources: by condition, ``relative(seed, component)``, ``path(seed, component)`` and the rest.
        settings: name the seed whose single weights are drawn.

    Raises:
        OrreryError: there is no condition, or it does not have the seed whose single weights are drawn.
    """
    if not sources:
        raise OrreryError("displacements: no condition was analysed; widen its patterns of conditions")
    found = [_paths(sources), _norms(sources)]
    followed = {name: source for name, source in sources.items() if "single" in source}
    if followed:
        found.append(_single(followed, None if settings.follow is None else settings.follow.seed))
    ablated = {name: source for name, source in sources.items() if "loss_ratio" in source}
    if ablated:
        found.append(_loss_ratios(ablated))
    return found


def _panels(sources: Mapping[str, xr.Dataset]) -> tuple[list[str], str]:
    names = list(sources)
    chosen = [names[place] for place in evenly(len(names), MOST_PANELS)]
    told = (
        f" Shown are {len(chosen)} of {len(names)} conditions, evenly spaced."
        if len(chosen) < len(names)
        else ""
    )
    return chosen, told


def _paths(sources: Mapping[str, xr.Dataset]) -> Figure:
    """Path length of each weight against its displacement, by tensor."""
    names, told = _panels(sources)
    figure, axes = panel_grid(len(names), 64, horizontal="relative displacement", vertical="path length")
    tables = []
    for ax, name in zip(axes, names, strict=True):
        source = sources[name]
        first = 0
        for index, tensor in enumerate(source.attrs["components"]):
            part = slice(first, first + tensor["size"])
            first += tensor["size"]
            taken = evenly(tensor["size"], MOST_POINTS)
            relative = source["relative"].values[:MOST_SEEDS, part][:, taken]
            path = source["path"].values[:MOST_SEEDS, part][:, taken]
            shown = np.isfinite(relative) & np.isfinite(path)
            if not shown.any():
                continue
            look = style.mark(index)
            ax.plot(
                relative[shown],
                path[shown],
                linestyle="none",
                marker=look.marker,
                markersize=2,
                markeredgewidth=0,
                color=look.colour,
                alpha=0.5,
                label=tensor["name"],
                rasterized=True,
            )
            seeds = np.broadcast_to(source["seed"].values[:MOST_SEEDS, None], shown.shape)
            entries = np.broadcast_to(taken, shown.shape)
            table = pd.DataFrame(
                {
                    "seed": seeds[shown],
                    "entry": entries[shown],
                    "displacement": relative[shown],
                    "path": path[shown],
                }
            )
            table.insert(0, "tensor", tensor["name"])
            table.insert(0, "condition", name)
            tables.append(table)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_title(name, fontsize=style.text_size(7))
    axes[0].legend(fontsize=style.text_size(6), markerscale=2)
    caption = (
        "Path length of single weights, the sum over steps of |w(t) − w(t − 1)|, against their relative displacement "
        f"|w(T) − w(0)| / |w(0)|, of the first {MOST_SEEDS} seeds. Weights that start at zero have no relative "
        f"displacement and are left out.{told}"
    )
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"condition": [], "path": []})
    return Figure("paths", "Path length against displacement", caption, figure, data)


def _norms(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure = style.figure("single", 68)
    ax = figure.subplots()
    tables = []
    for index, (name, source) in enumerate(sources.items()):
        steps, norm = source["moment_step"].values, source["norm"].values
        panels.curves_of_runs(ax, steps, norm, name, index=index)
        table = pd.DataFrame(norm.T, columns=[f"seed {seed}" for seed in source["seed"].values])
        table.insert(0, "step", steps)
        table.insert(0, "condition", name)
        tables.append(table)
    ax.set_xlabel("step")
    ax.set_ylabel("sum of |w|")
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    caption = (
        "Sum of the absolute values of all weights and biases that are read, over training. Thin lines: the original "
        "run of every seed; thick lines are medians, bands reach from the 25th to the 75th percentile."
    )
    return Figure("norm", "L1 norm of the weights", caption, figure, pd.concat(tables, ignore_index=True))


def _single(sources: Mapping[str, xr.Dataset], seed: int | None) -> Figure:
    """Single weights of one seed of each condition."""
    names, told = _panels(sources)
    figure, axes = panel_grid(len(names), 58, horizontal="step", vertical="weight")
    tables = []
    for ax, name in zip(axes, names, strict=True):
        source = sources[name]
        of = _row(source, name, seed)
        steps, values, labels = (
            source["moment_step"].values,
            source["single"].values[of],
            source.attrs["entries"],
        )
        tensors = [label.partition("[")[0] for label in labels]
        order = list(dict.fromkeys(tensors))
        for entry, tensor in enumerate(tensors):
            look = style.mark(order.index(tensor))
            label = tensor if tensors.index(tensor) == entry else None
            ax.plot(
                steps,
                values[:, entry],
                color=look.colour,
                linestyle=look.dashes,
                linewidth=style.line(0.7),
                alpha=0.8,
                label=label,
            )
        ax.set_title(f"{name}, seed {int(source['seed'].values[of])}", fontsize=style.text_size(7))
        table = pd.DataFrame(values, columns=labels)
        table.insert(0, "step", steps)
        table.insert(0, "condition", name)
        tables.append(table)
    axes[0].legend(loc="upper left", bbox_to_anchor=(0, -0.25), fontsize=style.text_size(6))
    caption = (
        "Single weights over training, evenly spaced among the entries of each tensor, of one seed of each "
        f"condition.{told} No bands: each line is one weight of one run."
    )
    return Figure("single", "Single weights over time", caption, figure, pd.concat(tables, ignore_index=True))


def _row(source: xr.Dataset, name: str, seed: int | None) -> int:
    seeds = source["seed"].values.tolist()
    if seed is not None and seed not in seeds:
        raise OrreryError(
            f"displacements: follow.seed: '{name}' has no seed {seed}; write one of {min(seeds)} to {max(seeds)}"
        )
    return 0 if seed is None else seeds.index(seed)


def _loss_ratios(sources: Mapping[str, xr.Dataset]) -> Figure:
    """Path against displacement of the weights that were set to zero one at a time, coloured by what it does."""
    names, told = _panels(sources)
    figure, axes = panel_grid(len(names), 64, horizontal="relative displacement", vertical="path length")
    tables = []
    for ax, name in zip(axes, names, strict=True):
        source = sources[name]
        places = source["ablated_component"].values
        relative, path = (source[key].values[:MOST_SEEDS, places] for key in ("relative", "path"))
        ratio = source["loss_ratio"].values[:MOST_SEEDS]
        shown = np.isfinite(relative) & np.isfinite(path) & np.isfinite(ratio)
        order = np.argsort(ratio[shown])  # what matters lies on top
        points = ax.scatter(
            relative[shown][order],
            path[shown][order],
            c=ratio[shown][order],
            s=style.line(1.0) * 7,
            linewidths=0.2,
            edgecolors=style.INK,
            rasterized=True,
        )
        bar = figure.colorbar(points, ax=ax, shrink=0.9, pad=0.02, aspect=18)
        bar.outline.set_visible(False)
        bar.set_label("loss without the weight / loss", fontsize=style.text_size(6.5))
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_title(name, fontsize=style.text_size(7))
        seeds = np.broadcast_to(source["seed"].values[:MOST_SEEDS, None], shown.shape)
        components = np.broadcast_to(places, shown.shape)
        table = pd.DataFrame(
            {
                "seed": seeds[shown],
                "component": components[shown],
                "displacement": relative[shown],
                "path": path[shown],
                "loss ratio": ratio[shown],
            }
        )
        table.insert(0, "condition", name)
        tables.append(table)
    caption = (
        "Path length against relative displacement of single weights, coloured by the loss at the last step with this "
        f"weight set to zero over the loss: 1 where the weight does not matter. Of the first {MOST_SEEDS} seeds; each "
        f"panel has a scale of its own, and large ratios lie on top.{told}"
    )
    return Figure(
        "loss-ratios",
        "Loss with single weights set to zero",
        caption,
        figure,
        pd.concat(tables, ignore_index=True),
    )
