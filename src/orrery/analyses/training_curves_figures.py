"""Figures of metrics over training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.figures import panels, style

if TYPE_CHECKING:
    from orrery.trajectory.trajectory import Trajectory

POINTS = 200
"""Steps drawn at most; a longer curve is averaged over equal stretches of steps."""
PER_PANEL = 6
DIGITS = 6


def draw(
    sources: Mapping[str, Trajectory],
    metric: str,
    *,
    logarithmic: bool,
    groups: Sequence[Sequence[str]] = (),
) -> Figure:
    """All runs of all conditions that recorded the metric.

    Args:
        sources: trajectories by condition.
        metric: recorded or evaluated.
        logarithmic: the vertical axis.
        groups: patterns of the conditions of each panel; what is left over stands six to a panel.
    """
    names = [name for name, trajectory in sources.items() if metric in trajectory.metrics]
    panels_of = _grouped(names, groups)
    columns = min(2, max(len(panels_of), 1))
    rows = -(-max(len(panels_of), 1) // columns)
    figure = style.figure("double" if columns > 1 else 120.0, 72 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    tables, lost, windows = [], 0, {1}
    for place, group in enumerate(panels_of):
        for index, name in enumerate(group):
            array = sources[name].metric(metric)
            steps, values, averaged = _drawn(
                array[array.dims[1]].values, np.asarray(array.values, dtype=float)
            )
            windows.add(averaged)
            diverged = sources[name].dataset["status"].values == 1
            lost += int(diverged.sum())
            panels.curves_of_runs(axes[place], steps, values, name, index=index, diverged=diverged)
            tables.append(_table(sources[name], name, steps, values))
        axes[place].set_xlabel("step")
        axes[place].set_ylabel(metric.replace("_", " "))
        if logarithmic:
            axes[place].set_yscale("log")
        axes[place].legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    for spare in axes[len(panels_of) :]:
        spare.set_visible(False)
    words = metric.replace("_", " ")
    longest = max(windows)
    over = f"{min(windows - {1})} to {longest}" if len(windows - {1}) > 1 else str(longest)
    average = f" Each point is a mean over {over} steps." if longest > 1 else ""
    after = "; they are drawn until then and left out of medians and bands" if lost else ""
    caption = (
        f"{words.capitalize()} of all runs (thin lines: every seed and every copy); thick lines are medians over runs, "
        f"bands reach from the 25th to the 75th percentile.{average} {lost} runs diverged{after}."
    )
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"condition": [], "step": []})
    return Figure(metric.replace("_", "-"), f"{words.capitalize()} of all runs", caption, figure, data)


def _grouped(names: Sequence[str], groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """Each condition in the first group that one of its patterns names, the others six by six."""
    found: list[list[str]] = []
    left = list(names)
    for patterns in groups:
        named = [name for name in left if any(fnmatchcase(name, pattern) for pattern in patterns)]
        left = [name for name in left if name not in named]
        found.append(named)
    found += [left[first : first + PER_PANEL] for first in range(0, len(left), PER_PANEL)]
    return [group for group in found if group]


def _table(trajectory: Trajectory, name: str, steps: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    """One row per step, one column per run, six significant digits."""
    pairs = zip(trajectory.dataset["seed"].values, trajectory.dataset["copy"].values, strict=True)
    rounded = np.array([[float(f"{value:.{DIGITS}g}") for value in row] for row in values.T])
    frame = pd.DataFrame(rounded, columns=[f"seed {seed} copy {copy}" for seed, copy in pairs])
    frame.insert(0, "step", steps)
    frame.insert(0, "condition", name)
    return frame


def _drawn(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The curve, averaged over equal stretches where it is long; places that nobody recorded are left out."""
    known = np.isfinite(values).any(axis=0)
    steps, values = steps[known], values[:, known]
    window = -(-len(steps) // POINTS)
    if window <= 1:
        return steps, values, 1
    count = len(steps) // window
    kept = slice(len(steps) - count * window, None)
    return (
        steps[kept].reshape(count, window).mean(axis=1),
        values[:, kept].reshape(len(values), count, window).mean(axis=2),
        window,
    )
