"""Where the samples of the classes lie in a plane: how well they separate, and how far two sets of positions are apart.

The measures are our own, plain ones. All of them are free of units: lengths are given in the root mean square distance
of the positions of reference from their centre, the spread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Positions = Float[np.ndarray, "run sample axis"]


def class_means(
    positions: Float[np.ndarray, "run sample axis"], labels: Int[np.ndarray, " sample"], classes: int
) -> Float[np.ndarray, "run class axis"]:
    """Mean position of each class; NaN for a class without a sample."""
    members = (labels[:, None] == np.arange(classes)).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.swapaxes(np.swapaxes(positions, 1, 2) @ members / members.sum(axis=0), 1, 2)


def nearest_mean_accuracy(
    positions: Float[np.ndarray, "run sample axis"],
    labels: Int[np.ndarray, " sample"],
    means: Float[np.ndarray, "run class axis"],
) -> Float[np.ndarray, " run"]:
    """Share of the samples to which, of all class means, that of their own class is nearest.

    Of equal distances that to the class of the lowest number counts; a class without a mean is nobody's nearest.
    """
    # |z - m|^2 without |z|^2, which is the same for all classes.
    distances = (means**2).sum(axis=2)[:, None] - 2 * positions @ np.swapaxes(means, 1, 2)
    return (np.where(np.isnan(distances), np.inf, distances).argmin(axis=2) == labels).mean(axis=1)


def spread(positions: Float[np.ndarray, "run sample axis"]) -> Float[np.ndarray, " run"]:
    """Root mean square distance from the centre of all positions."""
    centred = positions - positions.mean(axis=1, keepdims=True)
    return np.sqrt((centred**2).sum(axis=2).mean(axis=1))


def shift(
    positions: Float[np.ndarray, "run sample axis"], reference: Float[np.ndarray, "run sample axis"]
) -> Float[np.ndarray, " run"]:
    """Root mean square distance between the two positions of each sample, over the spread of the reference."""
    moved = np.sqrt(((positions - reference) ** 2).sum(axis=2).mean(axis=1))
    return _over(moved, spread(reference))


def offset(
    positions: Float[np.ndarray, "run sample axis"],
    labels: Int[np.ndarray, " sample"],
    reference: Float[np.ndarray, "run other axis"],
    reference_labels: Int[np.ndarray, " other"],
    classes: int,
) -> tuple[Float[np.ndarray, " run"], Float[np.ndarray, " run"]]:
    """How far the mean of a class lies from the mean that the class has in the reference, and what chance makes of it.

    Returns:
        The root mean square over the classes of that distance, over the spread of the reference; and what finite
        numbers of samples would make of it if both means were equal in truth: the root of the mean over the classes of
        w / n + w' / n', with w the variance of the positions within the class (divisor n - 1) and n the samples.
        Classes with fewer than two samples in one of the two are left out.
    """
    distances, variances = [], []
    for number in range(classes):
        parts = positions[:, labels == number], reference[:, reference_labels == number]
        if min(part.shape[1] for part in parts) < 2:
            continue
        means = [part.mean(axis=1, keepdims=True) for part in parts]
        distances.append(((means[0] - means[1]) ** 2).sum(axis=(1, 2)))
        variances.append(
            sum(
                ((part - mean) ** 2).sum(axis=(1, 2)) / (part.shape[1] - 1) / part.shape[1]
                for part, mean in zip(parts, means, strict=True)
            )
        )
    unit = spread(reference)
    if not distances:
        return np.full(len(unit), np.nan), np.full(len(unit), np.nan)
    apart, chance = (np.sqrt(np.mean(squares, axis=0)) for squares in (distances, variances))
    return _over(apart, unit), _over(chance, unit)


def _over(lengths: Float[np.ndarray, " run"], unit: Float[np.ndarray, " run"]) -> Float[np.ndarray, " run"]:
    return np.divide(lengths, unit, out=np.full(len(unit), np.nan), where=unit > 0)
