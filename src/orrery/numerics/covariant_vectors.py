"""Covariant Lyapunov vectors by the backward recursion (Ginelli et al., Phys. Rev. Lett. 99, 130601 (2007)).

A covariant vector is v_i = Q c_i, with Q the orthonormal frame of the forward iteration and C = (c_1, ..., c_k) upper
triangular with unit columns. Backwards C(t) = R(t + 1)^-1 C(t + 1), normalised, with R of positive diagonal. Since Q
is orthonormal, angles and growth follow from C and R alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

LOST = 1e-13
"""R_ii over the length of its column below which a direction is rounding, and the backward step has no solution."""


def lost(factor: Float[torch.Tensor, "run direction column"]) -> Bool[torch.Tensor, "run direction"]:
    """Whether nothing but rounding is left of a direction after one step."""
    diagonal = factor.diagonal(dim1=1, dim2=2)
    return diagonal.abs() <= LOST * torch.linalg.vector_norm(factor, dim=1)


def restricted(
    factor: Float[torch.Tensor, "run direction column"], kept: Int[torch.Tensor, " run"]
) -> Float[torch.Tensor, "run direction column"]:
    """A factor whose directions from ``kept`` on are left out: those before do not depend on them."""
    directions = factor.shape[1]
    inside = torch.arange(directions)[None, :] < kept[:, None]
    both = inside[:, :, None] & inside[:, None, :]
    return torch.where(both, factor, torch.eye(directions, dtype=factor.dtype))


def backward(
    vectors: Float[torch.Tensor, "run direction column"], factor: Float[torch.Tensor, "run direction column"]
) -> tuple[Float[torch.Tensor, "run direction column"], Float[torch.Tensor, "run column"]]:
    """One step of the recursion.

    Args:
        vectors: C at the later time.
        factor: R that leads there.

    Returns:
        C at the earlier time, and ln |R c_i|, by how much each vector grows over the step.
    """
    solved = torch.linalg.solve_triangular(factor, vectors, upper=True)
    lengths = torch.linalg.vector_norm(solved, dim=1)
    # |R c| = |C later| / |solution|, and the columns of C have unit length.
    return solved / lengths[:, None, :], -lengths.log()


def angles(vectors: Float[torch.Tensor, "run direction column"]) -> Float[torch.Tensor, "run column other"]:
    """Angles between the lines of all pairs of vectors in degrees, 0 to 90; precise for small ones too."""
    cosines = vectors.transpose(1, 2) @ vectors
    # |c_j - (c_i . c_j) c_i| is the sine: the arc cosine would lose angles below 1e-8.
    apart = vectors[:, :, None, :] - cosines[:, None, :, :] * vectors[:, :, :, None]
    sines = torch.linalg.vector_norm(apart, dim=1)
    return torch.rad2deg(torch.atan2(sines, cosines.abs()))


def groups(exponents: Float[np.ndarray, " index"], together: float) -> list[int]:
    """Number the exponents by groups: neighbours in value that are closer than ``together`` share one.

    Vectors within a group are not unique (symmetries, complex pairs); the space that they span is.

    Args:
        exponents: in any order; NaN and -inf are groups of their own.
        together: in the unit of the exponents.
    """
    order = np.argsort(-np.where(np.isfinite(exponents), exponents, -np.inf), kind="stable")
    found = np.zeros(len(exponents), dtype=int)
    group, before = -1, np.nan
    for place in order:
        value = exponents[place]
        if not (np.isfinite(value) and before - value < together):
            group += 1
        found[place] = group
        before = value
    return found.tolist()


def least_angles(
    vectors: Float[np.ndarray, "time direction column"], one: Sequence[int], other: Sequence[int]
) -> Float[np.ndarray, " time"]:
    """The smallest principal angle between the spans of two groups of vectors at each time, degrees.

    As the least of ``scipy.linalg.subspace_angles``, for many times at once; precise for small angles too (Knyazev and
    Argentati, SIAM J. Sci. Comput. 23, 2008 (2002)). NaN where a vector is not finite.
    """
    larger, smaller = (one, other) if len(one) >= len(other) else (other, one)
    found = np.full(len(vectors), np.nan)
    sound = np.isfinite(vectors[:, :, [*one, *other]]).all(axis=(1, 2))
    if sound.any():
        first, second = (np.linalg.qr(vectors[sound][:, :, list(group)])[0] for group in (larger, smaller))
        shared = np.swapaxes(first, 1, 2) @ second
        cosines = np.linalg.svd(shared, compute_uv=False)[:, 0]
        sines = np.linalg.svd(second - first @ shared, compute_uv=False)[:, -1]
        found[sound] = np.rad2deg(np.arctan2(sines, cosines))
    return found
