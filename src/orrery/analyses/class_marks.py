"""Samples of many classes in one panel: small marks by class, filled or open, and their legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from orrery.figures import style

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jaxtyping import Float, Int
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

MOST = 20
"""Classes that a legend names."""


def scatter_classes(
    ax: Axes,
    points: Float[np.ndarray, "point 2"],
    labels: Int[np.ndarray, " point"],
    *,
    filled: bool = True,
    size: float = 5.0,
    alpha: float | Float[np.ndarray, " point"] = 0.7,
) -> None:
    """Points with the mark of their class; colours repeat with other markers.

    Args:
        ax: where to draw.
        points: horizontal and vertical place; points that are not finite are left out.
        labels: class of each.
        filled: or open.
        size: area, square points.
        alpha: opacity, one or of each point.
    """
    seen = np.isfinite(points).all(axis=1)
    for marker in dict.fromkeys(style.mark(int(label)).marker for label in np.unique(labels)):
        own = seen & np.array([style.mark(int(label)).marker == marker for label in labels])
        if not own.any():
            continue
        colours = [style.mark(int(label)).colour for label in labels[own]]
        look: dict[str, Any] = {"c": colours} if filled else {"facecolors": "none", "edgecolors": colours}
        ax.scatter(
            points[own, 0],
            points[own, 1],
            s=size,
            marker=marker,
            linewidths=0.0 if filled else 0.5,
            rasterized=True,
            alpha=alpha if isinstance(alpha, float) else alpha[own],
            **look,
        )


def class_handles(labels: Iterable[int]) -> list[Line2D]:
    """What a legend shows for each class, at most :data:`MOST` of them."""
    from matplotlib.lines import Line2D

    return [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=style.mark(label).marker,
            markersize=3,
            markeredgewidth=0,
            color=style.mark(label).colour,
            label=f"class {label}",
        )
        for label in list(labels)[:MOST]
    ]


def part_handle(label: str, *, filled: bool) -> Line2D:
    """What a legend shows for filled or open marks of any class."""
    from matplotlib.lines import Line2D

    return Line2D(
        [],
        [],
        linestyle="none",
        marker="o",
        markersize=3,
        markeredgewidth=0.0 if filled else 0.5,
        markerfacecolor=style.MUTED if filled else "none",
        markeredgecolor=style.MUTED,
        label=label,
    )
