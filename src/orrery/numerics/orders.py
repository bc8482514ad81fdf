"""Does a map keep the order of a sequence? Inversions, ties and Kendall's tau of many sequences at once.

A neuron that keeps the order of its local fields over the samples does an order-preserving transformation (OPT), one
that changes it does none (NPT; Lin, Zhang, Feng, Zhao, arXiv 2501.02436). A monotone activation cannot create an
inversion, only ties; a falling one keeps the order with flipped sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Real


@dataclass(frozen=True)
class Orders:
    """The pairs of samples of each sequence, counted by what a map does to their order.

    Attributes:
        pairs: how many there are.
        tied_before, tied_after, tied_both: pairs of equal values before the map, after it, and in both.
        inverted: pairs ordered one way before and the other way after.
    """

    pairs: int
    tied_before: Int[np.ndarray, "*row"]
    tied_after: Int[np.ndarray, "*row"]
    tied_both: Int[np.ndarray, "*row"]
    inverted: Int[np.ndarray, "*row"]

    @property
    def kept(self) -> Int[np.ndarray, "*row"]:
        """Pairs ordered alike before and after."""
        return np.asarray(self.pairs - self.tied_before - self.tied_after + self.tied_both - self.inverted)

    @property
    def preserving(self) -> Bool[np.ndarray, "*row"]:
        """Whether no pair is inverted, or, with flipped sign, none is kept; ties do not count."""
        return np.asarray((self.inverted == 0) | (self.kept == 0))

    @property
    def tau(self) -> Float[np.ndarray, "*row"]:
        """Kendall's tau-b; NaN where all values before or after are equal."""
        untied = (self.pairs - self.tied_before).astype(float) * (self.pairs - self.tied_after)
        return np.divide(
            (self.kept - self.inverted).astype(float),
            np.sqrt(untied),
            out=np.full(np.shape(untied), np.nan),
            where=untied > 0,
        )


def orders(before: Real[np.ndarray, "*row sample"], after: Real[np.ndarray, "*row sample"]) -> Orders:
    """Compare the orders of two sequences, row by row, in O(n log² n) without a loop over pairs or rows.

    Args:
        before: e.g. local fields; without NaN.
        after: what a map makes of them.
    """
    count = before.shape[-1]
    # Among equal values before, those after ascend: no such pair is an inversion.
    order = np.lexsort((after, before), axis=-1)
    first, second = np.take_along_axis(before, order, -1), np.take_along_axis(after, order, -1)
    level = _levels(second)
    same_before, same_after = _repeats(first), _repeats(np.sort(second, axis=-1))
    both = np.concatenate(
        [
            np.zeros((*first.shape[:-1], 1), dtype=bool),
            same_before[..., 1:] & (second[..., 1:] == second[..., :-1]),
        ],
        axis=-1,
    )
    return Orders(
        count * (count - 1) // 2,
        _tied(same_before),
        _tied(same_after),
        _tied(both),
        _inversions(level),
    )


def bends(values: Real[np.ndarray, "*row sample"], rounding: float = 8.0) -> Bool[np.ndarray, "*row"]:
    """Whether a curve, given at ascending places, both rises and falls by more than rounding.

    Args:
        values: e.g. an activation at sorted local fields.
        rounding: of steps no larger than so many units in the last place of the largest value nothing is held: a
            tanh is monotone, its computed values may differ from it in the last bit.
    """
    steps = np.diff(values, axis=-1)
    least = rounding * np.finfo(values.dtype).eps * np.abs(values).max(axis=-1, keepdims=True)
    return np.asarray((steps > least).any(axis=-1) & (steps < -least).any(axis=-1))


def _repeats(ascending: np.ndarray) -> np.ndarray:
    """Which values equal the one before them."""
    same = np.zeros(ascending.shape, dtype=bool)
    same[..., 1:] = ascending[..., 1:] == ascending[..., :-1]
    return same


def _starts(same: np.ndarray) -> np.ndarray:
    """Where the group of equal values of each place begins."""
    return np.asarray(np.maximum.accumulate(np.where(same, 0, np.arange(same.shape[-1])), axis=-1))


def _tied(same: np.ndarray) -> np.ndarray:
    """Pairs within groups: every place is tied with those of its group before it."""
    return np.asarray((np.arange(same.shape[-1]) - _starts(same)).sum(axis=-1))


def _levels(values: np.ndarray) -> np.ndarray:
    """Whole numbers from 0 in the order of the values, equal ones for equal values."""
    order = np.argsort(values, axis=-1)
    level = np.cumsum(~_repeats(np.take_along_axis(values, order, -1)), axis=-1) - 1
    found = np.empty_like(level)
    np.put_along_axis(found, order, level, -1)
    return found


def _inversions(level: np.ndarray) -> np.ndarray:
    """Pairs of places of which the first has the larger number.

    Two numbers first differ in some bit. Bit by bit from the highest, numbers that agree so far stand together in
    their order of before, and each one with a 0 is inverted with those before it that have a 1.
    """
    total = np.zeros(level.shape[:-1], dtype=np.int64)
    for bit in reversed(range(int(level.max(initial=0)).bit_length())):
        ones = (level >> bit) & 1
        earlier = np.cumsum(ones, axis=-1) - ones
        start = np.take_along_axis(earlier, _starts(_repeats(level >> (bit + 1))), -1)
        total += ((1 - ones) * (earlier - start)).sum(axis=-1)
        level = np.take_along_axis(level, np.argsort(level >> bit, axis=-1, kind="stable"), -1)
    return total
