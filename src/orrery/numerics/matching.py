"""Distance of two spectra: the mean cost of the best one-to-one matching in the complex plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Inexact, Int
from scipy.optimize import linear_sum_assignment

from orrery.config.errors import OrreryError

ENUMERATED = 12
TIE = 1e-12


@dataclass(frozen=True)
class Matching:
    """A distance with the matching behind it.

    Attributes:
        distance: mean matched cost; the 1-Wasserstein distance of the two uniform measures.
        first, second: indices of the matched members; empty where the sizes differ and mass is split.
    """

    distance: float
    first: Int[np.ndarray, " pair"]
    second: Int[np.ndarray, " pair"]


def match(a: Inexact[np.ndarray, " first"], b: Inexact[np.ndarray, " second"]) -> Matching:
    """Match two spectra.

    Equal sizes: linear assignment on Euclidean costs of (Re, Im), mean matched cost (not squared, no root). Unequal
    sizes: optimal transport with uniform weights 1/k_a and 1/k_b. Source: Redman et al., arXiv 2302.09160.

    Raises:
        OrreryError: a spectrum is empty or has a member that is not finite.
    """
    a, b = np.ravel(a), np.ravel(b)
    for values in (a, b):
        if not values.size or not np.isfinite(values).all():
            raise OrreryError(
                "a spectrum to be compared is empty or not finite; look at the trajectory behind it"
            )
    costs = np.abs(a[:, None] - b[None, :])
    if a.size == b.size:
        first, second = linear_sum_assignment(costs)
        return Matching(float(costs[first, second].mean()), first, second)
    import ot

    value = float(ot.emd2(np.full(a.size, 1 / a.size), np.full(b.size, 1 / b.size), costs))
    if not np.isfinite(value):
        raise OrreryError("the distance of two spectra is not finite")
    empty = np.zeros(0, dtype=np.intp)
    return Matching(value, empty, empty)


def distance(a: Inexact[np.ndarray, " first"], b: Inexact[np.ndarray, " second"]) -> float:
    """Distance of two spectra, in the unit of their members; see :func:`match`.

    Raises:
        OrreryError: a spectrum is empty or has a member that is not finite.
    """
    return match(a, b).distance


def distance_matrix(spectra: Sequence[Inexact[np.ndarray, " _"]]) -> Float[np.ndarray, "spectrum spectrum"]:
    """Distances of all pairs of spectra; symmetric, zero on the diagonal.

    Raises:
        OrreryError: a spectrum is empty or has a member that is not finite.
    """
    found = np.zeros((len(spectra), len(spectra)))
    for row, a in enumerate(spectra):
        for column in range(row):
            found[row, column] = found[column, row] = distance(a, spectra[column])
    return found


def swap_share(
    a: Inexact[np.ndarray, " first"],
    b: Inexact[np.ndarray, " second"],
    *,
    draws: int = 4096,
    generator: np.random.Generator | None = None,
) -> float:
    """The swap control of the paper, which can only count ties: share of swaps that leave the distance as it is.

    Each matched pair exchanges its members by a fair coin. The old matching stays admissible, so the distance after a
    swap is never larger; the share is at least 2 / 2^k. All 2^k swaps are enumerated for k <= 12, else drawn.

    Args:
        a, b: spectra of equal size.
        draws: number of random swaps for k > 12.
        generator: source of these.

    Raises:
        OrreryError: unequal sizes, or random swaps without a generator.
    """
    if np.size(a) != np.size(b):
        raise OrreryError("the swap control needs two spectra of equal size")
    found = match(a, b)
    first, second = np.ravel(a)[found.first], np.ravel(b)[found.second]
    count = first.size
    if count <= ENUMERATED:
        masks = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        # A swap and its complement give the same two sets.
        masks = masks[: 2 ** max(count - 1, 0)]
    elif generator is not None:
        masks = generator.integers(0, 2, (draws, count))
    else:
        raise OrreryError(f"{count} modes are too many to enumerate; give a generator for random swaps")
    ties = 0
    for mask in masks.astype(bool):
        swapped = distance(np.where(mask, second, first), np.where(mask, first, second))
        ties += abs(swapped - found.distance) <= TIE * found.distance
    return ties / len(masks)
