"""Numbers of the sharpness: when it crosses the edge, where it stays, and how well it is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_over_seeds

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.sharpness import Settings


def publish(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """All numbers of all conditions.

    Args:
        sources: by condition, with ``product(seed, moment)`` and all else that the analysis gives.
        settings: of the analysis.
    """
    return [number for name, source in sources.items() for number in _of_condition(name, source, settings)]


def over_seeds(name: str, values: Float[np.ndarray, " seed"], description: str, unit: str = "") -> Number:
    """The mean over seeds with its bootstrap interval as a number; seeds without a value are left out."""
    value, bounds, n = mean_over_seeds(values)
    return Number(name, value, bounds, n, unit=unit, description=description)


def median_after_crossing(
    product: Float[np.ndarray, "seed moment"],
    crossing: Float[np.ndarray, " seed"],
    steps: Float[np.ndarray, " moment"],
    settle: int = 0,
    until: int | None = None,
) -> Float[np.ndarray, " seed"]:
    """Median of the product of each seed from ``settle`` steps after its crossing until a last step; else NaN."""
    last = steps[-1] if until is None else until
    chosen = (steps >= crossing[:, None] + settle) & (steps <= last)
    return _median(product, chosen)


def late_window(
    steps: Float[np.ndarray, " moment"], late: tuple[int, int] | None
) -> Bool[np.ndarray, " moment"]:
    """Moments of the late sharpness: those of the window, or the last tenth of the steps."""
    first, last = late or (steps[-1] - (steps[-1] - steps[0]) / 10, steps[-1])
    return np.asarray((steps >= first) & (steps <= last))


def _median(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.array(
        [
            np.median(row[kept]) if kept.any() else np.nan
            for row, kept in zip(values, np.broadcast_to(chosen, values.shape), strict=True)
        ]
    )


def _at(values: np.ndarray, steps: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each seed at its own step; NaN where there is none."""
    places = np.searchsorted(steps, np.nan_to_num(wanted, nan=steps[0]))
    return np.where(np.isfinite(wanted), values[np.arange(len(values)), places], np.nan)


def _of_condition(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    lost = source["diverged"].values.astype(bool)
    steps = source["moment_step"].values
    sharpness = source["sharpness"].values[~lost, :, 0]
    residual = source["residual"].values[~lost]
    loss = source["loss"].values[~lost]
    product, crossing = source["product"].values[~lost], source["crossing"].values[~lost]
    yield Number(
        f"diverged[{name}]", float(lost.sum()), n=len(lost), description="runs that diverged; left out below"
    )
    if np.isfinite(source["edge"].values).all() and len(sharpness):
        yield from _of_edge(name, steps, product, crossing, loss, settings)
    late = late_window(steps, settings.late)
    words = f"steps {steps[late][0]} to {steps[late][-1]}" if late.any() else "no step"
    final = _median(sharpness, late)
    peak = sharpness.max(axis=1) if len(sharpness) else np.array([])
    yield over_seeds(f"peak-sharpness[{name}]", peak, "largest sharpness, mean over seeds")
    yield over_seeds(f"late-sharpness[{name}]", final, f"median sharpness over {words}, mean over seeds")
    yield over_seeds(
        f"late-share[{name}]",
        final / peak,
        f"median sharpness over {words} over the largest one, mean over seeds",
    )
    yield over_seeds(f"final-loss[{name}]", loss[:, -1], f"loss at step {steps[-1]}, mean over seeds")
    if "trace" in source and len(sharpness):
        error = float(np.mean(source["trace_error"].values[~lost, -1]))
        trace = over_seeds(
            f"final-trace[{name}]",
            source["trace"].values[~lost, -1],
            f"trace of the Hessian at step {steps[-1]}, mean over seeds; standard error of one seed {error:.3g}",
        )
        yield trace
        shares = source["sharpness"].values[~lost, -1, 0] / source["trace"].values[~lost, -1]
        yield over_seeds(
            f"final-share-of-trace[{name}]",
            shares,
            f"sharpness over trace at step {steps[-1]}, mean over seeds",
        )
    if len(sharpness):
        yield from _of_accuracy(
            name, source["sharpness"].values[~lost], residual, source["converged"].values[~lost]
        )


def _of_edge(
    name: str,
    steps: np.ndarray,
    product: np.ndarray,
    crossing: np.ndarray,
    loss: np.ndarray,
    settings: Settings,
) -> Iterator[Number]:
    yield Number(
        f"crossed[{name}]",
        float(np.isfinite(crossing).sum()),
        n=len(crossing),
        description="seeds whose sharpness reaches the edge",
    )
    yield over_seeds(
        f"crossing[{name}]",
        crossing,
        "first step looked at with a sharpness at or above the edge, mean over the seeds that reach it",
        "steps",
    )
    until = steps[-1] if settings.until is None else settings.until
    yield over_seeds(
        f"median-product[{name}]",
        median_after_crossing(product, crossing, steps, settings.settle, settings.until),
        f"median of sharpness over edge from {settings.settle} steps after the crossing until step {until}, mean over "
        "the seeds that reach it",
    )
    late = late_window(steps, settings.late)
    yield over_seeds(
        f"late-product[{name}]",
        _median(product, late),
        "median of sharpness over edge in the window of the late sharpness, mean over seeds",
    )
    yield Number(
        f"largest-product[{name}]",
        float(product.max()),
        n=len(product),
        description="largest sharpness over edge of all seeds and steps looked at",
    )
    yield Number(
        f"least-peak-product[{name}]",
        float(product.max(axis=1).min()),
        n=len(product),
        description="largest sharpness over edge of the seed in which it stays lowest",
    )
    yield over_seeds(
        f"loss-at-crossing[{name}]",
        _at(loss, steps, crossing),
        "loss at the crossing, mean over the seeds that reach it",
    )
    after = steps[None, :] >= crossing[:, None]
    both = after[:, 1:] & after[:, :-1]
    rises = np.where(both, np.diff(loss, axis=1) > 0, False).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = rises / both.sum(axis=1)
    yield over_seeds(
        f"loss-rises[{name}]",
        share,
        "share of the pairs of consecutive steps looked at after the crossing over which the loss rises",
    )


def _of_accuracy(
    name: str, sharpness: np.ndarray, residual: np.ndarray, converged: np.ndarray
) -> Iterator[Number]:
    relative = residual / np.abs(sharpness).max(axis=2, keepdims=True)
    yield Number(
        f"largest-residual[{name}]",
        float(relative.max()),
        n=len(sharpness),
        description="largest |H v - l v| over the largest eigenvalue, over all seeds, steps and ranks",
    )
    yield Number(
        f"unconverged[{name}]",
        float((converged < 1).sum()),
        n=len(sharpness),
        description="states of all seeds with a residual above the tolerance",
    )
