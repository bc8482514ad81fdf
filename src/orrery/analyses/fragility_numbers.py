"""Numbers of the fragility: how far decisions are from flipping, and how that goes with the pattern count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_number
from orrery.config.errors import OrreryError, nearest
from orrery.numerics.ranks import correlations, once, resampled_ranks
from orrery.numerics.resampling import bootstrap_counts, interval
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.fragility import Settings

DRAWS = 2_000


@dataclass(frozen=True)
class Pooled:
    """The runs of a group at the last moment: those that did not diverge and classify something correctly.

    Attributes:
        condition: name of each.
        seed: of each.
        patterns: count of each.
        median: median distance of each, infinite where censored.
    """

    condition: list[str]
    seed: Int[np.ndarray, " run"]
    patterns: Float[np.ndarray, " run"]
    median: Float[np.ndarray, " run"]


def publish(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """All numbers of all conditions, then those of the groups.

    Args:
        sources: by condition, with ``distance(seed, moment, sample)`` and all else that the analysis gives.
        settings: of the analysis.

    Raises:
        OrreryError: a group has no condition.
    """
    found = [number for name, source in sources.items() for number in _of_condition(name, source, settings)]
    for label, names in groups_of(sources, settings).items():
        found += _of_group(label, pooled({name: sources[name] for name in names}, settings.layer - 1))
    return found


def groups_of(sources: Mapping[str, xr.Dataset], settings: Settings) -> dict[str, list[str]]:
    """Conditions by group; all in one where the settings name none.

    Args:
        sources: by condition, ``distance(seed, moment, sample)`` and others.
        settings: name the groups.

    Raises:
        OrreryError: a group has no condition.
    """
    wanted = settings.compare.groups or {"all": ("*",)}
    found = {
        label: [name for name in sources if any(name == one or fnmatchcase(name, one) for one in patterns)]
        for label, patterns in wanted.items()
    }
    for label, names in found.items():
        if not names:
            raise OrreryError(
                f"fragility: compare.groups: '{label}' fits no condition that was analysed; "
                f"{nearest(wanted[label][0] if wanted[label] else label, sources)}"
            )
    return found


def pooled(sources: Mapping[str, xr.Dataset], layer: int) -> Pooled:
    """The runs of a group.

    Args:
        sources: by condition, ``median(seed, moment)`` and ``patterns(seed, moment, layer)``.
        layer: from 0.
    """
    names = [name for name, source in sources.items() for _ in range(source.sizes["seed"])]
    seeds = np.concatenate([source["seed"].values for source in sources.values()])
    patterns = np.concatenate([source["patterns"].values[:, -1, layer] for source in sources.values()])
    medians = np.concatenate([source["median"].values[:, -1] for source in sources.values()])
    kept = ~(np.isnan(patterns) | np.isnan(medians))
    return Pooled(
        [name for name, keep in zip(names, kept, strict=True) if keep],
        seeds[kept],
        patterns[kept],
        medians[kept],
    )


def correlation(of: Pooled) -> tuple[float, tuple[float, float] | None, int]:
    """Spearman's correlation of pattern count and median distance, its interval, and the number of seeds.

    The interval resamples seeds, each with all its runs: those of one seed share their start. NaN where one of the two
    is the same in all runs.
    """
    seeds, row = np.unique(of.seed, return_inverse=True)
    if len(of.patterns) < 3:
        return np.nan, None, len(seeds)
    value = _spearman(of, once(len(of.patterns)))[0]
    if len(seeds) < 2 or not np.isfinite(value):
        return float(value), None, len(seeds)
    drawn = bootstrap_counts(len(seeds), DRAWS, Streams().generator("probe", len(seeds), "fragility"))
    return float(value), interval(_spearman(of, drawn[:, row])), len(seeds)


def _spearman(of: Pooled, counts: np.ndarray) -> np.ndarray:
    return correlations(resampled_ranks(of.patterns, counts), resampled_ranks(of.median, counts), counts)


def _of_condition(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    step = int(source["moment_step"].values[-1])
    lost = source["diverged"].values.astype(bool)
    yield Number(
        f"diverged[{name}]", float(lost.sum()), n=len(lost), description="runs that diverged; left out below"
    )
    medians = source["median"].values[:, -1]
    medians = medians[~np.isnan(medians)]
    what = "eps of the gradient-sign attack" if source.attrs["features"] > 1 else "change of the input"
    value = float(np.median(medians)) if len(medians) else np.nan
    yield Number(
        f"distance[{name}]",
        value,
        median_interval(medians) if np.isfinite(value) else None,
        len(medians),
        description=f"smallest {what} that flips a decision at step {step}: median over seeds of the median over the "
        "training samples classified correctly; no value where more than half are censored",
    )
    for variable, words in (
        (
            "censored",
            "share of the samples classified correctly of which no change that was tried flips the decision",
        ),
        ("slope", "largest norm of the gradient of an output with respect to the input"),
        ("accuracy", "share of the training samples that are classified correctly"),
    ):
        yield mean_number(
            f"{variable}[{name}]", source[variable].values[:, -1], f"{words}, step {step}, mean over seeds"
        )
    counts = source["patterns"].values[:, -1, settings.layer - 1]
    yield mean_number(
        f"patterns[{name}]",
        counts,
        f"distinct activation patterns of layer {settings.layer}, mean over seeds",
    )


def median_interval(values: Float[np.ndarray, " seed"]) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of a median; ``None`` for one value, or where an end is censored (infinite)."""
    n = len(values)
    if n < 2:
        return None
    chosen = Streams().generator("probe", n, "median").integers(0, n, (DRAWS, n))
    low, high = np.quantile(np.median(values[chosen], axis=1), [0.025, 0.975], method="inverted_cdf")
    return (float(low), float(high)) if np.isfinite(high) else None


def _of_group(label: str, of: Pooled) -> Iterator[Number]:
    value, bounds, n = correlation(of)
    yield Number(
        f"correlation[{label}]",
        value,
        bounds,
        n,
        description="Spearman's correlation of pattern count and median smallest flipping distance over "
        f"{len(of.patterns)} runs of {len(set(of.condition))} conditions; no value where one of them does not vary",
    )
