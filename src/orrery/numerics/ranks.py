"""Ranks, areas under the ROC curve and rank correlations in many resamples at once.

A resample is given by how often it holds each unit (``orrery.numerics.resampling.bootstrap_counts``); the plain value
of a statistic is that of the one resample which holds each unit once. Resamples are never written out, so that ten
thousand of them cost little more than one sort.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int


def once(n: int) -> Int[np.ndarray, "1 seed"]:
    """The one resample that holds each of n units once."""
    return np.ones((1, n), dtype=np.int64)


def resampled_ranks(
    values: Float[np.ndarray, " seed"], counts: Int[np.ndarray, "draw seed"]
) -> Float[np.ndarray, "draw seed"]:
    """Rank of each unit among those of a resample, from 1; equal values share the mean of their ranks.

    The ranks of units that a resample does not hold are where they would stand; nothing weighs them.

    Args:
        values: infinite ones are ranked like others; NaN has no rank and must not occur.
        counts: how often each unit is in each resample.
    """
    _, level = np.unique(values, return_inverse=True)
    order = np.argsort(level, kind="stable")
    starts = np.flatnonzero(np.diff(level[order], prepend=-1))
    held = np.add.reduceat(counts[:, order], starts, axis=1)
    below = np.cumsum(held, axis=1) - held
    return np.asarray((below + (held + 1) / 2)[:, level])


def rank_correlation(x: Float[np.ndarray, " seed"], y: Float[np.ndarray, " seed"]) -> float:
    """Spearman's rank correlation of two quantities that both vary, without NaN; equal values share their rank."""
    ranked = [resampled_ranks(np.asarray(values), once(len(values)))[0] for values in (x, y)]
    return float(np.corrcoef(np.column_stack(ranked), rowvar=False)[1, 0])


def areas(
    ranks: Float[np.ndarray, "draw seed"],
    high: Bool[np.ndarray, "#draw seed"],
    counts: Int[np.ndarray, "#draw seed"],
) -> Float[np.ndarray, " draw"]:
    """Area under the ROC curve (AUC) of a predictor in each resample, from its ranks (Mann-Whitney).

    It is the share of pairs (a high unit, another one) in which the high one has the larger value, ties counted half.

    Args:
        ranks: of the predictor, from :func:`resampled_ranks`.
        high: which units are to be told from the others.
        counts: how often each unit is in each resample.

    Returns:
        One area per resample; NaN where it holds units of one kind only.
    """
    weights = counts * high
    positives = weights.sum(axis=1).astype(float)
    pairs = positives * (counts.sum(axis=1) - positives)
    won = (weights * ranks).sum(axis=1) - positives * (positives + 1) / 2
    return np.divide(won, pairs, out=np.full(won.shape, np.nan), where=pairs > 0)


def correlations(
    first: Float[np.ndarray, "draw seed"],
    second: Float[np.ndarray, "draw seed"],
    counts: Int[np.ndarray, "#draw seed"],
) -> Float[np.ndarray, " draw"]:
    """Pearson's correlation in each resample; of ranks, Spearman's. NaN where one of the two is constant."""
    total = counts.sum(axis=1, keepdims=True)
    one, other = (values - (counts * values).sum(axis=1, keepdims=True) / total for values in (first, second))
    products = (counts * one * other).sum(axis=1)
    spreads = (counts * one * one).sum(axis=1) * (counts * other * other).sum(axis=1)
    return np.divide(products, np.sqrt(spreads), out=np.full(products.shape, np.nan), where=spreads > 0)


def partial_correlations(
    first_second: Float[np.ndarray, " draw"],
    first_fixed: Float[np.ndarray, " draw"],
    second_fixed: Float[np.ndarray, " draw"],
) -> Float[np.ndarray, " draw"]:
    """Correlation of two quantities at a fixed third, from the three plain correlations.

    NaN where the third determines one of the two.
    """
    left = (1 - first_fixed**2) * (1 - second_fixed**2)
    return np.divide(
        first_second - first_fixed * second_fixed,
        np.sqrt(np.maximum(left, 0)),
        out=np.full(np.shape(first_second), np.nan),
        where=left > 1e-24,
    )
