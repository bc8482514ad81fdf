"""Attraction basins of a classifier whose logits move linearly with the noise: the first-order prediction.

To first order in the amplitude s the logits of a sample are f + s z with z normal of covariance J L J^T, J their
Jacobian and L the variances of the noise at s = 1. A draw z stays right until s reaches the smallest of
m_k / (z_k - z_y) over the classes k with z_k > z_y, m_k = f_y - f_k. So the amplitude at which half of the draws are
wrong is the median of these, and no grid is needed.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

TOGETHER = 2**22
"""Numbers held at once: draws x samples x classes."""


def margins(
    logits: Float[np.ndarray, "sample class"], labels: Int[np.ndarray, " sample"]
) -> tuple[Float[np.ndarray, " sample"], Int[np.ndarray, " sample"]]:
    """f_y minus the largest other logit, and the class of that other one."""
    rows = np.arange(len(labels))
    others = np.array(logits, dtype=float)
    others[rows, labels] = -np.inf
    competitor = others.argmax(axis=1)
    return logits[rows, labels] - logits[rows, competitor], competitor


def margin_deviations(
    covariance: Float[np.ndarray, "sample class class"],
    labels: Int[np.ndarray, " sample"],
    competitor: Int[np.ndarray, " sample"],
) -> Float[np.ndarray, " sample"]:
    """Standard deviation of the margin per unit amplitude, to first order, the competitor held fixed."""
    rows = np.arange(len(labels))
    own, other = covariance[rows, labels, labels], covariance[rows, competitor, competitor]
    return np.sqrt(np.maximum(own + other - 2 * covariance[rows, labels, competitor], 0.0))


def linearised_basins(
    logits: Float[np.ndarray, "sample class"],
    covariance: Float[np.ndarray, "sample class class"],
    labels: Int[np.ndarray, " sample"],
    normals: Float[np.ndarray, "draw class"],
) -> Float[np.ndarray, " sample"]:
    """The amplitude at which a sample is right with probability 1/2, its logits being linear in the noise.

    Args:
        logits: without noise.
        covariance: of the logits at amplitude 1.
        labels: the right classes.
        normals: standard normal draws, the same for all samples; two thousand give the size to about 3 %.

    Returns:
        0 where a sample is wrong without noise; infinite where half of the draws never become wrong.
    """
    step = max(1, TOGETHER // normals.size)
    parts = [
        _basins(
            logits[first : first + step],
            covariance[first : first + step],
            labels[first : first + step],
            normals,
        )
        for first in range(0, len(labels), step)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _basins(
    logits: np.ndarray, covariance: np.ndarray, labels: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance.astype(float))
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    moved = normals @ root.transpose(0, 2, 1)  # (sample, draw, class)
    rows = np.arange(len(labels))
    lost = moved - moved[rows, :, labels][:, :, None]
    margin = (logits[rows, labels][:, None] - logits).astype(float)
    margin[rows, labels] = np.inf
    reach = np.divide(margin[:, None, :], lost, out=np.full(lost.shape, np.inf), where=lost > 0)
    right = (margin > 0).all(axis=1)
    return np.where(right, np.median(reach.min(axis=2), axis=1), 0.0)
