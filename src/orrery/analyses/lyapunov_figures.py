"""Figures of exponents: over time, by horizon, by condition, and angles of covariant vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.lyapunov_numbers import NAMED_VECTORS
from orrery.analyses.over_seeds import mean_over_seeds
from orrery.figures import panels, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from orrery.analyses.lyapunov import Settings

COLUMNS = 2
MOST_TICKS = 6
"""Up to so many horizons are written below the axis one by one."""
SINGLE = 60
"""Up to so many seeds their curves are drawn one by one; more would hide medians and bands."""
EXPONENT = "exponent (1/step)"


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """All figures.

    Args:
        sources: by condition, with ``running(seed, moment, index)`` and all else that the analysis gives.
        settings: of the analysis.
    """
    found = [_spectra(sources, settings)]
    if any(source.sizes["horizon"] > 1 for source in sources.values()):
        found.append(_horizons(sources))
    if len(sources) > 1:
        found.append(_conditions(sources, settings))
    with_angles = {name: source for name, source in sources.items() if "angle" in source}
    if with_angles:
        found.append(_angles(with_angles))
    return found


def _grid(names: list[str], height: float) -> tuple[Any, list[Axes]]:
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = style.figure("double" if columns > 1 else 120.0, height * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in axes[len(names) :]:
        spare.set_visible(False)
    return figure, axes


def _spectra(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    names = list(sources)
    figure, axes = _grid(names, 66)
    tables = []
    for ax, name in zip(axes, names, strict=False):
        source = sources[name]
        steps = source["moment_step"].values
        shown = min(settings.shown, source.sizes["index"])
        for index in range(shown):
            values = source["running"].values[:, :, index]
            known = np.isfinite(values).any(axis=0)
            if not known.any():
                continue
            lost = source["diverged"].values.astype(bool)
            # A direction that is lost entirely has no curve.
            drawn = lost | np.isfinite(values[:, known]).all(axis=1)
            panels.curves_of_runs(
                ax,
                steps[known],
                values[drawn][:, known],
                f"λ{_subscript(index)}",
                index=index,
                diverged=lost[drawn],
                thin=len(values) <= SINGLE,
            )
            tables.append(_by_seed(name, source, steps, values, "running", {"index": index}))
        ax.axhline(0, color=style.MUTED, linewidth=0.6, zorder=0)
        ax.set_title(name)
        ax.set_xlabel("step")
        ax.set_ylabel(EXPONENT)
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.22), ncols=4)
    caption = (
        f"Mean growth ln R_ii per step from the first of the averaged steps ({_averaged(sources)}) up to each step, in "
        f"the order of the QR, natural logarithms. {_lines(sources)}"
    )
    return Figure("spectra", "Exponents over time", caption, figure, pd.concat(tables, ignore_index=True))


def _by_seed(
    name: str,
    source: xr.Dataset,
    steps: np.ndarray,
    values: np.ndarray,
    drawn: str,
    told: Mapping[str, object],
) -> pd.DataFrame:
    """Curves of seeds ``(seed, step)``, one row per seed and step; ``told`` stands in all of them."""
    return pd.DataFrame(
        {
            "condition": name,
            "seed": np.repeat(source["seed"].values.astype(int), len(steps)),
            **told,
            "step": np.tile(steps, len(values)),
            drawn: values.ravel(),
        }
    )


def _lines(sources: Mapping[str, xr.Dataset]) -> str:
    """What lines and bands are, for a caption."""
    few = [source.sizes["seed"] <= SINGLE for source in sources.values()]
    where = "" if all(few) else f" (where there are at most {SINGLE})"
    single = f"Thin lines are seeds{where}, thick lines" if any(few) else "Lines are"
    return f"{single} medians over seeds, bands reach from the 25th to the 75th percentile."


def _averaged(sources: Mapping[str, xr.Dataset]) -> str:
    """The steps over which exponents are averaged, by condition where they differ, for a caption."""
    words = {
        name: f"steps {source.attrs['averaged'][0]} to {source.attrs['averaged'][1]}"
        for name, source in sources.items()
    }
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return ", ".join(f"{name}: {steps}" for name, steps in words.items())


def _subscript(index: int) -> str:
    return str(index).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _horizons(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure = style.figure(120.0, 76)
    ax = figure.subplots()
    tables = []
    drawn_svd = False
    for number, (name, source) in enumerate(sources.items()):
        look = style.mark(number)
        horizons = source["horizon"].values
        for variable, dashes, filled in (("finite_time", "-", True), ("finite_time_svd", ":", False)):
            means = [mean_over_seeds(source[variable].values[:, place, 0]) for place in range(len(horizons))]
            values = np.array([mean for mean, _, _ in means])
            low, high = (
                np.array([bounds[end] if bounds else np.nan for _, bounds, _ in means]) for end in (0, 1)
            )
            tables.append(
                pd.DataFrame(
                    {
                        "condition": name,
                        "of": variable,
                        "horizon": horizons,
                        "mean": values,
                        "low": low,
                        "high": high,
                    }
                )
            )
            if not np.isfinite(values).any():
                continue
            drawn_svd |= not filled
            ax.plot(
                horizons,
                values,
                color=look.colour,
                linestyle=dashes,
                marker=look.marker,
                markerfacecolor=look.colour if filled else "none",
                label=name if filled else None,
            )
            ax.fill_between(horizons, low, high, color=look.colour, alpha=0.2, linewidth=0)
    ax.axhline(0, color=style.MUTED, linewidth=0.6, zorder=0)
    ax.set_xscale("log")
    every = sorted({int(horizon) for source in sources.values() for horizon in source["horizon"].values})
    if len(every) <= MOST_TICKS:
        ax.set_xticks(every, [str(horizon) for horizon in every])
        ax.set_xticks([], minor=True)
    ax.set_xlabel("horizon (steps from the start of the window)")
    ax.set_ylabel("first finite-time " + EXPONENT)
    if drawn_svd:
        ax.plot([], [], color=style.MUTED, linestyle=":", label="from singular values")
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    caption = (
        "First finite-time exponent by QR against the number of steps, nothing discarded; mean over seeds with 95 % "
        "bootstrap bands."
        + (
            " Dotted, open: from the largest singular value of the tangent map, which does not depend on the start "
            "frame and is never smaller."
            if drawn_svd
            else ""
        )
    )
    return Figure(
        "horizons", "Finite-time exponents by horizon", caption, figure, pd.concat(tables, ignore_index=True)
    )


def axis_of(sources: Mapping[str, xr.Dataset]) -> tuple[str, list[float]] | None:
    """The one axis of the grid with numbers on which conditions differ, with its values; else ``None``.

    Args:
        sources: by condition, with ``exponent(seed, index)`` and the attribute ``axes``.
    """
    axes = [source.attrs["axes"] for source in sources.values()]
    varying = [name for name in axes[0] if len({str(one.get(name)) for one in axes}) > 1]
    if len(varying) != 1 or any(set(one) != set(axes[0]) for one in axes):
        return None
    values = [one[varying[0]] for one in axes]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    return varying[0], [float(value) for value in values]


def _conditions(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    axis = axis_of(sources)
    at = np.array(axis[1]) if axis else np.arange(len(sources), dtype=float)
    order = np.argsort(at)
    figure = style.figure(120.0, 80)
    ax = figure.subplots()
    tables = []
    most = min(settings.shown, *(source.sizes["index"] for source in sources.values()))
    for index in range(most):
        look = style.mark(index)
        means = [mean_over_seeds(source["exponent"].values[:, index]) for source in sources.values()]
        values = np.array([mean for mean, _, _ in means])
        bounds = np.array([bounds or (np.nan, np.nan) for _, bounds, _ in means])
        tables.append(
            pd.DataFrame(
                {
                    "condition": list(sources),
                    axis[0] if axis else "place": at,
                    "index": index,
                    "mean": values,
                    "low": bounds[:, 0],
                    "high": bounds[:, 1],
                    "n": [n for _, _, n in means],
                }
            )
        )
        ax.plot(
            at[order],
            values[order],
            color=look.colour,
            marker=look.marker,
            linestyle=look.dashes if axis else "none",
            label=f"λ{_subscript(index)}",
        )
        ax.vlines(at, bounds[:, 0], bounds[:, 1], color=look.colour, linewidth=style.line(1.0))
    for place, source in zip(at, sources.values(), strict=True):
        single = source["exponent"].values[:, 0]
        single = single[np.isfinite(single)] if len(single) <= SINGLE else single[:0]
        ax.plot(
            np.full(len(single), place),
            single,
            linestyle="none",
            marker="_",
            markersize=4,
            color=style.mark(0).colour,
            alpha=0.35,
        )
    ax.axhline(0, color=style.MUTED, linewidth=0.6, zorder=0)
    if axis:
        ax.set_xlabel(axis[0])
        if at.min() > 0 and at.max() / at.min() > 20:
            ax.set_xscale("log")
        _mark_regimes(ax, settings.regimes)
    else:
        ax.set_xticks(at, list(sources), rotation=35, ha="right")
    ax.set_ylabel(EXPONENT)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    caption = (
        f"Mean exponents in the order of the QR, {_averaged(sources)}, mean over seeds "
        "with 95 % bootstrap intervals; ticks are the first exponents of single seeds, where there are at most "
        f"{SINGLE}. Runs that diverged and exponents of -infinity are left out."
    )
    return Figure(
        "exponents", "Exponents by condition", caption, figure, pd.concat(tables, ignore_index=True)
    )


def _mark_regimes(ax: Axes, regimes: Mapping[str, tuple[float, float]]) -> None:
    """Every other stretch shaded, the label of each above it, in two rows so that short stretches do not collide."""
    for place, (label, (low, high)) in enumerate(regimes.items()):
        if place % 2 == 0:
            ax.axvspan(low, high, color=style.GRID, alpha=0.5, linewidth=0, zorder=-1)
        middle = np.sqrt(low * high) if ax.get_xscale() == "log" else (low + high) / 2
        ax.text(
            middle,
            1.02 if place % 2 == 0 else 1.07,
            label,
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=style.text_size(6.5),
            color=style.MUTED,
        )


def _angles(sources: Mapping[str, xr.Dataset]) -> Figure:
    names = list(sources)
    figure, axes = _grid(names, 66)
    tables = []
    for ax, name in zip(axes, names, strict=False):
        source = sources[name]
        steps = source["moment_step"].values
        drawn = {"first group, others": source["splitting"].values}
        for place, (one, other) in enumerate(source.attrs["pairs"]):
            if other < NAMED_VECTORS and source.sizes["index"] > 2:
                drawn[f"{one}, {other}"] = source["angle"].values[:, :, place]
        for number, (label, values) in enumerate(drawn.items()):
            seen = np.isfinite(values).any(axis=0)
            tables.append(_by_seed(name, source, steps[seen], values[:, seen], "angle", {"between": label}))
            if not seen.any():
                continue
            whole = values[np.isfinite(values[:, seen]).all(axis=1)][:, seen]
            panels.curves_of_runs(ax, steps[seen], whole, label, index=number, thin=len(values) <= SINGLE)
        ax.set_ylim(0, 92)
        ax.set_yticks((0, 30, 60, 90))
        ax.set_title(name)
        ax.set_xlabel("step")
        ax.set_ylabel("angle (degrees)")
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.22), ncols=3)
    caption = (
        "Least angles between the space of the first group of close exponents and that of all others, and angles "
        "between leading covariant vectors where their exponents are not close, numbered in the order of the QR. "
        f"{_lines(sources)} Vectors of symmetric tangent maps at rest are orthogonal."
    )
    return Figure(
        "angles", "Angles of covariant vectors", caption, figure, pd.concat(tables, ignore_index=True)
    )
