"""Late generalisation: what basins and accuracy are when the training set is learned, at the end, and between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_number

if TYPE_CHECKING:
    import xarray as xr

LEARNED = 0.99
"""Accuracy on the training set from which on it counts as learned."""


@dataclass(frozen=True)
class Jump:
    """From the first moment at which the training set is learned to the last one, per seed; NaN where there is none.

    Attributes:
        before: basin at the first of these moments.
        after: basin at the last one.
        accuracy_step: step at which the test accuracy is halfway between its values at the two.
        basin_step: the same of the logarithm of the basin.
    """

    before: Float[np.ndarray, " seed"]
    after: Float[np.ndarray, " seed"]
    accuracy_step: Float[np.ndarray, " seed"]
    basin_step: Float[np.ndarray, " seed"]


def jump(
    steps: Float[np.ndarray, " moment"],
    train: Float[np.ndarray, "seed moment"],
    test: Float[np.ndarray, "seed moment"],
    basin: Float[np.ndarray, "seed moment"],
) -> Jump:
    """The two ends of what follows once the training set is learned, and the steps halfway between.

    Args:
        steps: of the moments, rising.
        train: accuracies on the training set.
        test: accuracies on the test set.
        basin: sizes, larger than 0 where the training set is learned.
    """
    found = np.full((4, len(train)), np.nan)
    for row, (learned, accuracy, size) in enumerate(zip(train >= LEARNED, test, basin, strict=True)):
        first = int(learned.argmax())
        if not learned.any() or first == len(steps) - 1:
            continue
        with np.errstate(divide="ignore"):
            logarithm = np.log(size[first:])
        found[:, row] = (
            size[first],
            size[-1],
            _halfway(steps[first:], accuracy[first:]),
            _halfway(steps[first:], logarithm),
        )
    return Jump(*found)


def _halfway(steps: np.ndarray, values: np.ndarray) -> float:
    """The first step at which a curve has gone half of the way up to its end, linear in the logarithm of the step."""
    level = (values[0] + values[-1]) / 2
    reached = values >= level
    if not np.isfinite(level) or values[-1] <= values[0]:
        return np.nan
    place = int(reached.argmax())
    low, high = values[place - 1], values[place]
    logarithms = np.log(np.maximum(steps[place - 1 : place + 1], 1))
    return float(np.exp(logarithms[0] + (level - low) / (high - low) * (logarithms[1] - logarithms[0])))


def jump_numbers(name: str, source: xr.Dataset) -> Iterator[Number]:
    """Basins before and after, their ratio, and the two steps; of ``basin(seed, moment, noise, threshold)``."""
    thresholds = source["threshold"].values
    middle = int(np.abs(thresholds - 0.5).argmin())
    steps = source["moment_step"].values.astype(float)
    train, test = source["train_accuracy"].values, source["test_accuracy"].values
    for place, noise in enumerate(source.attrs["noise"]):
        found = jump(steps, train, test, source["basin"].values[:, :, place, middle])
        of, words = f"[{name},{noise}]", f"basin at {thresholds[middle]:g} under noise on {noise}"
        yield mean_number(
            f"basin-learned{of}", found.before, f"{words}, first moment with {LEARNED:g} on the training set"
        )
        yield mean_number(f"basin-end{of}", found.after, f"{words}, last moment")
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = found.after / found.before
            steps_ratio = found.basin_step / found.accuracy_step
        yield mean_number(
            f"basin-growth{of}",
            ratio,
            f"{words}: last moment over first with {LEARNED:g} on the training set",
        )
        yield mean_number(
            f"basin-step{of}",
            found.basin_step,
            f"step at which the logarithm of the {words} is halfway",
            unit="steps",
        )
        yield mean_number(
            f"jump-ratio{of}", steps_ratio, "that step over the one at which test accuracy is halfway"
        )
        if place == 0:
            yield mean_number(
                f"accuracy-step[{name}]",
                found.accuracy_step,
                "step at which test accuracy is halfway between its value when the training set is learned "
                "and its last",
                unit="steps",
            )
