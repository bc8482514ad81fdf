"""Figures of the feature space: counts over training by method, and the activation patterns themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap

from orrery.analyses.api import Figure
from orrery.analyses.figures_in_parts import in_parts
from orrery.figures import panels, style

if TYPE_CHECKING:
    import xarray as xr
    from jaxtyping import Float, Int
    from matplotlib.axes import Axes

    from orrery.analyses.feature_space import Settings

MOST = 5
"""Columns of a figure."""
PER_COLUMN = 6
SHOWN = 6
DIGITS = 6
ROWS = (("patterns", "distinct patterns"), ("rank", "effective rank"), ("dead", "share of dead units"))


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Both figures, the first in parts where there are many columns; the second where inputs have one feature.

    Args:
        sources: by condition, with ``patterns(seed, moment, layer)`` and all else that the analysis gives.
        settings: of the analysis.
    """
    columns = grouped(sources, settings)
    figures = in_parts(columns, MOST, lambda some: [_curves(sources, some, settings)])
    drawable = {name: source for name, source in sources.items() if "active" in source}
    if drawable:
        figures.append(_patterns(drawable, settings))
    return figures


def grouped(sources: Mapping[str, xr.Dataset], settings: Settings) -> dict[str, list[str]]:
    """Conditions by column: the chains first, then what no chain names, a few to a column.

    Args:
        sources: by condition, ``patterns(seed, moment, layer)`` and others.
        settings: name the chains.
    """
    found = {
        label: [name for name in chain if name in sources] for label, chain in settings.compare.chains.items()
    }
    named = {name for chain in found.values() for name in chain}
    rest = [name for name in sources if name not in named]
    for first in range(0, len(rest), PER_COLUMN):
        found[" " * (1 + first)] = rest[first : first + PER_COLUMN]
    return {label: chain for label, chain in found.items() if chain}


def _curves(
    sources: Mapping[str, xr.Dataset], columns: Mapping[str, Sequence[str]], settings: Settings
) -> Figure:
    wide = len(columns) > 1
    figure = style.figure("double" if wide else 110.0, 14 + 44 * len(ROWS))
    axes = figure.subplots(len(ROWS), len(columns), squeeze=False, sharex="col")
    tables = []
    short = {label: _short(names) for label, names in columns.items()}
    alike = len({tuple(labels) for labels in short.values()}) == 1
    for column, (label, names) in enumerate(columns.items()):
        axes[0, column].set_title(label.strip() or "-".join(_shared(names)))
        for index, name in enumerate(names):
            source = sources[name]
            steps = source["moment_step"].values
            lost = source["diverged"].values.astype(bool)
            table = {"condition": name, "seed": np.repeat(source["seed"].values, len(steps))}
            table["step"] = np.tile(steps, source.sizes["seed"])
            for row, (variable, _) in enumerate(ROWS):
                values = source[variable].values[:, :, settings.layer - 1]
                ax = axes[row, column]
                shown = short[label][index]
                panels.curves_of_runs(ax, steps + 1, values, shown, index=index, diverged=lost, thin=False)
                table[variable] = rounded(values)
            table["loss"] = rounded(source["loss"].values)
            tables.append(pd.DataFrame(table))
        axes[-1, column].set(xlabel="step + 1", xscale="log")
        if not alike:
            axes[-1, column].legend(loc="upper left", bbox_to_anchor=(0, -0.28))
    if alike:
        figure.legend(*axes[-1, 0].get_legend_handles_labels(), loc="outside lower left", ncols=4)
    for row, (_, words) in enumerate(ROWS):
        axes[row, 0].set_ylabel(words)
    one = next(iter(sources.values()))
    caption = (
        f"Feature space of hidden layer {settings.layer} along training: hidden units that differ in where they are "
        "active, effective rank of their outputs (exp of the entropy of the normalised squared singular values, each "
        f"unit centred), and units active nowhere, over {_inputs(one)}. Lines are medians over seeds, bands reach from "
        "the 25th to the 75th percentile. Diverged runs are left out."
    )
    return Figure(
        "counts", "Feature space along training", caption, figure, pd.concat(tables, ignore_index=True)
    )


