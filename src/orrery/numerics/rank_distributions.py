"""Rank probability distributions: how the samples of a class rank among all, for many neurons at once.

For hidden neuron i and class k all P samples are ranked by p = h_i sign(W_ki), h_i the local field and W_ki the weight
to output k; the distribution of the ranks of class k is the RPD of the two (Lin, Zhang, Feng, Zhao, arXiv 2501.02436,
as described second-hand). Ranks are r = (rank + 1/2) / P with mid-ranks for ties, so that a flipped sign is r -> 1 - r,
to the last bit: each neuron is ranked once, whatever the number of classes.

The gradient of an RPD is the least-squares slope of the rank density on [0, 1], which is a mean of ranks and, with pi_k
the share of the class, an area under the ROC curve (AUC):

    G_ik = 12 (E[r | class k] - 1/2) = 12 (1 - pi_k) (AUC_ik - 1/2)
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Real

FEW_SAMPLES = 600
FEW_BINS, BINS = 10, 20
TOGETHER = 2**21
"""Numbers that are ranked at once; it bounds the memory."""


def bins_for(samples: int) -> int:
    """Bins of a rank density over so many samples."""
    return FEW_BINS if samples <= FEW_SAMPLES else BINS


def doubled_ranks(values: Real[np.ndarray, "*row sample"]) -> Int[np.ndarray, "*row sample"]:
    """2 rank + 1 of each value in its row, ranks from 0 in ascending order: whole numbers, mid-ranks too.

    Over twice the number of samples they are the normalised ranks r.

    Args:
        values: without NaN, which has no rank.
    """
    order = np.argsort(values, axis=-1)
    ascending = np.take_along_axis(values, order, -1)
    place = np.arange(values.shape[-1])
    new = np.ones(values.shape, dtype=bool)
    new[..., 1:] = ascending[..., 1:] != ascending[..., :-1]
    if new.all():
        doubled = np.broadcast_to(2 * place + 1, values.shape)
    else:
        first = np.maximum.accumulate(np.where(new, place, 0), axis=-1)
        ends = np.concatenate([new[..., 1:], np.ones((*new.shape[:-1], 1), dtype=bool)], axis=-1)
        backwards = np.where(ends, place, place[-1])[..., ::-1]
        doubled = first + np.minimum.accumulate(backwards, axis=-1)[..., ::-1] + 1
    found = np.empty(values.shape, dtype=np.int64)
    np.put_along_axis(found, order, doubled, -1)
    return found


def class_ranks(
    fields: Real[np.ndarray, "*row sample"], labels: Int[np.ndarray, " sample"], classes: int, bins: int
) -> tuple[Float[np.ndarray, "*row class"], Int[np.ndarray, "*row class bin"]]:
    """Mean rank of the samples of each class, and how their ranks are distributed, of any number of neurons.

    Args:
        fields: one row per neuron.
        labels: class of each sample, from 0.
        classes: how many there are; one without a sample has the mean rank NaN.
        bins: of equal width on [0, 1].

    Returns:
        E[r | class k]; and twice the number of samples of the class in each bin: a rank on the border of two bins
        counts half in each, so that r -> 1 - r reverses the bins.
    """
    samples = fields.shape[-1]
    rows = fields.reshape(-1, samples)
    of_class = (labels[:, None] == np.arange(classes)).astype(float)
    means = np.empty((len(rows), classes))
    counts = np.empty((len(rows), classes * bins), dtype=np.int64)
    together = max(1, TOGETHER // samples)
    with np.errstate(invalid="ignore"):
        share = 1 / np.where(of_class.any(axis=0), 2 * samples * of_class.sum(axis=0), np.nan)
    for first in range(0, len(rows), together):
        doubled = doubled_ranks(rows[first : first + together])
        # Sums of whole numbers are exact, in whatever order a matrix product adds them.
        means[first : first + together] = (doubled.astype(float) @ of_class) * share
        offset = np.arange(len(doubled))[:, None] * (classes * bins) + labels * bins
        scaled = doubled * bins
        size = len(doubled) * classes * bins
        upper = np.bincount((offset + np.minimum(scaled // (2 * samples), bins - 1)).ravel(), minlength=size)
        lower = np.bincount((offset + (scaled - 1) // (2 * samples)).ravel(), minlength=size)
        counts[first : first + together] = (upper + lower).reshape(len(doubled), -1)
    shape = fields.shape[:-1]
    return means.reshape(*shape, classes), counts.reshape(*shape, classes, bins)


def gradients(
    means: Float[np.ndarray, "*row class"], signs: Real[np.ndarray, "*row class"]
) -> Float[np.ndarray, "*row class"]:
    """G_ik = 12 (E[r | class k] - 1/2), r by h_i times the sign; NaN where the sign is 0: such a pair is skipped.

    Args:
        means: mean ranks by h_i itself, from :func:`class_ranks`.
        signs: of W_ki.
    """
    return np.where(signs == 0, np.nan, 12 * (means - 0.5) * np.sign(signs))


def mean_density(
    counts: Int[np.ndarray, "*stack unit class bin"], signs: Real[np.ndarray, "*stack unit class"]
) -> Float[np.ndarray, "*stack class bin"]:
    """Rank density of each class, mean over the neurons whose sign is not 0; its integral over [0, 1] is 1.

    Args:
        counts: by h_i itself, from :func:`class_ranks`.
        signs: of W_ki.
    """
    rising = (counts * (signs > 0)[..., None]).sum(axis=-3)
    falling = (counts * (signs < 0)[..., None]).sum(axis=-3)
    both = rising + falling[..., ::-1]
    total = both.sum(axis=-1, keepdims=True)
    return np.divide(both * float(counts.shape[-1]), total, out=np.full(both.shape, np.nan), where=total > 0)


def chance_deviation(
    gradients_of_units: Float[np.ndarray, "*stack unit class"],
) -> Float[np.ndarray, "*stack"]:
    """Standard deviation of the layer value G if the signs were random, given the local fields.

    At initialisation the sign of W_ki (or of the map of the layers above) is independent of h_i, symmetric, and
    pairwise uncorrelated over neurons and classes, so that E G = 0 and Var G = sum_ik G_ik^2 / N^2 over the N pairs
    (derived, exact; biases do not enter the map's weights).
    """
    known = np.isfinite(gradients_of_units)
    squares = np.where(known, gradients_of_units, 0.0) ** 2
    pairs = known.sum(axis=(-2, -1))
    return np.divide(
        np.sqrt(squares.sum(axis=(-2, -1))), pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0
    )
