"""The feature space of hidden units: where each is active, how many differ, and how many dimensions they span.

A unit's activation pattern is the set of inputs at which what it feeds into its activation is positive. Two units with
one pattern look at the inputs through the same half space; as training goes on, patterns may fall together (Nakazato,
arXiv 2405.04074, abstract: stochastic training reduces the feature space). The measures here are our own choice.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int


def distinct_rows(rows: Bool[np.ndarray, "*set row place"]) -> Int[np.ndarray, "*set"]:
    """How many different rows each set has; exact, all sets at once.

    Args:
        rows: at least one row of at least one place in each set.
    """
    packed = np.ascontiguousarray(np.packbits(rows, axis=-1))
    *sets, count, size = packed.shape
    keys = packed.reshape(-1, size).view(np.dtype((np.void, size))).ravel()
    # Equal rows have one number over all sets; in a sorted set each new number is a new row.
    numbers = np.unique(keys, return_inverse=True)[1].reshape(*sets, count)
    return np.asarray(1 + (np.diff(np.sort(numbers, axis=-1), axis=-1) != 0).sum(axis=-1))


def dead_share(fields: Float[torch.Tensor, "*set unit sample"]) -> Float[torch.Tensor, "*set"]:
    """Share of the units that are active nowhere: z <= 0 on all samples.

    Args:
        fields: what the units feed into their activation.
    """
    return (fields <= 0).all(dim=-1).to(fields.dtype).mean(dim=-1)


def effective_rank(features: Float[torch.Tensor, "*set unit sample"]) -> Float[torch.Tensor, "*set"]:
    """exp of the entropy of the normalised squared singular values, after each unit has been centred over the samples.

    k equal singular values give k, one alone gives 1. The squares are eigenvalues of the smaller Gram matrix; those
    that rounding makes negative count as zero.

    Args:
        features: outputs of the units.

    Returns:
        0 where every unit is constant over the samples.
    """
    centred = features - features.mean(dim=-1, keepdim=True)
    units, samples = centred.shape[-2:]
    other = centred.transpose(-1, -2)
    gram = centred @ other if units <= samples else other @ centred
    squares = torch.linalg.eigvalsh(gram).clamp(min=0)
    total = squares.sum(dim=-1, keepdim=True)
    shares = squares / torch.where(total > 0, total, 1.0)
    rank = torch.special.entr(shares).sum(dim=-1).exp()
    # Rounding leaves about 1e-32 of the raw squares in units that are constant.
    floor = 1e-28 * (features * features).sum(dim=(-2, -1))
    return torch.where(total[..., 0] > floor, rank, 0.0)
