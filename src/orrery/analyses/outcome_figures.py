"""The figures of outcome prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.outcome_numbers import adds, answer, at, classified
from orrery.figures import panels, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

LABELS = {
    "exponent": "exponent",
    "loss": "loss",
    "gradient": "length of the step",
    "together": "loss and exponent",
}
MARKS = {name: index for index, name in enumerate(LABELS)}
COLUMNS = 3


def draw(sources: Mapping[str, xr.Dataset]) -> list[Figure]:
    """ROC curves, areas and the choice of the index where there are classes, rank correlations, final losses.

    Args:
        sources: by condition, ``area(predictor, horizon)`` and all else of
            :func:`orrery.analyses.outcome_scores.score`.
    """
    found = []
    if two := {name: result for name, result in sources.items() if classified(result)}:
        found += [_roc(two), _areas(two), _indices(two)]
    return [*found, _correlations(sources), _scatter(sources), _histogram(sources)]


def _panels(count: int, height: float) -> tuple[Any, list[Axes]]:
    """A figure with a panel for each condition, lettered, at most three in a row, four in two rows of two."""
    columns = 2 if count == 4 else min(count, COLUMNS)
    rows = -(-count // columns)
    width = "single" if columns == 1 else 30.0 + 49.0 * columns
    figure = style.figure(width, 12 + height * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[count:]:
        ax.set_visible(False)
    if count > 1:
        for ax, letter in zip(axes[:count], "abcdefghijklmnopqrstuvwxyz", strict=False):
            panels.panel_letter(ax, letter)
    return figure, list(axes[:count])


def _titled(ax: Axes, name: str) -> None:
    ax.set_title(name, fontweight="normal")


def _alike(axes: list[Axes]) -> None:
    """One vertical range for all panels."""
    ends = [ax.get_ylim() for ax in axes]
    for ax in axes:
        ax.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))


def _logarithmic(axis: Axis) -> None:
    """A logarithmic axis with labels at 1, 2, 5 where it spans little, at powers of ten where it spans much."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_minor_formatter(NullFormatter())
    if high < 50 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend(figure: Any, ax: Axes, columns: int = 4) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def _roc(sources: Mapping[str, xr.Dataset]) -> Figure:
    from sklearn.metrics import roc_curve

    figure, axes = _panels(len(sources), 56)
    rows = []
    for ax, (name, result) in zip(axes, sources.items(), strict=True):
        headline = int(result.attrs["headline"])
        fresh = result["fresh"].values
        high = result["final_loss"].values[fresh] > result.attrs["threshold"]
        ax.plot([0, 1], [0, 1], color=style.GRID, linewidth=style.line(0.8))
        for row, predictor in enumerate(result.attrs["predictors"]):
            sign = result["orientation"].values[row, headline]
            scores = sign * result[predictor].values[fresh, headline]
            wrong, right, _ = roc_curve(high, _ranked(scores), drop_intermediate=False)
            look = style.mark(MARKS[predictor])
            area = at(result, "area", predictor, headline)[0]
            ax.plot(wrong, right, color=look.colour, linestyle=look.dashes, label=LABELS[predictor])
            ax.text(
                0.97,
                0.30 - 0.08 * row,
                f"{LABELS[predictor]} {area:.3f}",
                transform=ax.transAxes,
                ha="right",
                color=look.colour,
                fontsize=style.text_size(6.5),
            )
            rows.append(
                pd.DataFrame(
                    {
                        "condition": name,
                        "predictor": predictor,
                        "false_positive_rate": wrong,
                        "true_positive_rate": right,
                    }
                )
            )
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel="false positives")
        ax.set_ylabel("true positives")
        horizon = int(result["horizon"].values[headline])
        _titled(ax, f"{name}, step {horizon}")
    _legend(figure, axes[0])
    found = " ".join(f"{name}: {answer(result)[1]}; {adds(result)}." for name, result in sources.items())
    caption = (
        f"Do exponents tell more than the loss, or add to it? {found} Drawn are ROC curves on the fresh runs, at the "
        "horizon that was chosen on the others; index and orientation of the exponent are likewise chosen there. "
        "Numbers are areas (AUC)."
    )
    return Figure("roc", "Exponents beside the loss as predictors", caption, figure, pd.concat(rows))


def _ranked(scores: np.ndarray) -> np.ndarray:
    """Ranks in place of scores, which may be infinite."""
    import scipy.stats

    return np.asarray(scipy.stats.rankdata(scores))


