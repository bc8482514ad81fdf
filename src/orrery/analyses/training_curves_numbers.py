"""Values read off the curves of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from orrery.config.errors import OrreryError, nearest
from orrery.numerics.resampling import bootstrap_counts, interval, resampled_mean
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    from orrery.trajectory.trajectory import Trajectory


def last_means(
    trajectory: Trajectory, metric: str, count: int
) -> tuple[float, tuple[float, float] | None, int]:
    """Mean of a metric over its last ``count`` recorded steps and the copies of each seed; then over seeds.

    Diverged runs are left out.

    Returns:
        Mean, 95 % bootstrap interval over seeds (``None`` for one seed), number of seeds; NaN, ``None`` and 0 where no
        run is left.

    Raises:
        OrreryError: the metric was not recorded.
    """
    array = trajectory.metric(metric)
    values = np.asarray(array.values, dtype=float)
    # The last recorded place may be empty: a loss belongs to the state before a step.
    known = np.isfinite(values).any(axis=0)
    return _over_seeds(trajectory, values[:, np.flatnonzero(known)[-count:]].mean(axis=1))


def turns(trajectory: Trajectory, metric: str, count: int) -> tuple[float, tuple[float, float] | None, int]:
    """Share of the last ``count`` recorded steps at which a metric turns: its change has another sign than the last.

    1 for a series of period 2, whatever slow drift it has beside it; 0 for one that only falls. Diverged runs are left
    out.

    Returns:
        As :func:`last_means`.

    Raises:
        OrreryError: the metric was not recorded.
    """
    values = np.asarray(trajectory.metric(metric).values, dtype=float)
    known = np.flatnonzero(np.isfinite(values).any(axis=0))[-count - 2 :]
    changes = np.diff(values[:, known], axis=1)
    lost = ~np.isfinite(changes).all(axis=1)
    shares = (
        (changes[:, 1:] * changes[:, :-1] < 0).mean(axis=1)
        if len(known) > 2
        else np.full(len(values), np.nan)
    )
    return _over_seeds(trajectory, np.where(lost, np.nan, shares))


def _over_seeds(
    trajectory: Trajectory, last: Float[np.ndarray, " run"]
) -> tuple[float, tuple[float, float] | None, int]:
    """Mean over the copies of each seed, then over seeds, of the runs that did not diverge."""
    kept = (trajectory.dataset["status"].values == 0) & np.isfinite(last)
    seeds = trajectory.dataset["seed"].values
    by_seed = np.array([last[kept & (seeds == seed)].mean() for seed in np.unique(seeds[kept])])
    if not by_seed.size:
        return np.nan, None, 0
    n = len(by_seed)
    counts = bootstrap_counts(n, 10_000, Streams().generator("probe", n, "bootstrap"))
    return float(by_seed.mean()), interval(resampled_mean(by_seed, counts)) if n > 1 else None, n


def rises(trajectory: Trajectory, metric: str) -> tuple[int, int]:
    """At how many of how many steps a metric is larger than at the recorded place before, over all runs.

    Raises:
        OrreryError: the metric was not recorded.
    """
    values = np.asarray(trajectory.metric(metric).values, dtype=float)
    changes = np.diff(values[:, np.isfinite(values).any(axis=0)], axis=1)
    return int((changes > 0).sum()), int(np.isfinite(changes).sum())


def point(
    sources: Mapping[str, Trajectory], condition: str, metric: str, seed: int, copy: int, step: int
) -> float:
    """The value of a metric of one run at one step.

    Raises:
        OrreryError: it was not recorded.
    """
    if condition not in sources:
        raise OrreryError(
            f"training-curves: there is no condition '{condition}'; {nearest(condition, sources)}"
        )
    array = sources[condition].metric(metric)
    runs = np.flatnonzero((array["seed"].values == seed) & (array["copy"].values == copy))
    steps = array[array.dims[1]].values
    places = np.flatnonzero(steps == step)
    if not runs.size or not places.size:
        raise OrreryError(
            f"training-curves: '{metric}' of '{condition}' was not recorded for seed {seed}, copy {copy}, step {step}; "
            f"recorded are steps {steps[0]} to {steps[-1]}"
        )
    return float(array.values[runs[0], places[0]])
