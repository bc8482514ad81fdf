"""Principal components of a set of points, with signs that a rule fixes."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from jaxtyping import Float

from orrery.numerics.fixed_signs import fixed_signs


def leading_components(
    points: Float[np.ndarray, "point feature"], count: int
) -> tuple[Float[np.ndarray, "point component"], Float[np.ndarray, " component"]]:
    """Scores of the centred points, and shares of their variance.

    The entry of a component of largest modulus, the first one of several, is positive. Components beyond the rank that
    the points can have are 0, with share 0.

    Args:
        points: finite; there may be none.
        count: components that are wanted.
    """
    scores, shares = np.zeros((len(points), count)), np.zeros(count)
    kept = min(count, len(points) - 1, points.shape[1])
    if kept < 1:
        return scores, shares
    centred = points - points.mean(axis=0)
    by_feature = points.shape[1] <= len(points)
    matrix = centred.T @ centred if by_feature else centred @ centred.T
    side, total = len(matrix), float((centred**2).sum())
    if total == 0:
        return scores, shares
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(side - kept, side - 1))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    components = vectors if by_feature else centred.T @ vectors
    lengths = np.maximum(np.linalg.norm(components, axis=0), np.finfo(float).tiny)
    scores[:, :kept] = centred @ (components / lengths) * fixed_signs(components)
    shares[:kept] = values / total
    return scores, shares
