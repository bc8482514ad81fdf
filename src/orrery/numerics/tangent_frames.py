"""Frames of tangent vectors that are carried along an orbit and made orthonormal again, and what they grow by.

Benettin et al., Meccanica 15, 9 (1980): with Z = J Q and Z = Q' R, the mean of ln R_ii is the i-th exponent. The
diagonal of R is positive here, by choice of the signs that LAPACK leaves open; covariant vectors need that.
"""

from __future__ import annotations

import torch
from jaxtyping import Float

STEEP = 1e-5
"""R_ii over the largest entry of R below which rows are sorted: it may have lost 2e-16 over that of its value."""
RESOLVED = {torch.float64: 34.0, torch.float32: 15.0}
"""Natural logarithm of the largest ratio of two singular values of which the smaller is not lost in rounding."""


def positive_qr(
    vectors: Float[torch.Tensor, "run component direction"],
) -> tuple[Float[torch.Tensor, "run component direction"], Float[torch.Tensor, "run direction column"]]:
    """QR with a diagonal of R that is nowhere negative; the sign of 0 counts as +1.

    A run with an entry that is not finite comes back as NaN. Where J stretches some components by many orders of
    magnitude, as in runs that blow up, small R_ii keep their precision (see :func:`_by_sorted_rows`).

    Returns:
        Q with orthonormal columns, and R, upper triangular.
    """
    if vectors.shape[2] == 1:
        return _normalised(vectors)
    frame, factor = torch.linalg.qr(vectors)
    diagonal = factor.diagonal(dim1=1, dim2=2).abs()
    steep = diagonal.amin(dim=1) < STEEP * factor.abs().amax(dim=(1, 2))
    if steep.any():
        frame[steep], factor[steep] = _by_sorted_rows(vectors[steep])
    diagonal = factor.diagonal(dim1=1, dim2=2)
    signs = torch.where(diagonal < 0, -1.0, 1.0).to(vectors.dtype)
    return frame * signs[:, None, :], factor * signs[:, :, None]


def _by_sorted_rows(vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """QR after the rows are sorted by size, the largest first.

    Householder's reflections mix all rows: where large rows come late, what is small is rounded to the precision of
    what is large, and R_ii lose up to the condition of the matrix. Sorted, each row keeps its own precision in practice
    (Powell and Reid 1969; Cox and Higham, BIT 38, 34 (1998), who also sort columns, which is not open to us).
    """
    order = vectors.abs().amax(dim=2).argsort(dim=1, descending=True)[:, :, None]
    frame, factor = torch.linalg.qr(torch.take_along_dim(vectors, order, dim=1))
    return torch.empty_like(frame).scatter_(1, order.expand_as(frame), frame), factor


def _normalised(vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """QR of a single direction; where nothing is left of it, the first unit vector takes its place."""
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    first = torch.zeros_like(vectors)
    first[:, 0] = 1
    lost = length == 0
    return torch.where(lost, first, vectors / torch.where(lost, 1.0, length)), length


def log_growth(factor: Float[torch.Tensor, "run direction column"]) -> Float[torch.Tensor, "run direction"]:
    """ln R_ii of each direction; -inf where a direction is lost entirely (R_ii = 0), which is not clipped."""
    return factor.diagonal(dim1=1, dim2=2).abs().log()


def log_determinant(
    carried: Float[torch.Tensor, "run component direction"],
    frame: Float[torch.Tensor, "run component direction"],
) -> Float[torch.Tensor, " run"]:
    """ln|det J| from J Q and Q with a full basis, by LU, whatever the orthogonality of Q.

    It does not use R: set beside the sum of ln R_ii it tells what orthogonalisation and sums have lost.
    """
    both = torch.linalg.slogdet(torch.stack([carried, frame])).logabsdet
    return both[0] - both[1]


class GradedProduct:
    """The product of factors R of consecutive steps, each row with a logarithmic scale of its own.

    Rows of such a product differ by the growth of their directions, e^(tau (lambda_1 - lambda_i)); kept as unit rows
    and logarithms, none of them overflows, and each keeps its relative precision whatever the others do.

    Args:
        like: a frame; its runs, number of directions and precision are taken.
    """

    def __init__(self, like: Float[torch.Tensor, "run component direction"]) -> None:
        runs, _, directions = like.shape
        self._rows = torch.eye(directions, dtype=like.dtype).expand(runs, -1, -1)
        self._scales = torch.zeros((runs, directions), dtype=like.dtype)

    def multiply(self, factor: Float[torch.Tensor, "run direction column"]) -> None:
        """Multiply by the factor of the next steps, from the left."""
        logs = factor.abs().log() + self._scales[:, None, :]
        top = _finite(logs.amax(dim=2))
        rows = (factor.sign() * torch.exp(logs - top[:, :, None])) @ self._rows
        largest = rows.abs().amax(dim=2)
        self._scales = top + largest.log()
        self._rows = rows / torch.where(largest == 0, 1.0, largest)[:, :, None]

    def log_singular_values(self) -> Float[torch.Tensor, "run direction"]:
        """Logarithms of the singular values, largest first; NaN for a run that is not finite.

        Those further below the first than :data:`RESOLVED` are rounding.
        """
        top = _finite(self._scales.amax(dim=1))
        matrix = torch.exp(self._scales - top[:, None])[:, :, None] * self._rows
        found = torch.full_like(self._scales, torch.nan)
        sound = matrix.isfinite().all(dim=(1, 2))
        if sound.any():
            found[sound] = torch.linalg.svdvals(matrix[sound]).log() + top[sound][:, None]
        return found


def _finite(scales: torch.Tensor) -> torch.Tensor:
    """Scales to divide by: a row of zeros has none."""
    return torch.where(scales == -torch.inf, 0.0, scales)


def resolved(
    singular: Float[torch.Tensor, "run direction"], growth: Float[torch.Tensor, "run direction"]
) -> Float[torch.Tensor, "run direction"]:
    """Logarithms of singular values, NaN where rounding has lost them.

    Args:
        singular: from :meth:`GradedProduct.log_singular_values`, largest first.
        growth: sums of ln R_ii over the same steps. A lost singular value is rounding of any size, so that it alone
            does not tell; the sums do.
    """
    limit = RESOLVED[singular.dtype]
    sums = growth.sort(dim=1, descending=True).values
    lost = (singular[:, :1] - singular > limit) | (sums[:, :1] - sums > limit)
    return torch.where(lost, torch.nan, singular)
