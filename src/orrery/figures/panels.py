"""Panels that several analyses draw: each fills one given ``Axes`` and returns nothing but what a caller may need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Circle, Rectangle

from orrery.figures.style import (
    GRID,
    INK,
    MUTED,
    ON_DARK,
    ON_LIGHT,
    SEQUENTIAL,
    SURFACE,
    line,
    mark,
    text_size,
)
from orrery.figures.tick_labels import raised

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Inexact, Real
    from matplotlib.axes import Axes


def complex_plane(
    ax: Axes,
    spectra: Mapping[str, Inexact[np.ndarray, " ..."]],
    *,
    inset: bool = True,
    marks: Mapping[str, int] | None = None,
    legend: bool = True,
) -> None:
    """Eigenvalues in the complex plane, with the unit circle and an inset around those near 1.

    Args:
        ax: where to draw.
        spectra: label -> eigenvalues, any shape (several seeds are drawn together, more faintly).
        inset: draw the inset.
        marks: label -> number of its look (``style.mark``), so that a condition looks alike in every panel.
        legend: draw the legend.
    """
    points = {label: np.asarray(values).ravel() for label, values in spectra.items()}
    points = {label: values[np.isfinite(values)] for label, values in points.items()}
    looks = {label: mark((marks or {}).get(label, index)) for index, label in enumerate(points)}

    def scatter(target: Axes, size: float, named: bool) -> None:
        for label, values in points.items():
            look = looks[label]
            target.plot(
                values.real,
                values.imag,
                linestyle="none",
                marker=look.marker,
                markersize=size,
                markerfacecolor="none",
                markeredgecolor=look.colour,
                markeredgewidth=0.8,
                alpha=1.0 if values.size <= 40 else 0.55,
                label=label if named else None,
            )

    ax.add_patch(Circle((0, 0), 1, fill=False, edgecolor=MUTED, linewidth=0.6))
    ax.axhline(0, color=GRID, linewidth=0.5, zorder=0)
    ax.axvline(0, color=GRID, linewidth=0.5, zorder=0)
    scatter(ax, 3.5, True)
    reach = max([1.12] + [1.08 * float(np.abs(values).max()) for values in points.values() if values.size])
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    ax.set_aspect("equal")
    if reach < 1.5:
        ax.set_xticks((-1, -0.5, 0, 0.5, 1))
        ax.set_yticks((-1, -0.5, 0, 0.5, 1))
    ax.set_xlabel("Re λ")
    ax.set_ylabel("Im λ")
    if inset and any(values.size for values in points.values()):
        _inset_near_one(ax, np.concatenate(list(points.values())), scatter)
    if legend and len(points) > 0:
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=min(3, len(points)), columnspacing=1.0)


def _inset_near_one(ax: Axes, values: np.ndarray, scatter: Any) -> None:
    near = values[np.abs(values - 1) < 0.35]
    if near.size == 0:
        return
    low, high = min(near.real.min(), 1.0), max(near.real.max(), 1.0)
    tall = max(float(np.abs(near.imag).max()), 0.1 * (high - low), 1e-4)
    margin = 0.12 * max(high - low, 1e-4)
    small = ax.inset_axes(_emptiest(values, ax.get_xlim()[1]))
    small.patch.set(facecolor=SURFACE, alpha=0.9)
    angle = np.linspace(-0.5, 0.5, 400)
    small.plot(np.cos(angle), np.sin(angle), color=MUTED, linewidth=0.6)
    small.axhline(0, color=GRID, linewidth=0.5, zorder=0)
    scatter(small, 2.6, False)
    small.set_xlim(low - margin, high + margin)
    small.set_ylim(-1.25 * tall, 1.25 * tall)
    small.yaxis.tick_right()
    small.tick_params(labelsize=text_size(6), length=1.5, pad=1.5)
    small.locator_params(nbins=3)
    small.ticklabel_format(useOffset=False, style="plain", axis="x")
    for spine in small.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.5)
        spine.set_color(MUTED)
    small.set_title("near 1", fontsize=text_size(6.5), fontweight="normal", color=MUTED, pad=2)


def _emptiest(values: np.ndarray, reach: float) -> tuple[float, float, float, float]:
    """The place for the inset, in fractions of the axes, that hides the fewest eigenvalues."""
    bottoms, lefts = (0.33, 0.6, 0.55, 0.08, 0.2, 0.45, 0.7), (0.14, 0.08, 0.2, 0.3, 0.02)
    sizes = ((0.42, 0.3), (0.36, 0.26), (0.3, 0.22))
    places = [(left, bottom, *size) for size in sizes for left in lefts for bottom in bottoms]

    def hidden(place: tuple[float, float, float, float]) -> int:
        left, bottom, width, height = place
        x, y = (values.real / reach + 1) / 2, (values.imag / reach + 1) / 2
        # Its tick labels stand to the right of it and below.
        inside = (
            (x > left - 0.02) & (x < left + width + 0.12) & (y > bottom - 0.08) & (y < bottom + height + 0.06)
        )
        return int(inside.sum())

    return min(places, key=hidden)


def matrix_with_floors(
    ax: Axes,
    matrix: Float[np.ndarray, "condition condition"],
    labels: Sequence[str],
    floors: Mapping[str, Float[np.ndarray, " condition"]],
    *,
    quantity: str = "distance",
    logarithmic: bool = False,
    digits: int = 2,
) -> None:
    """A distance matrix and, right of a gap, its noise floors: one colour scale for both, values written in the cells.

    Args:
        ax: where to draw.
        matrix: mean distances between conditions; the diagonal may hold the within-condition means, NaN is hatched.
        labels: names of the conditions.
        floors: name of a floor -> its value for each condition; NaN is hatched.
        quantity: label of the colour bar, with its unit.
        logarithmic: colour by the logarithm.
        digits: significant digits written in the cells.
    """
    matrix = np.asarray(matrix, dtype=float)
    columns = [np.asarray(values, dtype=float) for values in floors.values()]
    every = np.concatenate([matrix.ravel(), *columns]) if columns else matrix.ravel()
    finite = every[np.isfinite(every)]
    if logarithmic:
        finite = finite[finite > 0]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    exponent = _common_exponent(low, high)
    scale = 10.0**exponent
    matrix, columns = matrix / scale, [column / scale for column in columns]
    low, high = low / scale, high / scale
    if not logarithmic:
        low = min(low, 0.0)
    high = high if high > low else low + 1.0
    norm: Normalize = LogNorm(low, high) if logarithmic and low > 0 else Normalize(low, high)
    gap = 0.35
    count = len(labels)
    xs = list(range(count)) + [count + gap + index for index in range(len(columns))]
    table = np.column_stack([matrix, *columns]) if columns else matrix
    for row in range(count):
        for column, x in enumerate(xs):
            _cell(ax, x, row, float(table[row, column]), norm, digits, small=len(xs) > 9)
    ax.set_xlim(-0.5, xs[-1] + 0.5)
    ax.set_ylim(count - 0.5, -0.5)
    names = [*labels, *floors]
    turned = len(xs) > 5 or max(map(len, names), default=0) > 10
    ax.set_xticks(xs, names, rotation=35 if turned else 0, ha="right" if turned else "center")
    ax.set_yticks(range(count), labels)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    from matplotlib.cm import ScalarMappable

    bar = ax.figure.colorbar(
        ScalarMappable(norm=norm, cmap=SEQUENTIAL), ax=ax, shrink=0.9, pad=0.02, aspect=18
    )
    bar.set_label(f"{quantity} (10{raised(exponent)})" if exponent else quantity)
    bar.outline.set_visible(False)


def _common_exponent(low: float, high: float) -> int:
    """The power of ten to take out of the cells: none where they read well or span more than two decades."""
    if high <= 0 or (0.01 <= high < 1000) or (low > 0 and high / low > 300):
        return 0
    return int(np.floor(np.log10(high)))


def _cell(ax: Axes, x: float, y: float, value: float, norm: Normalize, digits: int, *, small: bool) -> None:
    from matplotlib import colormaps

    if not np.isfinite(value):
        ax.add_patch(
            Rectangle(
                (x - 0.48, y - 0.48),
                0.96,
                0.96,
                facecolor="none",
                edgecolor=GRID,
                hatch="////",
                linewidth=0.4,
            )
        )
        return
    colour = colormaps[SEQUENTIAL](float(norm(value)))
    ax.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, facecolor=colour, edgecolor="none"))
    bright = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2] > 0.45
    ax.text(
        x,
        y,
        _short(value, digits),
        ha="center",
        va="center",
        fontsize=text_size(6 if small else 7),
        color=ON_LIGHT if bright else ON_DARK,
    )


def _short(value: float, digits: int) -> str:
    """``value`` with ``digits`` significant digits, trailing zeros kept, without an exponent where it stays short."""
    if value == 0:
        return "0"
    decimals = digits - 1 - int(np.floor(np.log10(abs(value))))
    return f"{value:.{max(decimals, 0)}f}" if decimals <= 4 else f"{value:.0e}".replace("e-0", "e-")


def sensitivity_strip(
    ax: Axes,
    settings: Sequence[str],
    values: Float[np.ndarray, " setting"],
    *,
    intervals: Float[np.ndarray, "setting 2"] | None = None,
    headline: int | None = None,
    floors: Mapping[str, Float[np.ndarray, " setting"] | float] | None = None,
    quantity: str = "",
    logarithmic: bool = False,
) -> None:
    """One number under other settings (rank, delays, seeds): points with intervals, headline filled, floors as ticks.

    Args:
        ax: where to draw; settings run down the vertical axis.
        settings: what each row is, e.g. ``"rank 5"``.
        values: the number under each setting; NaN leaves the row empty, with the word "undecided".
        intervals: (low, high) of each.
        headline: the row that the claims use.
        floors: name -> value for each setting, or one value for all.
        quantity: label of the axis, with its unit.
        logarithmic: logarithmic axis.
    """
    values = np.asarray(values, dtype=float)
    rows = np.arange(len(values))
    look = mark(0)
    if intervals is not None:
        bounds = np.where(np.isfinite(values)[:, None], np.asarray(intervals, dtype=float), np.nan)
        ax.hlines(rows, bounds[:, 0], bounds[:, 1], color=look.colour, linewidth=line(1.0), alpha=0.7)
    for row, value in enumerate(values):
        filled = look.colour if row == headline else "none"
        ax.plot([value], [row], marker="o", markersize=4, markerfacecolor=filled, markeredgecolor=look.colour)
    for index, (name, floor) in enumerate((floors or {}).items()):
        level = np.broadcast_to(np.asarray(floor, dtype=float), values.shape)
        colour = mark(index + 1).colour
        ax.plot(
            level,
            rows,
            linestyle="none",
            marker="|",
            markersize=8,
            markeredgewidth=1.3,
            color=colour,
            label=name,
        )
    if logarithmic:
        ax.set_xscale("log")
    else:
        ax.locator_params(axis="x", nbins=4)
    for row in rows[~np.isfinite(values)]:
        ax.text(
            0.99,
            row,
            "undecided",
            transform=ax.get_yaxis_transform(),
            ha="right",
            va="center",
            color=MUTED,
            fontsize=text_size(6.5),
        )
    ax.set_yticks(rows, settings)
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.grid(axis="x")
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(quantity)
    if floors:
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.25), ncols=2)


def curves_of_runs(
    ax: Axes,
    steps: Real[np.ndarray, " step"],
    values: Float[np.ndarray, "run step"],
    label: str,
    *,
    index: int = 0,
    diverged: Bool[np.ndarray, " run"] | None = None,
    thin: bool = True,
) -> None:
    """All runs of a condition as thin curves, their median and 25-75 % band; diverged runs are counted in the legend.

    Args:
        ax: where to draw.
        steps: optimizer steps, or their means where the curves are averaged over stretches.
        values: one row per run; NaN after a divergence.
        label: name of the condition.
        index: number of its look (``style.mark``).
        diverged: where absent, a run whose last value is not finite counts as diverged.
        thin: draw the single runs; rasterised, so that hundreds of runs stay small in a file.
    """
    values = np.asarray(values, dtype=float)
    look = mark(index)
    lost = ~np.isfinite(values[:, -1]) if diverged is None else np.asarray(diverged, dtype=bool)
    if thin:
        ax.plot(
            steps,
            values.T,
            color=look.colour,
            linewidth=line(0.4),
            alpha=0.25,
            rasterized=values.size > 4_000,
        )
    kept = values[~lost]
    name = label if not lost.any() else f"{label} ({int(lost.sum())} of {len(lost)} diverged)"
    if len(kept) == 0:
        ax.plot([], [], color=look.colour, linestyle=look.dashes, label=name)
        return
    low, middle, high = np.nanpercentile(kept, [25, 50, 75], axis=0)
    ax.fill_between(steps, low, high, color=look.colour, alpha=0.3, linewidth=0, zorder=2.5)
    ax.plot(
        steps, middle, color=look.colour, linestyle=look.dashes, linewidth=line(1.5), label=name, zorder=3
    )


def paths(
    ax: Axes,
    horizontal: Float[np.ndarray, "run step"],
    vertical: Float[np.ndarray, "run step"],
    label: str,
    *,
    index: int = 0,
) -> None:
    """Paths in a plane (principal components, for one): thin lines, a ring at the start and a dot at the end."""
    look = mark(index)
    x, y = np.asarray(horizontal, dtype=float), np.asarray(vertical, dtype=float)
    ax.plot(x.T, y.T, color=look.colour, linewidth=line(0.6), alpha=0.6, rasterized=x.size > 4_000)
    ax.plot(
        x[:, 0],
        y[:, 0],
        linestyle="none",
        marker="o",
        markersize=3,
        markerfacecolor="none",
        color=look.colour,
    )
    ax.plot(x[:, -1], y[:, -1], linestyle="none", marker="o", markersize=3, color=look.colour, label=label)


def panel_letter(ax: Axes, letter: str) -> None:
    """The bold letter of a panel, outside its upper left corner."""
    ax.annotate(
        letter,
        (0, 1),
        xycoords="axes fraction",
        xytext=(-4, 6),
        textcoords="offset points",
        ha="right",
        fontsize=text_size(8.5),
        fontweight="bold",
        color=INK,
    )
