"""One estimator per group of runs and number of delays: it chooses the path and answers for ranks, strides, subsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float

from orrery.config.errors import OrreryError
from orrery.numerics.gram import delay_gram, estimate_from_gram
from orrery.numerics.spectrum import RankError, Spectrum, estimate
from orrery.numerics.subspace import leading_subspace, subset_spectra, subspace_spectrum

DIRECT_SIDE = 400
DIRECT_ENTRIES = 4_000_000
"""``auto`` takes the direct SVD up to these sizes of X."""
FALLBACK_ENTRIES = 60_000_000
"""A refused iterative path falls back to the direct SVD up to this size of X (480 MB)."""


class Estimator(Protocol):
    """Spectra of one group of runs at one number of delays."""

    def spectrum(self, rank: int, stride: int = 1) -> Spectrum:
        """The joint spectrum of all runs, from pairs (H_t, H_{t + stride}).

        Raises:
            RankError: the rank cannot be resolved.
            OrreryError: the stride leaves no pair, or an eigenvalue is not finite.
        """

    def subsets(self, rank: int, subsets: Sequence[Sequence[int]]) -> list[Spectrum]:
        """The joint spectrum of each subset of the runs, given by their places.

        Raises:
            RankError: the rank cannot be resolved.
            OrreryError: an eigenvalue is not finite.
        """


@dataclass(frozen=True)
class Wanted:
    """What an estimator will be asked for: it prepares accordingly."""

    rank: int
    further_rank: int
    subsets: bool


class ExplicitEstimator:
    """The embedded states in memory: direct SVD, Gram side or covariance side."""

    def __init__(self, states: Float[np.ndarray, "run step component"], delays: int, path: str) -> None:
        self._states, self._delays, self._path = states, delays, path

    def spectrum(self, rank: int, stride: int = 1) -> Spectrum:
        """As :class:`Estimator` says."""
        return estimate(self._states, self._delays, rank, stride=stride, path=self._path)

    def subsets(self, rank: int, subsets: Sequence[Sequence[int]]) -> list[Spectrum]:
        """As :class:`Estimator` says."""
        return [
            estimate(self._states[list(subset)], self._delays, rank, path=self._path) for subset in subsets
        ]


class OperatorEstimator:
    """The embedded states as an operator; subsets and strides in the basis that it leaves."""

    def __init__(
        self,
        states: Float[np.ndarray, "run step component"],
        delays: int,
        wanted: Wanted,
        *,
        fallback: bool,
    ) -> None:
        self._states, self._delays, self._fallback = states, delays, fallback
        self._subspace = leading_subspace(
            states, delays, wanted.rank, further_rank=wanted.further_rank, subsets=wanted.subsets
        )

    def spectrum(self, rank: int, stride: int = 1) -> Spectrum:
        """As :class:`Estimator` says; where the basis cannot resolve the rank, by the direct SVD if that is allowed."""
        try:
            return subspace_spectrum(self._subspace, rank, stride=stride)
        except RankError:
            runs, steps, components = self._states.shape
            entries = runs * (steps - self._delays) * (self._delays + 1) * components
            if not self._fallback or entries > FALLBACK_ENTRIES:
                raise
            return estimate(self._states, self._delays, rank, stride=stride, path="direct")

    def subsets(self, rank: int, subsets: Sequence[Sequence[int]]) -> list[Spectrum]:
        """As :class:`Estimator` says; in the basis of all runs."""
        return subset_spectra(self._subspace, rank, subsets)


class GramEstimator:
    """The Gram matrix of the states; nothing else is known of them."""

    def __init__(self, gram: Float[np.ndarray, "run step run step"], delays: int) -> None:
        self._embedded = delay_gram(gram, delays)

    def spectrum(self, rank: int, stride: int = 1) -> Spectrum:
        """As :class:`Estimator` says."""
        return estimate_from_gram(self._embedded, rank, stride=stride)

    def subsets(self, rank: int, subsets: Sequence[Sequence[int]]) -> list[Spectrum]:
        """As :class:`Estimator` says."""
        return [estimate_from_gram(self._embedded, rank, runs=subset) for subset in subsets]


def estimator(
    states: Float[np.ndarray, "run step component"], delays: int, path: str, wanted: Wanted
) -> Estimator:
    """Choose the estimator of states that are in memory.

    Raises:
        OrreryError: no convergence, values that are not finite, too few steps.
    """
    runs, steps, components = states.shape
    stacked, pairs = (delays + 1) * components, runs * (steps - delays - 1)
    if path == "auto":
        small = min(stacked, pairs) <= DIRECT_SIDE and stacked * pairs <= DIRECT_ENTRIES
        path = "direct" if small else "operator"
        return (
            ExplicitEstimator(states, delays, path)
            if small
            else OperatorEstimator(states, delays, wanted, fallback=True)
        )
    if path == "operator":
        return OperatorEstimator(states, delays, wanted, fallback=False)
    return ExplicitEstimator(states, delays, path)


def gram_estimator(gram: Float[np.ndarray, "run step run step"], delays: int, path: str) -> Estimator:
    """The estimator of a Gram matrix.

    Raises:
        OrreryError: a path that needs the states.
    """
    if path not in ("auto", "gram"):
        raise OrreryError(
            f"path '{path}' needs the states, and the reduction kept a Gram matrix; write path: gram or auto"
        )
    return GramEstimator(gram, delays)
