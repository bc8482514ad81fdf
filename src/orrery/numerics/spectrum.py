"""Koopman spectra by the three exact paths: direct SVD, Gram side, covariance side, each with its rank guard.

The estimator is that of Redman et al., arXiv 2302.09160 (released code): snapshot pairs X, Y of the delay-embedded
states, thin SVD X = U S V^T cut at k triplets, K = U^T Y V S^-1, and the eigenvalues of K. No centring, scaling,
logarithm or sorting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Complex, Float

from orrery.config.errors import OrreryError
from orrery.numerics.embedding import delay_embedding, snapshot_pairs

DIRECT_GUARD = 1e-12
SQUARED_GUARD = 3e-5
SINGLE_GUARD = 3e-3
"""Smallest sigma_k / sigma_1 that is accepted: direct SVD, squared paths in float64, squared paths in float32."""


class RankError(OrreryError):
    """The rank asks for singular values that the path cannot resolve."""


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of the projected map with what is known of their error.

    Attributes:
        eigenvalues: k complex numbers, per step, in no particular order.
        singular_values: the k leading ones, descending.
        error: estimated error of the eigenvalues from rounding (and, for iterative paths, convergence).
        path: ``direct``, ``gram``, ``covariance`` or ``operator``.
    """

    eigenvalues: Complex[np.ndarray, " mode"]
    singular_values: Float[np.ndarray, " mode"]
    error: float
    path: str

    @property
    def ratio(self) -> float:
        """sigma_k / sigma_1."""
        return float(self.singular_values[-1] / self.singular_values[0])


def rounding_error(ratio: float, path: str, *, single: bool = False) -> float:
    """Estimated error of a spectrum from rounding alone, given sigma_k / sigma_1.

    Squared paths lose half of the digits: 1e-18 / ratio^2 in float64 (measured: 1e-10 at 1e-4, 2e-6 at 1e-6) and
    1e-10 / ratio^2 with float32 products; the direct SVD loses eps / ratio.
    """
    if ratio <= 0:
        return np.inf
    if path == "direct":
        return float(np.finfo(float).eps / ratio)
    return (1e-10 if single else 1e-18) / ratio**2


def check_rank(values: Float[np.ndarray, " mode"], rank: int, path: str, *, single: bool = False) -> None:
    """Refuse a rank whose smallest singular value the path cannot resolve.

    Args:
        values: singular values, descending; at least ``rank`` of them where there are as many.
        rank: k.
        path: of the estimator.
        single: products were taken in float32.

    Raises:
        RankError: naming sigma_k / sigma_1 and the guard.
    """
    if rank < 1 or rank > len(values):
        raise RankError(
            f"rank {rank} was asked for, and the data have {len(values)} singular values; write at most that"
        )
    guard = DIRECT_GUARD if path == "direct" else SINGLE_GUARD if single else SQUARED_GUARD
    ratio = float(values[rank - 1] / values[0]) if values[0] > 0 else 0.0
    if not ratio >= guard:
        instead = "" if path == "direct" else " or path: direct"
        raise RankError(
            f"rank {rank} has sigma_k / sigma_1 = {ratio:.3g}, below {guard:.0e}, the least that the {path} path "
            f"resolves{' in float32' if single else ''}; write a smaller rank{instead}"
        )


def direct_spectrum(
    before: Float[np.ndarray, "stacked pair"], after: Float[np.ndarray, "stacked pair"], rank: int
) -> Spectrum:
    """Spectrum by a thin SVD of X; the reference path.

    Raises:
        RankError: sigma_k / sigma_1 below 1e-12.
        OrreryError: an eigenvalue is not finite.
    """
    left, values, right = scipy.linalg.svd(before, full_matrices=False, lapack_driver="gesdd")
    check_rank(values, rank, "direct")
    left, values, right = left[:, :rank], values[:rank], right[:rank]
    projected = (left.T @ after) @ (right.T / values)
    return _finished(projected, values, "direct")


