"""Phases of training in the gradients of the layers: early layers steeper (phase I), then late ones (phase II)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from orrery.numerics.line_fits import lines


def slopes(gradient: Float[np.ndarray, "seed moment layer"]) -> Float[np.ndarray, "seed moment"]:
    """Least-squares slope of G over the number of the layer; NaN for a single layer.

    Negative in phase I (G higher in early layers), positive in phase II.
    """
    if gradient.shape[-1] < 2:
        return np.full(gradient.shape[:-1], np.nan)
    return lines(gradient).slope


def spreads(gradient: Float[np.ndarray, "seed moment layer"]) -> Float[np.ndarray, "seed moment"]:
    """(max - min) / \\|mean\\| of G over layers: small in phase III, where all come to one value; NaN for one layer."""
    if gradient.shape[-1] < 2:
        return np.full(gradient.shape[:-1], np.nan)
    mean = np.abs(gradient.mean(axis=-1))
    span = gradient.max(axis=-1) - gradient.min(axis=-1)
    return np.divide(span, mean, out=np.full(span.shape, np.nan), where=mean > 0)


def flip_steps(
    slope: Float[np.ndarray, "seed moment"], steps: Float[np.ndarray, " moment"]
) -> Float[np.ndarray, " seed"]:
    """Step from which on the slope stays positive, after it has been negative; NaN where there is no such step."""
    positive = slope > 0
    count = slope.shape[1]
    # Places from which on all are positive: behind the last that is not.
    start = np.where(positive.all(axis=1), 0, count - (~positive)[:, ::-1].argmax(axis=1))
    negative = (slope < 0) & (np.arange(count) < start[:, None])
    flipped = (start < count) & negative.any(axis=1)
    return np.where(flipped, steps[np.minimum(start, count - 1)].astype(float), np.nan)


def interior(curve: Float[np.ndarray, "seed moment"]) -> Bool[np.ndarray, " seed"]:
    """Whether a curve has its maximum neither at its first nor at its last moment."""
    place = curve.argmax(axis=1)
    return np.asarray((place > 0) & (place < curve.shape[1] - 1))


def early_moments(
    steps: Float[np.ndarray, " moment"], early: tuple[int, int] | None
) -> Bool[np.ndarray, " moment"]:
    """Moments of the early stage: those of the window, or of the first tenth of the steps, without the first moment.

    At least one: where the tenth holds none, the second moment.
    """
    if early is not None:
        return np.asarray((steps >= early[0]) & (steps <= early[1]))
    until = max(steps[0] + (steps[-1] - steps[0]) / 10, steps[min(1, len(steps) - 1)])
    return np.asarray((steps > steps[0]) & (steps <= until))
