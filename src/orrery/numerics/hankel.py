"""The block-Hankel matrix of an ensemble as an operator, applied by short Fourier transforms along time.

The columns of H are the delay-embedded states, (m + 1) D entries each; H is never formed. Time is cut into segments
that overlap by m steps (overlap-save), so that a transform is short and the spectra of the segments fit the cache.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from jaxtyping import Float

from orrery.numerics.embedding import check_length

SEGMENTS = 4
"""Segments of time; fixed, so that the bits of a product depend on the data alone."""


class HankelOperator:
    """H of shape ((m + 1) D, N (T - m)), columns run-major, and products with it.

    Args:
        states: N trajectories of T steps and D components.
        delays: m.

    Raises:
        OrreryError: the trajectories are too short.
    """

    def __init__(self, states: Float[np.ndarray, "run step component"], delays: int) -> None:
        runs, steps, components = states.shape
        check_length(steps, delays, 1)
        self.runs, self.components, self.delays = runs, components, delays
        self.windows = steps - delays
        self.stacked = (delays + 1) * components
        self.segments = min(SEGMENTS, self.windows)
        span = -(-self.windows // self.segments)
        self._length = scipy.fft.next_fast_len(span + delays, real=True)
        self._span = self._length - delays
        padded = np.zeros((runs, self.segments * self._span + delays, components))
        padded[:, :steps] = states
        parts = np.stack(
            [padded[:, i * self._span : i * self._span + self._length] for i in range(self.segments)], axis=1
        )
        transformed = scipy.fft.rfft(parts, axis=2)
        self._spectra = np.ascontiguousarray(transformed.transpose(2, 3, 0, 1))
        """(frequency, component, run, segment)"""
        self._end = np.array(states[:, max(self.windows - 2, 0) :], dtype=np.float64)

    def column_from_end(self, place: int) -> Float[np.ndarray, "run stacked"]:
        """The last column of every run (place 1) or the one before it (place 2)."""
        first = self._end.shape[1] - self.delays - place
        return self._end[:, first : first + self.delays + 1].reshape(self.runs, -1)

    def apply(self, weights: Float[np.ndarray, "run window"]) -> Float[np.ndarray, " stacked"]:
        """H w: the embedded states summed with one weight per column; missing columns at the end count as zero."""
        transformed = np.conj(self._weights(weights[:, :, None]))[:, :, :, 0]
        matrices = self._spectra.reshape(*self._spectra.shape[:2], -1)
        product = np.matmul(matrices, transformed.reshape(len(matrices), -1, 1))[:, :, 0]
        return self._delays_of(np.ascontiguousarray(product.T)).T.reshape(-1)

    def apply_transposed(self, vector: Float[np.ndarray, " stacked"]) -> Float[np.ndarray, "run window"]:
        """H^T u: the product of u with every column."""
        blocks = np.ascontiguousarray(vector.reshape(self.delays + 1, self.components).T)
        transformed = np.ascontiguousarray(np.conj(scipy.fft.rfft(blocks, self._length, axis=1)).T)
        matrices = self._spectra.reshape(*self._spectra.shape[:2], -1).transpose(0, 2, 1)
        product = np.matmul(matrices, transformed[:, :, None])[:, :, 0]
        series = scipy.fft.irfft(np.ascontiguousarray(product.T), self._length, axis=1)[:, : self._span]
        return series.reshape(self.runs, -1)[:, : self.windows]

    def apply_by_run(
        self, weights: Float[np.ndarray, "run window vector"]
    ) -> Float[np.ndarray, "stacked run vector"]:
        """H_i w_i for every run i on its own and several weight vectors at once."""
        transformed = np.ascontiguousarray(np.conj(self._weights(weights)).transpose(0, 1, 2, 3))
        matrices = np.ascontiguousarray(self._spectra.transpose(2, 0, 1, 3))
        found = np.empty((self.stacked, self.runs, weights.shape[2]))
        for run, matrix in enumerate(matrices):
            product = np.matmul(matrix, np.ascontiguousarray(transformed[:, run]))
            series = self._delays_of(np.ascontiguousarray(product.transpose(1, 2, 0)))
            found[:, run] = series.transpose(2, 0, 1).reshape(self.stacked, -1)
        return found

    def apply_transposed_block(
        self, vectors: Float[np.ndarray, "stacked vector"]
    ) -> Float[np.ndarray, "vector run window"]:
        """H^T u for several u at once."""
        count = vectors.shape[1]
        blocks = np.ascontiguousarray(vectors.reshape(self.delays + 1, -1).T)
        transformed = np.conj(scipy.fft.rfft(blocks, self._length, axis=1))
        transformed = np.ascontiguousarray(transformed.reshape(self.components, count, -1).transpose(2, 1, 0))
        matrices = self._spectra.reshape(*self._spectra.shape[:2], -1)
        product = np.ascontiguousarray(np.matmul(transformed, matrices).transpose(1, 2, 0))
        series = scipy.fft.irfft(product, self._length, axis=2)[:, :, : self._span]
        return series.reshape(count, self.runs, -1)[:, :, : self.windows]

    def _weights(self, weights: Float[np.ndarray, "run window vector"]) -> np.ndarray:
        """Transforms (frequency, run, segment, vector) of the weights of each segment."""
        count = weights.shape[2]
        padded = np.zeros((self.runs, count, self.segments * self._span))
        padded[:, :, : weights.shape[1]] = weights.transpose(0, 2, 1)
        parts = padded.reshape(self.runs, count, self.segments, self._span)
        return np.ascontiguousarray(scipy.fft.rfft(parts, self._length, axis=3).transpose(3, 0, 2, 1))

    def _delays_of(self, product: np.ndarray) -> np.ndarray:
        """The lags 0..m of a correlation, from its transform along the last axis."""
        return np.asarray(scipy.fft.irfft(product, self._length, axis=-1)[..., : self.delays + 1])
