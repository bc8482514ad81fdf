"""The plane of what enters a layer that its weights weigh most: their two leading right singular vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from orrery.numerics.fixed_signs import fixed_signs


@dataclass(frozen=True)
class Plane:
    """Of the weights W = U S V^T of one layer of each network.

    Attributes:
        directions: the rows v_1 and v_2, which give the coordinates v_j . h of what enters the layer.
        outputs: u_1 and u_2: the outputs W h without what lies outside of the plane are sum_j s_j (v_j . h) u_j.
        values: s_1 and s_2.
        share: (s_1^2 + s_2^2) / sum_j s_j^2, NaN for weights that are all zero.
    """

    directions: Float[np.ndarray, "run 2 unit"]
    outputs: Float[np.ndarray, "run output 2"]
    values: Float[np.ndarray, "run 2"]
    share: Float[np.ndarray, " run"]


def leading_plane(weight: Float[np.ndarray, "run output unit"]) -> Plane:
    """The plane of each run.

    The sign of a pair u_j, v_j is fixed on the side of the outputs: the entry of u_j of largest modulus, the first one
    of several, is positive. So the output that an axis speaks for most lies on its positive side, and coordinates do
    not change when the units are rotated, W -> W Q, h -> Q^T h with Q orthogonal.

    Args:
        weight: with at least two outputs and two units; finite.
    """
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    signs = fixed_signs(left[..., :2])
    squares = values**2
    total = squares.sum(axis=1)
    share = np.divide(squares[:, :2].sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
    return Plane(right[:, :2] * np.swapaxes(signs, 1, 2), left[..., :2] * signs, values[:, :2], share)
