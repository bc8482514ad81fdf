"""Pairs of conditions against the number of training samples: from which size on one of the two is more accurate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from orrery.analyses.api import Number
from orrery.analyses.modes_comparison import matched
from orrery.numerics.resampling import bootstrap_counts, interval, resampled_mean
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.modes import Settings

DRAWS = 10_000
LEAST_GAP = 0.01
"""Accuracy by which the first of a pair must be ahead, on the test samples."""
ERRORS = 2.0
"""Standard errors over seeds by which it must be ahead."""


@dataclass(frozen=True)
class AtSize:
    """A pair at its number of training samples, seed by seed, at the last step.

    Attributes:
        samples: training samples of both.
        pair: the two conditions.
        accuracy: of each on the test samples looked at.
    """

    samples: int
    pair: tuple[str, str]
    accuracy: Float[np.ndarray, "2 seed"]

    @property
    def gap(self) -> Float[np.ndarray, " seed"]:
        """Accuracy of the first minus that of the second."""
        return np.asarray(self.accuracy[0] - self.accuracy[1])

    @property
    def bound(self) -> float:
        """What the mean gap must be above; infinite for a single seed, whose error is not known."""
        if len(self.gap) < 2:
            return np.inf
        return max(LEAST_GAP, ERRORS * float(standard_error(self.gap)))


def by_size(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[AtSize]:
    """The pairs in rising order of their training samples; none where they do not differ in these alone.

    Sizes are asked after where there are two pairs or more, both conditions of a pair have as many training samples,
    and no two pairs have equally many.

    Args:
        sources: by condition, with ``accuracy(seed, moment, part)`` and the attribute ``training_samples``.
        settings: of the analysis.

    Raises:
        OrreryError: a pair shares no seed or no moment.
    """
    found = []
    for first, second in settings.pairs:
        one, other = matched(first, second, sources)
        samples, others = (int(each.attrs.get("training_samples", 0)) for each in (one, other))
        if not samples or samples != others or one.attrs["parts"][-1] != "test":
            return []
        if one.sizes["seed"]:
            last = np.stack([each["accuracy"].values[:, -1, -1] for each in (one, other)])
            found.append(AtSize(samples, (first, second), last))
    found.sort(key=lambda at: at.samples)
    different = {at.samples for at in found}
    return found if len(found) > 1 and len(different) == len(found) else []


def size_numbers(sources: Mapping[str, xr.Dataset], settings: Settings) -> Iterator[Number]:
    """``critical-size``, ``sizes-compared``, ``sizes-separated`` of :func:`by_size`; see there."""
    sizes = by_size(sources, settings)
    if not sizes:
        return
    ahead = separated([at.gap.mean() for at in sizes], sizes)
    words = (
        f"the test accuracy of the first is ahead by more than {LEAST_GAP:g} and {ERRORS:g} standard errors"
    )
    reach = f"{sizes[0].samples} to {sizes[-1].samples} training samples"
    n = min(len(at.gap) for at in sizes)
    yield Number(
        "critical-size",
        float(sizes[int(ahead.argmax())].samples) if ahead.any() else np.nan,
        _interval(sizes),
        n,
        unit="samples",
        description=f"smallest of {len(sizes)} training sets of {reach} at which {words}, paired by seed; without "
        "value where there is none. The interval resamples seeds and keeps the standard errors",
    )
    yield Number(
        "sizes-compared",
        float(len(sizes)),
        n=n,
        description=f"sizes of the training set that were compared, {reach}",
    )
    yield Number(
        "sizes-separated",
        float(np.count_nonzero(ahead)),
        n=n,
        description=f"of these, sizes at which {words}",
    )


def standard_error(values: Float[np.ndarray, "*first seed"]) -> Float[np.ndarray, "*first"]:
    """Of the mean over seeds; NaN for a single one."""
    n = values.shape[-1]
    if n < 2:
        return np.full(values.shape[:-1], np.nan)
    return np.asarray(values.std(axis=-1, ddof=1) / np.sqrt(n))


def separated(
    means: Sequence[float] | Float[np.ndarray, "... size"], sizes: Sequence[AtSize]
) -> Bool[np.ndarray, "... size"]:
    """Whether mean gaps are above what is asked for at each size."""
    return np.asarray(np.asarray(means) > np.array([at.bound for at in sizes]))


def _interval(sizes: Sequence[AtSize]) -> tuple[float, float] | None:
    """Of the critical size; none where a resample has no such size, or some size has a single seed."""
    if min(len(at.gap) for at in sizes) < 2:
        return None
    columns = []
    for at in sizes:
        n = len(at.gap)
        # The same key for all: sizes that share their seeds are resampled alike.
        counts = bootstrap_counts(n, DRAWS, Streams().generator("probe", n, "bootstrap"))
        columns.append(resampled_mean(at.gap, counts))
    ahead = separated(np.stack(columns, axis=1), sizes)
    if not ahead.any(axis=1).all():
        return None
    return interval(np.array([at.samples for at in sizes], dtype=float)[ahead.argmax(axis=1)])
