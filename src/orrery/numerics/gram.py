"""Gram matrices of recorded states: streamed, delay-embedded along diagonals, and what follows from them.

One Gram matrix serves every number of delays, every rank, window, subset of runs, stride and centring, and principal
components, without the states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask
import dask.array
import dask.threaded
import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from orrery.config.errors import OrreryError
from orrery.numerics.embedding import check_length
from orrery.numerics.spectrum import Spectrum, gram_spectrum

PANEL = 1024
"""Rows of a panel of the product; fixed, so that the bits do not depend on the number of workers."""


def gram_matrix(
    states: Float[Any, "row component"], *, chunk: int = 4096, workers: int = 1, single: bool = False
) -> Float[np.ndarray, "row row"]:
    """G = S S^T in one pass over chunks of components.

    Peak memory is 8 rows^2 + 8 rows chunk bytes. Chunks are added in order, panels of rows are independent tasks, so
    that the result has the same bits for any number of workers.

    Args:
        states: NumPy or Dask array; a Dask array is read chunk by chunk.
        chunk: components at a time.
        workers: threads.
        single: multiply in float32 (sums are float64): for screening only.
    """
    rows, components = states.shape
    total = np.zeros((rows, rows))
    kind = np.float32 if single else np.float64
    for first in range(0, components, chunk):
        part = states[:, first : first + chunk]
        if isinstance(part, dask.array.Array):
            part = part.compute(scheduler=dask.threaded.get, num_workers=workers)
        block = np.ascontiguousarray(part, dtype=kind)
        tasks = [_add_panel(total, block, start) for start in range(0, rows, PANEL)]
        dask.compute(*tasks, scheduler=dask.threaded.get, num_workers=workers)
    return np.tril(total) + np.tril(total, -1).T


@dask.delayed
def _add_panel(total: np.ndarray, block: np.ndarray, start: int) -> None:
    stop = min(start + PANEL, len(total))
    panel = block[start:stop]
    # A product of a matrix with its own transpose takes half of the work: NumPy calls BLAS's syrk for it.
    total[start:stop, start:stop] += panel @ panel.T
    if start:
        total[start:stop, :start] += panel @ block[:start].T


def delay_gram(
    gram: Float[np.ndarray, "run step run step"], delays: int
) -> Float[np.ndarray, "run window run window"]:
    """Gram matrix of the delay-embedded states: sums along the diagonals of the plain one.

    G^(m)(t, t') = sum over d = 0..m of G(t + d, t' + d), within and between runs.

    Raises:
        OrreryError: the trajectories are too short.
    """
    steps = gram.shape[1]
    check_length(steps, delays, 1)
    windows = steps - delays
    total = gram[:, :windows, :, :windows].copy()
    for lag in range(1, delays + 1):
        total += gram[:, lag : lag + windows, :, lag : lag + windows]
    return total


def centred_gram(gram: Float[np.ndarray, "run step run step"]) -> Float[np.ndarray, "run step run step"]:
    """Gram matrix of the states less their mean over all runs and steps."""
    means = gram.mean(axis=(2, 3))
    return gram - means[:, :, None, None] - means[None, None] + means.mean()


def estimate_from_gram(
    embedded: Float[np.ndarray, "run window run window"],
    rank: int,
    *,
    stride: int = 1,
    runs: Sequence[int] | None = None,
    single: bool = False,
) -> Spectrum:
    """Spectrum from the Gram matrix of the delay-embedded states (Gram side).

    Args:
        embedded: from :func:`delay_gram`.
        rank: k.
        stride: c of the pairs (H_t, H_{t+c}).
        runs: a subset of the runs.
        single: the Gram matrix was multiplied in float32.

    Raises:
        RankError: the rank cannot be resolved.
        OrreryError: the stride leaves no pair, or an eigenvalue is not finite.
    """
    if runs is not None:
        members = np.asarray(runs)
        embedded = embedded[members][:, :, members]
    count, windows = embedded.shape[:2]
    if windows - stride < 1:
        raise OrreryError(f"stride {stride} leaves no pair in {windows} windows; write a smaller stride")
    side = count * (windows - stride)
    before = embedded[:, :-stride, :, :-stride].reshape(side, side)
    shifted = embedded[:, :-stride, :, stride:].reshape(side, side)
    return gram_spectrum(before, shifted, rank, single=single)


def scores_from_gram(
    gram: Float[np.ndarray, "row row"], fit: Sequence[int] | Int[np.ndarray, " fitted"], components: int
) -> tuple[Float[np.ndarray, "row component"], Float[np.ndarray, " component"]]:
    """Principal-component scores of uncentred states from their Gram matrix.

    The components are fitted on the rows ``fit``, centred; the scores are those of the uncentred rows, equal to
    explicit PCA up to the sign of each component.

    Returns:
        Scores of all rows, and the variance fractions of the components.

    Raises:
        OrreryError: more components than the rows span.
    """
    rows = np.asarray(fit)
    inner = gram[np.ix_(rows, rows)]
    means = inner.mean(axis=0)
    centred = inner - means[None] - means[:, None] + means.mean()
    count = len(rows)
    kept = min(components, count)
    values, vectors = scipy.linalg.eigh(centred, subset_by_index=(count - kept, count - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    if kept < components or values[-1] <= 1e-13 * values[0]:
        raise OrreryError(
            f"{components} components were asked for, and the states span fewer; write a smaller number"
        )
    # J V: the vectors of a centred matrix sum to zero, but only to rounding.
    vectors = vectors - vectors.mean(axis=0)
    scores = gram[:, rows] @ vectors / np.sqrt(values)
    return scores, values / np.trace(centred)
