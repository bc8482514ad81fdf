"""How the decision regions of a classifier lie: along rays from samples, and between two samples of one class."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def changes_along(
    decided: Int[np.ndarray, "*ray amplitude"],
) -> Int[np.ndarray, "*ray amplitude"]:
    """Number of changes of the decision from the start of a ray to each amplitude, between neighbouring ones.

    Args:
        decided: class at each amplitude, rising along the last dimension. What changes twice between two neighbouring
            amplitudes is not seen, so the numbers bound the true ones from below.
    """
    counts = np.zeros(decided.shape, dtype=int)
    np.cumsum(decided[..., 1:] != decided[..., :-1], axis=-1, out=counts[..., 1:])
    return counts


def returning(decided: Int[np.ndarray, "*ray amplitude"]) -> Bool[np.ndarray, " *ray"]:
    """Whether a ray that left the class of its start comes back to it; never where regions are convex."""
    own = decided == decided[..., :1]
    left = np.cumsum(~own, axis=-1) > 0
    return (own & left).any(axis=-1)


def entropies(
    decided: Int[np.ndarray, "*sample ray amplitude"], classes: int
) -> Float[np.ndarray, "*sample amplitude"]:
    """Entropy, in bits, of the classes that the rays of a sample have reached at each amplitude.

    Of n rays it is at most log2 of the smaller of n and the number of classes, and biased downwards for few rays.
    """
    shares = np.stack([(decided == number).mean(axis=-2) for number in range(classes)])
    logarithms = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return -(shares * logarithms).sum(axis=0)


def last_above(
    shares: Float[np.ndarray, "run amplitude"], at: Float[np.ndarray, " amplitude"], threshold: float
) -> Float[np.ndarray, " run"]:
    """The last amplitude before a share first falls below a threshold, the first one where it is below from the start.

    NaN where a share is not known.
    """
    last = (np.cumsum(~(shares >= threshold), axis=1) == 0).sum(axis=1) - 1
    return np.where(np.isfinite(shares).all(axis=1), at[np.maximum(last, 0)], np.nan)


def joined_pairs(
    pairs: Int[np.ndarray, "pair 2"], connected: Bool[np.ndarray, " pair"], count: int
) -> Bool[np.ndarray, " pair"]:
    """Which pairs are joined by a chain of connected pairs.

    Args:
        pairs: two samples each, by number.
        connected: which of them are connected themselves.
        count: number of samples.
    """
    rows, columns = pairs[connected].T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    part = connected_components(graph, directed=False)[1]
    return part[pairs[:, 0]] == part[pairs[:, 1]]