def _areas(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure, axes = _panels(len(sources), 50)
    rows = []
    for ax, (name, result) in zip(axes, sources.items(), strict=True):
        horizons = result["horizon"].values
        ax.axhline(0.5, color=style.MUTED, linewidth=style.line(0.6), linestyle=":")
        for predictor in result.attrs["predictors"]:
            _with_intervals(ax, result, "area", predictor, LABELS[predictor], MARKS[predictor])
        ax.axvline(
            horizons[int(result.attrs["headline"])], color=style.GRID, linewidth=style.line(2.5), zorder=0
        )
        _steps(ax, horizons)
        ax.set_ylabel("AUC on the fresh runs")
        _titled(ax, name)
        rows.append(_table(name, result))
    _alike(axes)
    _legend(figure, axes[0])
    caption = (
        "Area under the ROC curve against the horizon, with 95 % intervals over paired bootstrap resamples of the "
        "fresh runs. Index and orientation are chosen at each horizon on the other runs; the band marks the horizon "
        "that was chosen there. Dotted: chance. The gradient enters as the length of the step."
    )
    return Figure("areas", "AUC against the horizon", caption, figure, pd.concat(rows))


def _indices(sources: Mapping[str, xr.Dataset]) -> Figure:
    """What was chosen from: the area of every index at every horizon."""
    figure, axes = _panels(len(sources), 50)
    rows = []
    for ax, (name, result) in zip(axes, sources.items(), strict=True):
        ax.axhline(0.5, color=style.MUTED, linewidth=style.line(0.6), linestyle=":")
        index = result["index"].values
        for place, horizon in enumerate(result["horizon"].values.tolist()):
            areas = result["choosing_area"].values[place]
            chosen = int(result["chosen_index"].values[place])
            look = style.mark(place)
            ax.plot(
                index,
                areas,
                color=look.colour,
                linestyle=look.dashes,
                marker=look.marker,
                markerfacecolor="none",
                label=f"step {horizon}",
            )
            ax.plot(chosen, areas[chosen], color=look.colour, marker=look.marker, markersize=6)
            rows.append(pd.DataFrame({"condition": name, "horizon": horizon, "index": index, "area": areas}))
        ax.set_xticks(index)
        ax.set(xlabel="index, 0 is the largest", ylabel="AUC on the choosing runs")
        _titled(ax, name)
    _alike(axes)
    _legend(figure, axes[0], columns=5)
    caption = (
        "Area under the ROC curve of every exponent, sorted at its horizon, on the runs with which was chosen: above "
        "one half (dotted) a larger exponent goes with a high final loss, below it a smaller one. Filled: the index "
        "chosen at that horizon, which alone is scored on the fresh runs."
    )
    return Figure("indices", "AUC of every exponent", caption, figure, pd.concat(rows))


def _table(name: str, result: xr.Dataset) -> pd.DataFrame:
    """One row per horizon: the exponent next to the loss, their difference, and all else."""
    rows = []
    for place, horizon in enumerate(result["horizon"].values):
        row: dict[str, Any] = {
            "condition": name,
            "horizon": int(horizon),
            "index": int(result["chosen_index"].values[place]),
            "orientation": int(result["orientation"].values[0, place]),
        }
        quantities = [("area", one) for one in result.attrs["predictors"]]
        quantities += [("difference", tuple(pair)) for pair in result.attrs["contrasts"]]
        for quantity, which in quantities:
            label = which if isinstance(which, str) else "-".join(which)
            for end, value in zip(("", "_low", "_high"), at(result, quantity, which, place), strict=True):
                row[f"{quantity}_{label}{end}"] = value
        rows.append(row)
    return pd.DataFrame(rows)


def _with_intervals(
    ax: Axes, result: xr.Dataset, quantity: str, which: str | None, label: str, index: int
) -> None:
    """A curve over horizons with error bars; series stand slightly apart, so that bars do not cover one another."""
    values = np.array([at(result, quantity, which, place) for place in range(result.sizes["horizon"])])
    look = style.mark(index)
    apart = 1.0 + 0.035 * (index - 1.5)
    ax.errorbar(
        result["horizon"].values * apart,
        values[:, 0],
        yerr=np.maximum(np.abs(values[:, 1:] - values[:, :1]).T, 0),
        color=look.colour,
        marker=look.marker,
        linestyle=look.dashes,
        linewidth=style.line(1.0),
        elinewidth=style.line(0.8),
        label=label,
    )


def _steps(ax: Axes, horizons: np.ndarray) -> None:
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set_xticks(horizons, [str(int(one)) for one in horizons])
    ax.set_xlabel("horizon (steps)")


def _correlations(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure, axes = _panels(len(sources), 50)
    rows = []
    for ax, (name, result) in zip(axes, sources.items(), strict=True):
        ax.axhline(0, color=style.MUTED, linewidth=style.line(0.6), linestyle=":")
        for predictor in ("exponent", "loss", "gradient"):
            _with_intervals(ax, result, "correlation", predictor, LABELS[predictor], MARKS[predictor])
        _with_intervals(ax, result, "partial", None, "exponent at fixed rank of the loss", 4)
        _steps(ax, result["horizon"].values)
        ax.set_ylabel("rank correlation with final loss")
        _titled(ax, name)
        for place, horizon in enumerate(result["horizon"].values):
            row: dict[str, Any] = {"condition": name, "horizon": int(horizon)}
            for label in ("exponent", "loss", "gradient", "partial"):
                which = None if label == "partial" else label
                quantity = "partial" if label == "partial" else "correlation"
                for end, value in zip(("", "_low", "_high"), at(result, quantity, which, place), strict=True):
                    row[label + end] = value
            rows.append(row)
    _alike(axes)
    _legend(figure, axes[0], columns=2)
    caption = (
        "Spearman's correlation of predictors at a horizon with the final loss on the fresh runs, and that of the "
        "exponent with the ranks of the loss at the same step held fixed; 95 % bootstrap intervals. The index of the "
        "exponent is that chosen at each horizon on the other runs."
    )
    return Figure("correlations", "Rank correlation with the final loss", caption, figure, pd.DataFrame(rows))


def _scatter(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure, axes = _panels(len(sources), 50)
    rows = []
    look, other = style.mark(0), style.mark(1)
    for ax, (name, result) in zip(axes, sources.items(), strict=True):
        headline = int(result.attrs["headline"])
        horizon, index = int(result["horizon"].values[headline]), int(result["chosen_index"].values[headline])
        exponent, final = result["exponent"].values[:, headline], result["final_loss"].values
        fresh = result["fresh"].values
        for which, mark, label in ((~fresh, other, "runs to choose with"), (fresh, look, "fresh runs")):
            ax.plot(
                1e3 * exponent[which],
                final[which],
                linestyle="none",
                marker=mark.marker,
                markersize=2,
                markerfacecolor="none",
                markeredgewidth=0.5,
                color=mark.colour,
                alpha=0.6,
                label=label,
                rasterized=len(final) > 2_000,
            )
        _threshold(ax.axhline, result)
        ax.set_yscale("log")
        ax.set_xlabel(f"exponent {index}, {horizon} steps (10⁻³/step)")
        ax.set_ylabel("final loss")
        _logarithmic(ax.yaxis)
        ax.locator_params(axis="x", nbins=4)
        _titled(ax, name)
        rows.append(
            pd.DataFrame(
                {
                    "condition": name,
                    "seed": result["seed"].values,
                    "exponent": exponent,
                    "loss": result["loss"].values[:, headline],
                    "final_loss": final,
                    "fresh": fresh,
                }
            )
        )
    _legend(figure, axes[0])
    lost = sum(int(np.isinf(table["exponent"]).sum()) for table in rows)
    minus = f" {lost} runs with an exponent of minus infinity are not drawn." if lost else ""
    caption = (
        "Final loss of every run against its finite-time exponent from step 0, of the index and horizon chosen on the "
        f"first runs (0 is the largest exponent). Dashed: the threshold of a high outcome.{minus}"
    )
    return Figure("final-losses", "Final loss against the exponent", caption, figure, pd.concat(rows))


def _histogram(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure, axes = _panels(len(sources), 42)
    rows = []
    for ax, (name, result) in zip(axes, sources.items(), strict=True):
        final = result["final_loss"].values
        ends = np.geomspace(final.min() * 0.98, final.max() * 1.02, 41)
        counts, _ = np.histogram(final, ends)
        ax.stairs(counts, ends, fill=True, color=style.mark(0).colour, alpha=0.8)
        _threshold(ax.axvline, result)
        ax.set(xscale="log", yscale="log", xlabel="final loss", ylabel="runs")
        ax.set_ylim(0.7, None)
        _logarithmic(ax.xaxis)
        share = f", {np.mean(final > result.attrs['threshold']):.1%} high" if classified(result) else ""
        _titled(ax, f"{name}, {len(final)} runs{share}")
        rows.append(pd.DataFrame({"condition": name, "from": ends[:-1], "to": ends[1:], "runs": counts}))
    caption = (
        "Distribution of the final loss over all runs; both axes are logarithmic. Dashed: the threshold above which an "
        "outcome is high, where there is one."
    )
    return Figure(
        "final-loss-distribution", "Distribution of the final loss", caption, figure, pd.concat(rows)
    )


def _threshold(draw_line: Any, result: xr.Dataset) -> None:
    if classified(result):
        draw_line(
            result.attrs["threshold"], color=style.INK, linestyle=(0, (4, 2)), linewidth=style.line(0.8)
        )
