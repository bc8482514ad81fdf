"""Golub-Kahan bidiagonalisation with full reorthogonalisation, until the leading vectors have converged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from orrery.config.errors import OrreryError
from orrery.numerics.hankel import HankelOperator
from orrery.numerics.streams import Streams

CHECKED_EVERY = 4


@dataclass(frozen=True)
class Bidiagonalisation:
    """X V = P B and X^T P = V B^T + beta v e^T, with P and V orthonormal.

    Attributes:
        left: P, one vector per row.
        projected: P^T X, computed from the recurrence.
        angle: bound on the angle between the leading subspace and its estimate: residual over gap.
    """

    left: Float[np.ndarray, "vector stacked"]
    projected: Float[np.ndarray, "vector run pair"]
    angle: float


Target = tuple[int, float]
"""A rank, and the largest residual over gap that is accepted for it."""


def bidiagonalise(
    operator: HankelOperator, targets: Sequence[Target], *, most: int = 400
) -> Bidiagonalisation:
    """Bidiagonalise X (H without the last column of each run) until the leading left singular vectors have converged.

    Source: Golub and Kahan, SIAM J. Numer. Anal. B 2 (1965) 205; the residual of a triplet is the last beta times the
    last entry of its left vector. Singular values are not squared anywhere.

    Args:
        operator: H.
        targets: ranks with their tolerances; the angle of the first is returned.
        most: largest dimension of the Krylov space.

    Raises:
        OrreryError: no convergence; the singular values behind ``rank`` lie too close to each other.
    """
    rank = max(rank for rank, _ in targets)
    pairs = operator.windows - 1
    size = operator.runs * pairs
    most = min(most, size, operator.stacked)
    start = Streams().generator("probe", 0, "lanczos", (operator.runs, pairs)).standard_normal(size)
    right = np.empty((most + 1, size))
    left = np.empty((most, operator.stacked))
    alphas, betas = np.zeros(most), np.zeros(most)
    right[0] = start / np.linalg.norm(start)
    angles = [np.inf]
    for index in range(most):
        vector = operator.apply(right[index].reshape(operator.runs, pairs))
        if index:
            vector -= betas[index - 1] * left[index - 1]
            _orthogonalise(vector, left[:index])
        alphas[index] = np.linalg.norm(vector)
        if alphas[index] <= np.finfo(float).eps * alphas[0]:
            # The data have fewer dimensions than asked for: the space is invariant.
            return _finished(
                left[:index], right[: index + 1], alphas[:index], betas[:index], operator, 0.0, rank
            )
        left[index] = vector / alphas[index]
        following = (
            operator.apply_transposed(left[index])[:, :pairs].reshape(-1) - alphas[index] * right[index]
        )
        _orthogonalise(following, right[: index + 1])
        betas[index] = np.linalg.norm(following)
        done = betas[index] <= np.finfo(float).eps * alphas[0]
        right[index + 1] = 0.0 if done else following / betas[index]
        count = index + 1
        if count >= rank and (done or count % CHECKED_EVERY == 0 or count == most):
            angles = _angles(alphas[:count], betas[:count], [rank for rank, _ in targets])
            if done or all(angle <= accepted for angle, (_, accepted) in zip(angles, targets, strict=True)):
                return _finished(
                    left[:count], right[: count + 1], alphas[:count], betas[:count], operator, angles[0], rank
                )
    if most in (size, operator.stacked):
        return _finished(left, right, alphas, betas, operator, 0.0, rank)
    raise OrreryError(
        f"the leading {rank} singular vectors did not converge within {most} iterations (residual over gap "
        f"{max(angles):.1e}); write another rank, or path: direct"
    )


def _orthogonalise(vector: Float[np.ndarray, " size"], basis: Float[np.ndarray, "vector size"]) -> None:
    """Classical Gram-Schmidt, twice, in place."""
    for _ in range(2):
        vector -= (basis @ vector) @ basis


def _bidiagonal(alphas: Float[np.ndarray, " vector"], betas: Float[np.ndarray, " vector"]) -> np.ndarray:
    return np.diag(alphas) + np.diag(betas[:-1], 1)


def _angles(
    alphas: Float[np.ndarray, " vector"], betas: Float[np.ndarray, " vector"], ranks: Sequence[int]
) -> list[float]:
    vectors, values, _ = np.linalg.svd(_bidiagonal(alphas, betas))
    found = []
    for rank in ranks:
        residual = float(betas[-1] * np.abs(vectors[-1, :rank]).max())
        gap = float(values[rank - 1] - (values[rank] if len(values) > rank else 0.0))
        found.append(residual / gap if gap > 0 else np.inf)
    return found


def _finished(
    left: np.ndarray,
    right: np.ndarray,
    alphas: np.ndarray,
    betas: np.ndarray,
    operator: HankelOperator,
    angle: float,
    rank: int,
) -> Bidiagonalisation:
    count = len(left)
    if count < rank:
        raise OrreryError(
            f"rank {rank} was asked for, and the data span {count} dimensions only; write at most that"
        )
    projected = _bidiagonal(alphas, betas) @ right[:count]
    projected[-1] += betas[-1] * right[count]
    return Bidiagonalisation(left, projected.reshape(count, operator.runs, -1), angle)
