"""The constants that make inputs comparable, and their use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Float64, Num

    from orrery.data.api import Precision, Standardise


def constants(
    kind: Standardise,
    train_inputs: Num[np.ndarray, "train_sample feature"],
    fixed: tuple[float, float] | None,
) -> tuple[Float64[np.ndarray, " feature"], Float64[np.ndarray, " feature"]]:
    """Return (mean, deviation) of every feature: what is subtracted, and what the rest is divided by.

    Only training samples are measured. The deviation is that of the population (divided by n); a feature that
    does not vary keeps its scale, i.e. has deviation 1.

    Args:
        kind: ``none`` (0 and 1), ``global`` (one pair for all features) or ``per-feature``.
        train_inputs: the training samples in the units in which they are used.
        fixed: the pair that ``global`` takes instead of measuring.
    """
    features = train_inputs.shape[1]
    if kind == "none":
        return np.zeros(features), np.ones(features)
    if kind == "global":
        if fixed is None:
            fixed = (float(train_inputs.mean(dtype=np.float64)), float(train_inputs.std(dtype=np.float64)))
        return np.full(features, fixed[0]), np.full(features, fixed[1] or 1.0)
    mean = train_inputs.mean(axis=0, dtype=np.float64)
    deviation = train_inputs.std(axis=0, dtype=np.float64)
    # Rounding alone gives a constant feature a deviation near the last bit.
    constant = train_inputs.max(axis=0) == train_inputs.min(axis=0)
    return mean, np.where(constant, 1.0, deviation)


def apply(
    inputs: Num[np.ndarray, "sample feature"],
    mean: Float64[np.ndarray, " feature"],
    deviation: Float64[np.ndarray, " feature"],
    dtype: Precision = "float32",
) -> Float[np.ndarray, "sample feature"]:
    """Return (inputs - mean) / deviation, computed in ``dtype``; ``inputs`` stay untouched."""
    result = np.array(inputs, dtype=dtype)
    result -= mean.astype(dtype)
    result /= deviation.astype(dtype)
    return result
