"""The paired one-sided sign test: is the first of a pair larger more often than chance would have it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Signs:
    """What became of the pairs.

    Attributes:
        larger: pairs whose first value is the larger one.
        smaller: pairs whose second value is.
        ties: pairs of equal values; they are left out.
        p: probability of at least so many ``larger`` among the pairs that are not tied, if either sign were as likely;
            1 where all are tied.
    """

    larger: int
    smaller: int
    ties: int
    p: float


def sign_test(first: Float[np.ndarray, " pair"], second: Float[np.ndarray, " pair"]) -> Signs:
    """Test whether the first values are the larger ones; pairs with a value that is NaN are left out."""
    known = ~(np.isnan(first) | np.isnan(second))
    one, other = np.asarray(first)[known], np.asarray(second)[known]
    larger, smaller = int((one > other).sum()), int((one < other).sum())
    ties = len(one) - larger - smaller
    if not larger + smaller:
        return Signs(larger, smaller, ties, 1.0)
    # Here and not above: it takes a second to import.
    import scipy.stats

    found = scipy.stats.binomtest(larger, larger + smaller, 0.5, alternative="greater")
    return Signs(larger, smaller, ties, float(found.pvalue))
