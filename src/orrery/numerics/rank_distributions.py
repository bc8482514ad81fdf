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
from jaxtyping import Bool, Float, Int, Real

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
    order, doubled = _ascending(values)
    found = np.empty(values.shape, dtype=np.int64)
    np.put_along_axis(found, order, np.broadcast_to(doubled, values.shape), -1)
    return found


def _ascending(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of each row, and the doubled ranks in that order: one row for all where no values are equal."""
    order = np.argsort(values, axis=-1)
    ascending = np.take_along_axis(values, order, -1)
    place = np.arange(values.shape[-1])
    new = np.ones(values.shape, dtype=bool)
    new[..., 1:] = ascending[..., 1:] != ascending[..., :-1]
    if new.all():
        return order, 2 * place + 1
    first = np.maximum.accumulate(np.where(new, place, 0), axis=-1)
    ends = np.concatenate([new[..., 1:], np.ones((*new.shape[:-1], 1), dtype=bool)], axis=-1)
    backwards = np.where(ends, place, place[-1])[..., ::-1]
    return order, first + np.minimum.accumulate(backwards, axis=-1)[..., ::-1] + 1


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
    sums = np.empty((len(rows), classes))
    counts = np.empty((len(rows), classes * bins), dtype=np.int64)
    together = max(1, TOGETHER // samples)
    for first in range(0, len(rows), together):
        some = rows[first : first + together]
        sorted_labels, plain = _labels_in_order(some, labels, classes)
        if plain.any():
            place = first + np.flatnonzero(plain)
            sums[place], counts[place] = _counted(sorted_labels, 2 * np.arange(samples) + 1, classes, bins)
        if not plain.all():
            order, doubled = _ascending(some[~plain])
            place = first + np.flatnonzero(~plain)
            sums[place], counts[place] = _counted(labels[order], doubled, classes, bins)
    sizes = np.bincount(labels, minlength=classes)
    means = np.divide(sums, 2.0 * samples * sizes, out=np.full(sums.shape, np.nan), where=sizes > 0)
    shape = fields.shape[:-1]
    return means.reshape(*shape, classes), counts.reshape(*shape, classes, bins)


def _labels_in_order(
    values: np.ndarray, labels: np.ndarray, classes: int
) -> tuple[Int[np.ndarray, "plain sample"], Bool[np.ndarray, " row"]]:
    """The labels in the ascending order of each row, of the rows in which no two values are equal.

    A label takes the place of the last bits of its value, so that a sort without indices carries it along. Where two
    values agree in all other bits, the row is none of these.
    """
    bits = (classes - 1).bit_length()
    if values.dtype != np.float64 or bits > 16:
        return np.empty((0, values.shape[-1]), dtype=np.int64), np.zeros(len(values), dtype=bool)
    mask = np.int64((1 << bits) - 1)
    whole = (values + 0.0).view(np.int64)  # no negative zero
    whole &= ~mask
    whole |= labels
    packed = whole.view(np.float64)
    plain = np.isfinite(packed).all(axis=-1)
    packed.sort(axis=-1)
    found = whole & mask
    whole &= ~mask
    plain &= (whole[:, 1:] != whole[:, :-1]).all(axis=-1)
    return found if plain.all() else found[plain], plain


def _counted(
    labels: Int[np.ndarray, "row sample"], doubled: Int[np.ndarray, "*#row sample"], classes: int, bins: int
) -> tuple[Float[np.ndarray, "row class"], Int[np.ndarray, "row column"]]:
    """Sums of the doubled ranks of each class, and twice its samples in each bin, classes and bins in one column.

    Args:
        labels: in ascending order of the values.
        doubled: ranks in that order, of all rows or of each.
        classes: how many there are.
        bins: of equal width.
    """
    rows, samples = labels.shape
    cell = labels + np.arange(rows)[:, None] * classes
    cells = rows * classes
    # Sums of whole numbers are exact, in whatever order they are added.
    sums = np.bincount(cell.ravel(), np.broadcast_to(doubled, cell.shape).ravel(), cells)
    upper = np.minimum(doubled * bins // (2 * samples), bins - 1)
    lower = (doubled * bins - 1) // (2 * samples)
    once = np.bincount((cell * bins + upper).ravel(), minlength=cells * bins)
    same = np.array_equal(upper, lower)
    twice = once if same else np.bincount((cell * bins + lower).ravel(), minlength=cells * bins)
    return sums.reshape(rows, classes), (once + twice).reshape(rows, classes * bins)


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
