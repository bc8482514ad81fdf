"""Figures of equal panels, one for each condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orrery.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3


def panel_grid(
    count: int, height: float, *, horizontal: str, vertical: str, **shared: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, in up to three columns; labels stand at its left and lower rim only.

    Args:
        count: number of panels, at least 1.
        height: of a row, millimetres.
        horizontal: label of the horizontal axes.
        vertical: label of the vertical axes.
        shared: ``sharex`` and ``sharey`` of Matplotlib.

    Returns:
        The figure, and its panels row by row.
    """
    columns = 2 if count == 4 else min(COLUMNS, count)
    rows = -(-count // columns)
    figure = style.figure("single" if columns == 1 else "double", height * rows + 6)
    axes = figure.subplots(rows, columns, squeeze=False, **shared).ravel().tolist()
    for spare in axes[count:]:
        spare.set_visible(False)
    for place, ax in enumerate(axes[:count]):
        if place % columns == 0:
            ax.set_ylabel(vertical)
        if place + columns >= count:
            ax.set_xlabel(horizontal)
            ax.tick_params(labelbottom=True)
    return figure, axes[:count]
