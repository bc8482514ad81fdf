"""Gram matrices of recorded states: streamed, delay-embedded along diagonals, and what follows from them.

One Gram matrix serves every number of delays, every rank, window, subset of runs, stride and centring, and principal
components, without the states.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dask
import numpy as np
import scipy.linalg
from dask.delayed import Delayed
from jaxtyping import Float, Int

from orrery.config.errors import OrreryError
from orrery.numerics.embedding import check_length
from orrery.numerics.parts import Part
from orrery.numerics.spectrum import Spectrum, gram_spectrum

PANEL = 1024
"""Rows of a panel; each pair of panels is a tile of the product."""
GROUP = 4
"""Chunks of components that one task reads and adds up."""
BRANCHES = 8
"""Sums that are added to one in the tree. These three are fixed, so that the bits depend on the data alone."""


def gram_matrix(
    states: Float[Any, "*row component"], *, chunk: int = 4096, single: bool = False
) -> Float[np.ndarray, "rows rows"]:
    """G = S S^T, tile by tile and over groups of chunks of components.

    Each task reads two panels of at most 1,024 rows in four chunks of components, whatever the size of the states:
    about 64 kB chunk for states in float32. Sums of groups are added in a fixed tree, so that the result has the same
    bits under every scheduler of Dask.

    Args:
        states: NumPy or Dask array; axes before the last are rows, in C order. A Dask array is read chunk by chunk.
        chunk: components multiplied at a time.
        single: multiply in float32 (sums are float64): for screening only.

    Returns:
        In float64, ``rows`` being the product of all axes but the last.
    """
    rows = int(np.prod(states.shape[:-1]))
    panels = [(first, min(first + PANEL, rows)) for first in range(0, rows, PANEL)]
    spans = range(0, states.shape[-1], GROUP * chunk)
    tiles: dict[tuple[int, int], list[Delayed]] = {}
    for span in spans:
        parts = [Part(list(_pieces(states, *panel, span, span + GROUP * chunk))) for panel in panels]
        for i, part in enumerate(parts):
            for j in range(i + 1):
                other = parts[j] if j < i else None
                task = dask.delayed(_product)(part, other, chunk, single)
                tiles.setdefault((i, j), []).append(task)
    total = np.zeros((rows, rows))
    found = dask.compute(*(_sum(products) for products in tiles.values()))
    for (i, j), tile in zip(tiles, found, strict=True):
        total[slice(*panels[i]), slice(*panels[j])] = tile
    return np.tril(total) + np.tril(total, -1).T


def _pieces(
    states: Float[Any, "*row component"], first: int, last: int, begin: int, end: int
) -> Iterator[Float[Any, "piece part"]]:
    """Some rows of some components, run by run: rows of several runs as one axis would make Dask read whole runs."""
    *runs, steps, _ = states.shape
    for place, run in enumerate(np.ndindex(*runs)):
        low, high = max(first - place * steps, 0), min(last - place * steps, steps)
        if low < high:
            yield states[(*run, slice(low, high), slice(begin, end))]


def _product(part: Part, other: Part | None, chunk: int, single: bool) -> Float[np.ndarray, "row other"]:
    """The product of two panels, or of one with itself, over one group of components."""
    kind: Any = np.float32 if single else np.float64
    rows = part.read()
    columns = rows if other is None else other.read()
    total = np.zeros((len(rows), len(columns)))
    for first in range(0, rows.shape[1], chunk):
        left = np.ascontiguousarray(rows[:, first : first + chunk], dtype=kind)
        # A product of a matrix with its own transpose takes half of the work: NumPy calls BLAS's syrk for it.
        right = left if other is None else np.ascontiguousarray(columns[:, first : first + chunk], dtype=kind)
        total += left @ right.T
    return total


def _sum(products: list[Delayed]) -> Delayed:
    """The tree that adds the products of all groups."""
    while len(products) > 1:
        products = [
            dask.delayed(_add)(products[first : first + BRANCHES])
            for first in range(0, len(products), BRANCHES)
        ]
    return products[0]


def _add(products: Sequence[Float[np.ndarray, "row other"]]) -> Float[np.ndarray, "row other"]:
    # Into a copy: Dask may use the same product again, where a worker is lost.
    total = products[0].copy()
    for product in products[1:]:
        total += product
    return total


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