def gram_spectrum(
    gram: Float[np.ndarray, "pair pair"],
    shifted: Float[np.ndarray, "pair pair"],
    rank: int,
    *,
    single: bool = False,
) -> Spectrum:
    """Spectrum from X^T X and X^T Y: K = S^-1 V^T (X^T Y) V S^-1.

    Raises:
        RankError: sigma_k / sigma_1 below 3e-5, or 3e-3 where the products were taken in float32.
        OrreryError: an eigenvalue is not finite.
    """
    values, right = _leading(gram, rank)
    check_rank(values, rank, "gram", single=single)
    projected = (right.T @ shifted @ right) / np.outer(values, values)
    return _finished(projected, values, "gram", single=single)


def covariance_spectrum(
    covariance: Float[np.ndarray, "stacked stacked"],
    cross: Float[np.ndarray, "stacked stacked"],
    rank: int,
    *,
    path: str = "covariance",
) -> Spectrum:
    """Spectrum from X X^T and Y X^T: K = U^T (Y X^T) U S^-2.

    Raises:
        RankError: sigma_k / sigma_1 below 3e-5.
        OrreryError: an eigenvalue is not finite.
    """
    values, left = _leading(covariance, rank)
    check_rank(values, rank, path)
    return _finished((left.T @ cross @ left) / values**2, values, path)


def estimate(
    states: Float[np.ndarray, "run step component"],
    delays: int,
    rank: int,
    *,
    stride: int = 1,
    path: str = "direct",
) -> Spectrum:
    """Joint spectrum of an ensemble of trajectories by an explicit path.

    Args:
        states: trajectories; used as they are, neither centred nor scaled.
        delays: m; the embedding has m + 1 blocks.
        rank: k, the number of singular triplets kept.
        stride: c of the pairs (H_t, H_{t+c}).
        path: ``direct``, ``gram`` or ``covariance``.

    Raises:
        RankError: the path cannot resolve the rank.
        OrreryError: too few steps, or values that are not finite.
    """
    check_finite(states)
    before, after = snapshot_pairs(delay_embedding(np.asarray(states, dtype=np.float64), delays), stride)
    if path == "direct":
        return direct_spectrum(before, after, rank)
    if path == "gram":
        return gram_spectrum(before.T @ before, before.T @ after, rank)
    if path == "covariance":
        return covariance_spectrum(before @ before.T, after @ before.T, rank)
    raise OrreryError(f"path '{path}' is not known; write direct, gram or covariance")


def check_finite(states: Float[np.ndarray, "run step component"]) -> None:
    """Refuse trajectories with NaN or infinity.

    Raises:
        OrreryError: naming the first run and step.
    """
    wrong = ~np.isfinite(states).all(axis=2)
    if wrong.any():
        run, step = np.argwhere(wrong)[0]
        raise OrreryError(
            f"run {run} is not finite from its recorded step {step} on: it has diverged; leave it out, or "
            "read fewer steps"
        )


def available_rank(stacked: int, pairs: int) -> int:
    """Number of singular triplets of X, which has ``stacked`` rows and ``pairs`` columns."""
    return min(stacked, pairs)


def _leading(
    matrix: Float[np.ndarray, "side side"], rank: int
) -> tuple[Float[np.ndarray, " mode"], Float[np.ndarray, "side mode"]]:
    """Square roots of the leading eigenvalues, descending, with eigenvectors; a negative square counts as zero."""
    side = matrix.shape[0]
    kept = min(max(rank, 1), side)
    squares, vectors = scipy.linalg.eigh(matrix, subset_by_index=(side - kept, side - 1))
    return np.sqrt(np.maximum(squares[::-1], 0)), vectors[:, ::-1]


def _finished(
    projected: Float[np.ndarray, "mode mode"],
    values: Float[np.ndarray, " mode"],
    path: str,
    *,
    single: bool = False,
) -> Spectrum:
    eigenvalues = scipy.linalg.eigvals(projected)
    if not np.isfinite(eigenvalues).all():
        raise OrreryError(
            "the spectrum has an eigenvalue that is not finite; the trajectories are degenerate"
        )
    ratio = float(values[-1] / values[0])
    return Spectrum(eigenvalues, values, rounding_error(ratio, path, single=single), path)
