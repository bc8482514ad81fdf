"""The delay-embedded states in an orthonormal basis that holds their leading left singular vectors.

In that basis every further spectrum is a small problem: other ranks, strides, and subsets of the runs. For all runs
together it is exact to the convergence of the basis; for subsets and strides it is a Rayleigh-Ritz approximation,
whose residual is published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float

from orrery.numerics.hankel import HankelOperator
from orrery.numerics.lanczos import bidiagonalise
from orrery.numerics.spectrum import Spectrum, check_finite, covariance_spectrum

LEAST_PART = 1e-4
"""Directions of the images whose squared share is below this are left out of the basis."""


@dataclass(frozen=True)
class Subspace:
    """Q and Q^T H.

    Attributes:
        basis: Q, orthonormal columns.
        coordinates: Q^T H for every run.
        angle: convergence of the leading left singular vectors of all runs together (residual over gap).
    """

    basis: Float[np.ndarray, "stacked vector"]
    coordinates: Float[np.ndarray, "vector run window"]
    angle: float


def leading_subspace(
    states: Float[np.ndarray, "run step component"],
    delays: int,
    rank: int,
    *,
    further_rank: int = 0,
    subsets: bool = False,
) -> Subspace:
    """The basis of ``rank`` leading left singular vectors, within a Krylov space that is somewhat larger.

    Args:
        states: trajectories; used as they are, neither centred nor scaled.
        delays: m.
        rank: converged to a residual over gap of 1e-10.
        further_rank: a larger rank, for sweeps, converged to 1e-6.
        subsets: add the images X_i X_i^T u of the leading vectors for every run i, and the last column of
            every X_i. Any subset of the runs then has its own vectors in the basis to first order in how
            the runs differ.

    Raises:
        OrreryError: no convergence, or values that are not finite.
    """
    check_finite(states)
    operator = HankelOperator(np.asarray(states, dtype=np.float64), delays)
    targets = [(rank, 1e-10), *([(further_rank, 1e-6)] if further_rank > rank else [])]
    found = bidiagonalise(operator, targets)
    # P is orthonormal to rounding already; the recurrence gave P^T X, only the last columns are missing.
    basis = found.left.T
    last = (found.left @ operator.column_from_end(1).T)[:, :, None]
    subspace = Subspace(basis, np.concatenate([found.projected, last], axis=2), found.angle)
    return _with_images(subspace, operator, rank) if subsets else subspace


def _with_images(subspace: Subspace, operator: HankelOperator, rank: int) -> Subspace:
    inner = subspace.coordinates[:, :, :-1]
    flat = inner.reshape(len(inner), -1)
    count = len(inner)
    kept = min(rank, count)
    _, vectors = scipy.linalg.eigh(flat @ flat.T, subset_by_index=(count - kept, count - 1))
    weights = np.einsum("vrw,vk->rwk", inner, vectors, optimize=True)
    images = operator.apply_by_run(weights).reshape(operator.stacked, -1)
    # A stride of two drops the last column of X: with it in the basis, that spectrum is exact to first order too.
    images = np.concatenate([images, operator.column_from_end(2).T], axis=1)[:, : operator.stacked - count]
    added = _orthonormal_beside(subspace.basis, images)
    if not added.shape[1]:
        return subspace
    return Subspace(
        np.concatenate([subspace.basis, added], axis=1),
        np.concatenate([subspace.coordinates, operator.apply_transposed_block(added)], axis=0),
        subspace.angle,
    )


def _orthonormal_beside(
    basis: Float[np.ndarray, "stacked vector"], images: Float[np.ndarray, "stacked image"]
) -> Float[np.ndarray, "stacked added"]:
    """Orthonormal vectors, orthogonal to the basis, that with it span the images but for their least parts."""
    added = images / np.maximum(np.linalg.norm(images, axis=0), np.finfo(float).tiny)
    # Three rounds: the first drops what the images have in common, the others restore orthogonality to rounding.
    for dropped in (LEAST_PART, 1e-6, 1e-6):
        added = added - basis @ (basis.T @ added)
        norms = np.linalg.norm(added, axis=0)
        added = added[:, norms > 0] / norms[norms > 0]
        if not added.shape[1]:
            break
        squares, vectors = scipy.linalg.eigh(added.T @ added)
        kept = squares > dropped * squares[-1]
        added = added @ (vectors[:, kept] / np.sqrt(squares[kept]))
    return np.asarray(added)


def subspace_spectrum(subspace: Subspace, rank: int, *, stride: int = 1) -> Spectrum:
    """Spectrum of all runs together; exact for stride 1.

    Raises:
        RankError: the rank cannot be resolved.
        OrreryError: an eigenvalue is not finite.
    """
    covariances, crosses = _covariances(subspace, stride)
    found = covariance_spectrum(covariances.sum(axis=0), crosses.sum(axis=0), rank, path="operator")
    return Spectrum(found.eigenvalues, found.singular_values, max(found.error, subspace.angle), "operator")


def subset_spectra(subspace: Subspace, rank: int, subsets: Sequence[Sequence[int]]) -> list[Spectrum]:
    """Spectra of subsets of the runs, each by a small eigenproblem in the common basis.

    Raises:
        RankError: the rank cannot be resolved.
        OrreryError: an eigenvalue is not finite.
    """
    covariances, crosses = _covariances(subspace, 1)
    return [
        covariance_spectrum(
            covariances[list(subset)].sum(axis=0), crosses[list(subset)].sum(axis=0), rank, path="operator"
        )
        for subset in subsets
    ]


def _covariances(
    subspace: Subspace, stride: int
) -> tuple[Float[np.ndarray, "run vector vector"], Float[np.ndarray, "run vector vector"]]:
    """X_i X_i^T and Y_i X_i^T of every run i in the basis."""
    by_run = np.ascontiguousarray(subspace.coordinates.transpose(1, 0, 2))
    before, after = by_run[:, :, :-stride], by_run[:, :, stride:]
    transposed = before.transpose(0, 2, 1)
    return before @ transposed, after @ transposed
