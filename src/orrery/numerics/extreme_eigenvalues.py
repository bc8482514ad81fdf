"""Extreme eigenvalues of many symmetric matrices at once, by block Lanczos with full reorthogonalisation.

The matrices are known by their products only. A block of start vectors, as wide as the number of eigenvalues that are
wanted, finds eigenvalues of up to that multiplicity; a single vector would find one of them. Every new block is made
orthogonal to all earlier ones, twice, so that no eigenvalue appears twice by rounding (Golub and Underwood, The block
Lanczos method for computing eigenvalues, 1977; Parlett, The symmetric eigenvalue problem, chapter 13).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams

Vectors = Float[torch.Tensor, "run vector component"]
GROWTH = 1.1
"""The projected matrices are looked at again when they are that much larger: a look costs their size cubed."""


@dataclass(frozen=True)
class Extremes:
    """Eigenvalues with their vectors: the largest ones, descending, then the smallest ones, ascending.

    Attributes:
        values: of each run.
        vectors: of norm 1, in the same order.
        residuals: ``|A v - value v|``, from one more product. An eigenvalue of A lies within it.
        converged: whether the residuals of a run are within the tolerance, as far as rounding allows.
        products: products of each matrix with a vector, without that last one.
    """

    values: Float[torch.Tensor, "run rank"]
    vectors: Float[torch.Tensor, "run rank component"]
    residuals: Float[torch.Tensor, "run rank"]
    converged: Bool[torch.Tensor, " run"]
    products: int


def extreme_eigenvalues(
    apply: Callable[[Vectors], Vectors],
    runs: int,
    size: int,
    *,
    largest: int,
    smallest: int = 0,
    tolerance: float = 1e-6,
    most: int = 300,
) -> Extremes:
    """Largest and smallest eigenvalues of one symmetric matrix per run.

    Iteration ends once all runs have residuals below ``tolerance`` times the largest modulus of their eigenvalues, or
    after ``most`` products: then the residuals say how far it came. The first vectors come from the stream ``probe``
    and are the same for all runs. Where a product is not finite, all of that run is NaN.

    Args:
        apply: multiplies each matrix with several vectors, float64.
        runs: number of matrices.
        size: of each.
        largest, smallest: how many eigenvalues at each end.
        tolerance: bound on the residuals, relative.
        most: products of each matrix with a vector, at most; never more than ``size``.

    Raises:
        OrreryError: more eigenvalues than the matrices have, or than ``most`` products can give.
    """
    wanted, block = largest + smallest, max(largest, smallest)
    if wanted > size:
        raise OrreryError(f"{wanted} eigenvalues were asked for, and a matrix of size {size} has no more")
    most = min(most, size)
    if wanted > most:
        raise OrreryError(f"{wanted} eigenvalues need as many products; at most {most} were allowed")
    space = _Space(runs, size, most)
    block = min(block, most)
    new = space.extend(_draw(0, runs, block, size))
    look_at = float(wanted)
    while True:
        rest = space.project(apply(new))
        next_width = min(block, most - space.count)
        if space.count >= look_at or next_width == 0:
            look_at = GROWTH * space.count
            values, mixing = torch.linalg.eigh(space.projected())
            chosen = [*range(space.count - 1, space.count - 1 - largest, -1), *range(smallest)]
            scale = values.abs().amax(dim=1, keepdim=True)
            values, mixing = values[:, chosen], mixing[:, :, chosen]
            # The products stay in the space but for the rest of the last block.
            beyond = mixing[:, -rest.shape[1] :].transpose(1, 2) @ rest
            if next_width == 0 or bool((beyond.norm(dim=2) <= tolerance * scale).all()):
                break
        new = space.extend(rest[:, :next_width])
    vectors = mixing.transpose(1, 2) @ space.basis()
    vectors = vectors / vectors.norm(dim=2, keepdim=True)
    residuals = (apply(vectors) - values[:, :, None] * vectors).norm(dim=2)
    values, residuals = (part.masked_fill(space.lost[:, None], torch.nan) for part in (values, residuals))
    vectors = vectors.masked_fill(space.lost[:, None, None], torch.nan)
    converged = (residuals <= 2 * tolerance * scale).all(dim=1)
    return Extremes(values, vectors, residuals, converged, space.count)


def _draw(key: int, runs: int, count: int, size: int) -> torch.Tensor:
    drawn = Streams().generator("probe", 0, "lanczos", (count, size), key).standard_normal((count, size))
    return torch.from_numpy(drawn).expand(runs, -1, -1)


class _Space:
    """An orthonormal basis of each run, growing by blocks, and the matrices projected on it."""

    def __init__(self, runs: int, size: int, most: int) -> None:
        self.count = 0
        self.blocks = 0
        self.lost = torch.zeros(runs, dtype=torch.bool)
        self._runs, self._size, self._most = runs, size, most
        self._vectors = torch.empty((runs, 0, size), dtype=torch.float64)
        self._matrix = torch.zeros((runs, most, most), dtype=torch.float64)
        self._largest = torch.zeros((runs, 1), dtype=torch.float64)

    def basis(self) -> torch.Tensor:
        return self._vectors[:, : self.count]

    def projected(self) -> torch.Tensor:
        found = self._matrix[:, : self.count, : self.count]
        return (found + found.transpose(1, 2)) / 2

    def extend(self, block: torch.Tensor) -> torch.Tensor:
        """Add the directions of a block that is orthogonal to the basis; return them orthonormal.

        Where a block has lost a direction (the space was invariant, or nearly so), a random one takes its place.
        """
        unit, triangle = torch.linalg.qr(block.transpose(1, 2))
        left = triangle.diagonal(dim1=1, dim2=2).abs()
        # What is left of a product by rounding alone is no direction.
        lost = (left <= 1e-13 * self._largest) | (left <= 1e-10 * block.norm(dim=2))
        if lost.any():
            fresh = _draw(1 + self.blocks, self._runs, *block.shape[1:])
            unit = torch.linalg.qr(torch.where(lost[:, :, None], fresh, block).transpose(1, 2))[0]
        # The second time that it is made orthogonal: of a long product a short rest is not, to all digits.
        new = torch.linalg.qr(self._orthogonal(unit.transpose(1, 2)).transpose(1, 2))[0].transpose(1, 2)
        self._store(new)
        return new

    def project(self, products: torch.Tensor) -> torch.Tensor:
        """Enter the products of the last block into the projected matrices; return what lies outside of the space."""
        width = products.shape[1]
        first = self.count - width
        coefficients = self.basis() @ products.transpose(1, 2)
        self.lost |= ~torch.isfinite(coefficients).all(dim=(1, 2))
        # The other runs go on: a decomposition refuses what is not finite.
        coefficients = coefficients.masked_fill(self.lost[:, None, None], 0.0)
        products = products.masked_fill(self.lost[:, None, None], 0.0)
        self._matrix[:, : self.count, first : self.count] = coefficients
        self._matrix[:, first : self.count, : self.count] = coefficients.transpose(1, 2)
        self._largest = torch.maximum(self._largest, coefficients.abs().amax(dim=(1, 2))[:, None])
        return products - coefficients.transpose(1, 2) @ self.basis()

    def _orthogonal(self, block: torch.Tensor) -> torch.Tensor:
        return block - (block @ self.basis().transpose(1, 2)) @ self.basis()

    def _store(self, new: torch.Tensor) -> None:
        last = self.count + new.shape[1]
        if last > self._vectors.shape[1]:
            room = min(self._most, max(2 * self._vectors.shape[1], 4 * new.shape[1], last))
            grown = torch.empty((self._runs, room, self._size), dtype=torch.float64)
            grown[:, : self.count] = self.basis()
            self._vectors = grown
        self._vectors[:, self.count : last] = new
        self.count, self.blocks = last, self.blocks + 1