def _shared(names: Sequence[str]) -> list[str]:
    """The words that all names of conditions begin with; none where one name has no other words."""
    words = [name.split("-") for name in names]
    places = enumerate(zip(*words, strict=False))
    return words[0][: next((place for place, found in places if len(set(found)) > 1), 0)]


def _short(names: Sequence[str]) -> list[str]:
    """Names of conditions without the words that all of them begin with."""
    shared = len(_shared(names))
    return ["-".join(name.split("-")[shared:]) for name in names]


def _inputs(source: xr.Dataset) -> str:
    low, high = source.attrs["interval"]
    return (
        f"{source.attrs['inputs']} equally spaced inputs from {low:g} to {high:g}"
        if source.attrs["features"] == 1
        else f"{source.attrs['inputs']} fresh inputs from N(0, I) in {source.attrs['features']} dimensions"
    )


def _patterns(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    names = [name for column in grouped(sources, settings).values() for name in column if name in sources]
    names = list(dict.fromkeys(names))
    shown = names[:SHOWN]
    columns = 2 if len(shown) == 4 else min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = style.figure("double" if columns > 1 else "single", 10 + 62 * rows)
    axes = figure.subplots(2 * rows, columns, squeeze=False, sharex=True)
    tables = []
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        pair = axes[2 * row : 2 * row + 2, column]
        if place >= len(shown):
            for ax in pair:
                ax.set_visible(False)
            continue
        source = sources[shown[place]]
        run = (
            int(np.flatnonzero(~source["diverged"].values.astype(bool))[0])
            if not source["diverged"].all()
            else 0
        )
        pair[0].set_title(shown[place], fontsize=style.text_size(7))
        for ax, side, moment in ((pair[0], 0, 0), (pair[1], 1, -1)):
            active = source["active"].values[run, side]
            _image(ax, active, source.attrs["interval"])
            step = int(source["moment_step"].values[moment])
            ax.set_ylabel(f"unit, step {step}")
            order = sorted_units(active)
            tables.append(
                pd.DataFrame(
                    {
                        "condition": shown[place],
                        "seed": int(source["seed"].values[run]),
                        "step": step,
                        "place": np.arange(len(active)),
                        "unit": order,
                        "pattern": ["".join(map(str, line)) for line in active[order]],
                    }
                )
            )
        if place + columns >= len(shown):
            pair[1].set_xlabel("input x")
            pair[1].tick_params(labelbottom=True)
    more = f" The first {len(shown)} of {len(names)} conditions are drawn." if len(names) > len(shown) else ""
    caption = (
        f"Where each unit of hidden layer {settings.layer} is active (dark) over "
        f"{_inputs(next(iter(sources.values())))}, at the first and at the last step looked at, for the first seed "
        f"that did not diverge; units in the order of their patterns, so that equal ones stand together.{more}"
    )
    return Figure("patterns", "Activation patterns", caption, figure, pd.concat(tables, ignore_index=True))


def sorted_units(active: Int[np.ndarray, "unit point"]) -> Int[np.ndarray, " unit"]:
    """Units in the order of their patterns: by what they are at the first point, then by where that changes."""
    return np.lexsort(active.T[::-1])


def _image(ax: Axes, active: np.ndarray, interval: tuple[float, float]) -> None:
    ax.imshow(
        active[sorted_units(active)],
        aspect="auto",
        interpolation="nearest",
        extent=(interval[0], interval[1], len(active), 0),
        cmap=ListedColormap([style.GRID, style.mark(0).colour]),
        vmin=0,
        vmax=1,
    )


def rounded(values: Float[np.ndarray, " ..."]) -> list[float]:
    """Six significant digits, for tables; of values of any shape."""
    return [float(f"{value:.{DIGITS}g}") for value in np.asarray(values, dtype=float).ravel()]
