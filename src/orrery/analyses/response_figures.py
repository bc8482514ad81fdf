"""Figures of the training response: ageing, profiles over log time, and kernels; others stand in files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.figures_in_parts import in_parts
from orrery.analyses.response_course_figures import draw_small_distances, draw_specificity, draw_stages
from orrery.analyses.response_fits import CURVES, WORDS, curve, fit, predicted
from orrery.analyses.response_tables import finite_runs, long_table, rounded
from orrery.analyses.response_test_figures import draw_identity, draw_separability
from orrery.figures import panels, style
from orrery.figures.grids import panel_grid

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from orrery.analyses.response import Settings

NORMS = ("raw", "out", "pre")
MOST = 8
"""Conditions that a figure shows."""
SHOWN = 7
"""Moments whose profiles are drawn."""
SAMPLES = "training sample"
"""What places are called that have no position on an axis."""
DRAWN = ("error", "raw", "output-kernel", "kernel")


def draw(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """All figures.

    Args:
        sources: by condition, with ``response(seed, moment, probe, norm, place)`` and all else of the analysis.
        settings: of the analysis.
    """
    kept = {name: finite_runs(source) for name, source in sources.items()}
    kept = {name: source for name, source in kept.items() if source.sizes["seed"]}
    return in_parts(kept, MOST, partial(_of_some, settings)) if kept else []


def _of_some(settings: Settings, kept: Mapping[str, xr.Dataset]) -> list[Figure]:
    # What was looked at once has no course.
    followed = {name: source for name, source in kept.items() if (source["moment_step"] > 0).sum() >= 2}
    figures = [_ageing(followed, settings)] if followed else []
    figures += [_profiles(kept, settings), _kernels(kept)]
    if followed:
        figures += [draw_separability(followed, settings), draw_stages(followed)]
    figures += draw_specificity(followed, settings) if followed else draw_small_distances(kept)
    if any("identity" in source for source in kept.values()):
        figures.append(draw_identity(kept))
    return figures


def _ageing(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    figure, axes = panel_grid(len(sources), 62, horizontal="step", vertical="at x0")
    tables = []
    for ax, (name, source) in zip(axes, sources.items(), strict=True):
        steps = source["moment_step"].values
        later = steps > 0
        for index, key in enumerate(DRAWN):
            values = curve(source, key)[:, 0]
            label = WORDS[key].removesuffix(" at x0").replace("(x0, x0)", "")
            if settings.decades is not None:
                slopes = fit(source, key, settings.decades).slope[:, 0]
                if np.isfinite(slopes).any():
                    label += f": slope {np.nanmean(slopes):.2f}"
                expected = predicted(source).get(key)
                if expected is not None:
                    label += f" ({expected:g})"
                    _guide(ax, steps, values, expected, settings.decades)
            panels.curves_of_runs(
                ax, steps[later], values[:, later], label, index=index, thin=len(values) <= 12
            )
        ax.set(xscale="log", yscale="log")
        ax.set_title(name)
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.22))
        columns = {key: curve(source, key)[:, 0] for key in CURVES}
        tables.append(long_table(name, source, columns))
    fitted = (
        f"slopes in the legends are least-squares fits over the last {settings.decades:g} decades, means over seeds"
        if settings.decades is not None
        else "no slopes were fitted"
    )
    guided = any(predicted(source) for source in sources.values())
    caption = (
        "Error, response to one probe step at its own place, and tangent kernels of the output (K_f) and of the last "
        f"layer (K_u), against the step, both axes logarithmic; {fitted}."
        + (
            " In brackets, and dashed: exponents derived for one sample and a K_u that stays as it is, through the "
            "last point."
            if guided
            else ""
        )
        + " Thin lines: seeds; thick lines: medians; bands: 25th to 75th percentile. Arithmetic float64."
        + (" Of several probes the first." if _several(sources) else "")
    )
    return Figure("ageing", "Ageing of the response", caption, figure, pd.concat(tables, ignore_index=True))


def _guide(ax: Axes, steps: np.ndarray, values: np.ndarray, slope: float, decades: float) -> None:
    """The predicted power law through the median of the last point."""
    last = np.median(values[:, -1])
    times = np.array([steps[-1] / 10**decades, steps[-1]])
    ax.plot(
        times,
        last * (times / steps[-1]) ** slope,
        color=style.INK,
        linestyle=(0, (4, 2)),
        linewidth=style.line(0.8),
        zorder=4,
    )


def _several(sources: Mapping[str, xr.Dataset]) -> bool:
    return any(source.sizes["probe"] > 1 for source in sources.values())


def _shown(source: xr.Dataset) -> list[int]:
    """Moments spread over log time, the last among them."""
    count = source.sizes["moment"]
    return np.unique(np.linspace(0, count - 1, min(SHOWN, count)).round().astype(int)).tolist()


def _positions(source: xr.Dataset) -> tuple[np.ndarray, np.ndarray, str]:
    """Order and position of the places, and what they are."""
    at = source["place_at"].values
    if not np.isfinite(at).all():
        return np.arange(len(at)), np.arange(len(at), dtype=float), SAMPLES
    order = np.argsort(at, kind="stable")
    return order, at[order], "x"


def _label_places(ax: Axes, label: str) -> None:
    ax.set_xlabel(label)
    if label == SAMPLES:
        # There is none between two of them.
        ax.locator_params(axis="x", integer=True)


def _profiles(sources: Mapping[str, xr.Dataset], settings: Settings) -> Figure:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    # Over its value at x0, R_raw is R_out: they differ by a factor that is the same at all x.
    both = {"raw", "out"} <= set(settings.normalisations)
    keys = [key for key in settings.normalisations if not (both and key == "raw")]
    figure = style.figure("double" if len(keys) > 1 else "single", 8 + 48 * len(sources))
    axes = figure.subplots(len(sources), len(keys), squeeze=False)
    tables = []
    for row, (name, source) in zip(axes, sources.items(), strict=True):
        order, positions, label = _positions(source)
        steps = source["moment_step"].values
        norm = LogNorm(max(1, steps[steps > 0].min(initial=1)), max(10, steps[-1]))
        for ax, key in zip(row, keys, strict=True):
            place = NORMS.index(key)
            for moment in _shown(source):
                values = source["response"].values[:, moment, 0, place][:, order]
                own = source["own"].values[:, moment, 0, place]
                with np.errstate(divide="ignore", invalid="ignore"):
                    shares = values / own[:, None]
                if not np.isfinite(shares).all(axis=1).any():
                    continue
                middle = np.nanmedian(shares, axis=0)
                colour = colormaps[style.SEQUENTIAL](0.95 * float(norm(max(steps[moment], 1))))
                ax.plot(positions, middle, color=colour, linewidth=style.line(0.9))
                tables.append(
                    pd.DataFrame(
                        {
                            "condition": name,
                            "normalisation": key,
                            "step": int(steps[moment]),
                            "place": rounded(positions),
                            "share": rounded(middle),
                            "own": rounded(np.full(len(middle), np.median(own))),
                        }
                    )
                )
            ax.axhline(0, color=style.GRID, linewidth=style.line(0.5), zorder=0)
            ax.set_ylabel(f"R_{key}(x, x0) / R_{key}(x0, x0)")
            _label_places(ax, label)
            ax.set_title(name if len(sources) > 1 and key == keys[0] else "")
        bar = figure.colorbar(ScalarMappable(norm, style.SEQUENTIAL), ax=row[-1], pad=0.02, aspect=20)
        bar.set_label("step")
        bar.outline.set_visible(False)
    caption = (
        "Response at x to one probe step at x0, over that at x0 itself, at steps spread over log time; medians over "
        "seeds. Columns: normalisations ("
        + ", ".join(f"R_{key}" for key in keys)
        + (", whose profile is that of R_raw, too" if both else "")
        + "). A response that is a product of a decay in time and a kernel in input space would lie on one curve. Step "
        "0, where it is shown, has the colour of step 1."
    )
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return Figure("profiles", "Response profiles over log time", caption, figure, table)


def _kernels(sources: Mapping[str, xr.Dataset]) -> Figure:
    figure = style.figure("double", 8 + 48 * len(sources))
    axes = figure.subplots(len(sources), 2, squeeze=False)
    tables = []
    for row, (name, source) in zip(axes, sources.items(), strict=True):
        order, positions, label = _positions(source)
        steps = source["moment_step"].values
        count = len(steps)
        for ax, kernel, norm, word in ((row[0], 1, 2, "K_u"), (row[1], 0, 1, "K_f")):
            for index, moment in enumerate(dict.fromkeys((0, count // 2, count - 1))):
                look = style.mark(index)
                values, measured = (
                    np.median(part, axis=0)[order]
                    for part in (
                        source["tangent"].values[:, moment, 0, kernel],
                        source["response"].values[:, moment, 0, norm],
                    )
                )
                ax.plot(
                    positions,
                    values,
                    color=look.colour,
                    linestyle=look.dashes,
                    linewidth=style.line(1.1),
                    label=f"step {steps[moment]}",
                )
                every = max(1, len(positions) // 20)
                ax.plot(
                    positions[::every],
                    measured[::every],
                    look.marker,
                    color=look.colour,
                    markersize=2.4,
                    markerfacecolor="none",
                    markeredgewidth=0.6,
                )
                tables.append(
                    pd.DataFrame(
                        {
                            "condition": name,
                            "kernel": word,
                            "step": int(steps[moment]),
                            "place": rounded(positions),
                            "kernel_value": rounded(values),
                            "response": rounded(measured),
                        }
                    )
                )
            if word == "K_f":
                ax.set_yscale("log")
            ax.set_ylabel(f"{word}(x, x0)")
            _label_places(ax, label)
            ax.set_title(name if word == "K_u" else "")
        row[0].legend(loc="upper left", bbox_to_anchor=(0, -0.24), ncols=3)
    caption = (
        "Tangent kernels at x and the probe x0, by automatic differentiation (lines), and the responses that become "
        "them as the probe rate goes to 0 (points): of the last layer, K_u and R_pre, left; of the output, K_f and "
        "R_out, right, logarithmic. Medians over seeds."
    )
    return Figure(
        "kernels", "Tangent kernels and responses", caption, figure, pd.concat(tables, ignore_index=True)
    )
