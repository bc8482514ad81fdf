"""Numbers and figure of end states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure, Number
from orrery.figures import style
from orrery.numerics.resampling import wilson

if TYPE_CHECKING:
    import xarray as xr

LEAST = 1e-17
"""Differences are drawn no smaller than this."""


def publish(sources: Mapping[str, xr.Dataset]) -> list[Number]:
    """Shares of periods and differences of exponents, by condition.

    Args:
        sources: by condition, ``found(seed)`` and all else of
            :func:`orrery.analyses.end_state_result.end_states`.
    """
    return [number for name, result in sources.items() for number in _of_condition(name, result)]


def _of_condition(name: str, result: xr.Dataset) -> Iterator[Number]:
    found = result["found"].values
    n = len(found)
    for period in [*result["period"].values.tolist(), 0]:
        count = int((found == period).sum())
        words = f"on an orbit of period {period}" if period > 1 else "at a fixed point"
        yield Number(
            f"share[{name},{f'period={period}' if period else 'none'}]",
            count / n,
            wilson(count, n),
            n,
            description=f"share of runs that end {words if period else 'on none of these'}",
        )
    for period in np.unique(found[found > 0]).tolist():
        which = found == period
        where = f"[{name},period={period}]"
        own, one_step = (result[key].values[which] for key in ("difference", "one_step_difference"))
        yield Number(
            f"largest-difference{where}",
            float(own.max()),
            n=int(which.sum()),
            unit="1/step",
            description="largest difference of an exponent from (1/p) ln of the multipliers, over runs and exponents",
        )
        yield Number(
            f"median-difference{where}",
            float(np.median(own)),
            n=int(which.sum()),
            unit="1/step",
            description="median over runs of that difference",
        )
        if period > 1:
            yield Number(
                f"one-step-difference{where}",
                float(np.median(one_step)),
                n=int(which.sum()),
                unit="1/step",
                description="median over runs of the largest difference from ln |eig J|, as if it were a fixed point",
            )


def draw(sources: Mapping[str, xr.Dataset]) -> Figure:
    """Every exponent's difference from that of the multipliers.

    Args:
        sources: by condition, ``expected(seed, index)``, ``one_step(seed, index)`` and ``exponent(seed, index)``.
    """
    figure = style.figure("double" if len(sources) > 1 else "single", 66)
    axes = figure.subplots(1, len(sources), squeeze=False)[0]
    tables = []
    for ax, (name, result) in zip(axes, sources.items(), strict=True):
        periodic = result["found"].values > 0
        exponent, expected, one_step = (
            result[key].values[periodic] for key in ("exponent", "expected", "one_step")
        )
        for index, (values, label) in enumerate(
            ((one_step, "one step, ln |eig J|"), (expected, "period, (1/p) ln |eig(J...J)|"))
        ):
            look = style.mark(1 - index)
            ax.plot(
                expected.ravel(),
                np.maximum(np.abs(exponent - values).ravel(), LEAST),
                linestyle="none",
                marker=look.marker,
                markersize=2.5,
                markerfacecolor="none",
                markeredgewidth=0.6,
                color=look.colour,
                label=label,
            )
        ax.set(yscale="log", xlabel="exponent of the multipliers (1/step)", ylabel="difference (1/step)")
        ax.set_title(f"{name}, {int(periodic.sum())} of {len(periodic)} runs", fontweight="normal")
        seeds, index = np.meshgrid(
            result["seed"].values[periodic], np.arange(expected.shape[1]), indexing="ij"
        )
        tables.append(
            pd.DataFrame(
                {
                    "condition": name,
                    "seed": seeds.ravel(),
                    "index": index.ravel(),
                    "exponent": exponent.ravel(),
                    "expected": expected.ravel(),
                    "one_step": one_step.ravel(),
                }
            )
        )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    caption = (
        "Difference between the exponents from the product of tangent maps along the run and those of the multipliers "
        "of its end state, for all runs that end at a fixed point or on a short periodic orbit. Where the period is "
        "longer than one step, the eigenvalues of a single step give other numbers."
    )
    return Figure("end-state", "Exponents at the end state", caption, figure, pd.concat(tables))
