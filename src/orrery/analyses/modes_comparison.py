"""Conditions beside each other: pairs of them seed by seed, and the rule of a flat first layer over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from orrery.analyses.api import Number
from orrery.analyses.modes_phases import early_moments
from orrery.analyses.over_seeds import mean_number
from orrery.config.errors import OrreryError
from orrery.numerics.rank_distributions import doubled_ranks
from orrery.numerics.ranks import correlations, once, rank_correlation
from orrery.numerics.resampling import bootstrap_counts, interval, resampled_mean
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.modes import Settings

DRAWS = 2000
LEAST = 4
"""Conditions from which on a rank correlation over them is published."""


def publish_comparison(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Numbers of all pairs, and the rank correlation of first-layer gradient and accuracy over conditions.

    Args:
        sources: by condition, with ``layer_gradient(seed, moment, layer)`` and all else that the analysis gives.
        settings: of the analysis.

    Raises:
        OrreryError: a pair shares no seed or no moment, or has unequal layers or bins.
    """
    found = [number for pair in settings.pairs for number in _of_pair(*pair, sources, settings)]
    return [*found, *_of_all(sources)]


def largest_mean(differences: Float[np.ndarray, "seed ..."], name: str, description: str) -> Number:
    """The largest modulus of the mean over seeds, over whatever else there is, with its bootstrap interval over seeds.

    Args:
        differences: one array per seed.
        name: of the number.
        description: for the reader of a table.
    """
    flat = differences.reshape(len(differences), -1)
    n = len(flat)
    value = float(np.abs(flat.mean(axis=0)).max())
    if n < 2:
        return Number(name, value, None, n, description=description)
    counts = bootstrap_counts(n, DRAWS, Streams().generator("probe", n, "largest mean"))
    drawn = np.concatenate(
        [np.abs(counts[first : first + 100] @ flat / n).max(axis=1) for first in range(0, DRAWS, 100)]
    )
    return Number(name, value, interval(drawn), n, description=description)


def _of_pair(
    first: str, second: str, sources: Mapping[str, xr.Dataset], settings: Settings
) -> Iterator[Number]:
    one, other = matched(first, second, sources)
    if not one.sizes["seed"]:
        return
    steps = one["moment_step"].values
    early = early_moments(steps, settings.early)
    where = f"[{first},{second}]"
    words = f"{first} minus {second}, mean over seeds"
    for part in one.attrs["parts"]:
        place = one.attrs["parts"].index(part)
        gap = one["accuracy"].values[:, :, place] - other["accuracy"].values[:, :, place]
        yield mean_number(
            f"{part}-gap{where}", gap[:, -1], f"accuracy on the {part} samples at step {steps[-1]}: {words}"
        )
        if early.any():
            yield largest_mean(
                gap[:, early],
                f"early-{part}-gap{where}",
                f"largest modulus over steps {steps[early][0]} to {steps[early][-1]} of the accuracy on the {part} "
                f"samples: {words}",
            )
    layers = one["layer_gradient"].values - other["layer_gradient"].values
    yield mean_number(
        f"gradient-difference{where}",
        layers[:, -1].mean(axis=1),
        f"G at step {steps[-1]}, mean over layers: {words}",
    )
    if early.any():
        yield largest_mean(
            layers[:, early].mean(axis=2),
            f"early-gradient-difference{where}",
            f"largest modulus over steps {steps[early][0]} to {steps[early][-1]} of G, mean over layers: {words}",
        )
    yield largest_mean(
        one["layer_density"].values[:, -1] - other["layer_density"].values[:, -1],
        f"density-difference{where}",
        f"largest modulus over layers and bins of the rank density, mean over classes, at step {steps[-1]}: {words}",
    )


def matched(first: str, second: str, sources: Mapping[str, xr.Dataset]) -> tuple[xr.Dataset, xr.Dataset]:
    """Both conditions of a pair at the seeds that diverged in neither and at the steps looked at in both.

    Args:
        first: name of one condition.
        second: of the other.
        sources: by condition, with ``accuracy(seed, moment, part)`` and ``layer_density(seed, moment, layer, bin)``.

    Raises:
        OrreryError: there is none of that name; no seed or no moment is shared; layers, bins or parts are unequal.
    """
    for name in (first, second):
        if name not in sources:
            raise OrreryError(
                f"modes: pairs names '{name}', which is not among the conditions of this analysis; they are "
                f"{', '.join(sources)}"
            )
    both = [sources[first], sources[second]]
    for dim, advice in (
        ("layer", "compare networks with as many hidden layers"),
        ("bin", "write bins: 10, for one, so that both have as many"),
    ):
        sizes = [one.sizes[dim] for one in both]
        if sizes[0] != sizes[1]:
            raise OrreryError(
                f"modes: the pair {first}, {second} has {sizes[0]} and {sizes[1]} {dim}s; {advice}"
            )
    if both[0].attrs["parts"] != both[1].attrs["parts"]:
        raise OrreryError(f"modes: of the pair {first}, {second} only one has test samples; compare others")
    one, other = both
    seeds = np.intersect1d(one["seed"].values, other["seed"].values)
    moments = np.intersect1d(one["moment_step"].values, other["moment_step"].values)
    if not seeds.size or not moments.size:
        raise OrreryError(
            f"modes: the pair {first}, {second} shares no seed or no step that is looked at; record the same steps"
        )
    lost = one["diverged"].sel(seed=seeds).values | other["diverged"].sel(seed=seeds).values
    chosen = seeds[~lost.astype(bool)]
    return (
        one.sel(seed=chosen).isel(moment=np.isin(one["moment_step"].values, moments)),
        other.sel(seed=chosen).isel(moment=np.isin(other["moment_step"].values, moments)),
    )


def _of_all(sources: Mapping[str, xr.Dataset]) -> Iterator[Number]:
    """Rank correlation over conditions of the final G of the first layer and the final accuracy on test samples."""
    kept = {name: one.isel(seed=~one["diverged"].values.astype(bool)) for name, one in sources.items()}
    kept = {name: one for name, one in kept.items() if one.sizes["seed"] and one.attrs["parts"][-1] == "test"}
    if len(kept) < LEAST:
        return
    steepness = [one["layer_gradient"].values[:, -1, 0] for one in kept.values()]
    accuracy = [one["accuracy"].values[:, -1, -1] for one in kept.values()]
    means = np.array([[one.mean() for one in values] for values in (steepness, accuracy)])
    if np.ptp(means, axis=1).min() == 0:
        return
    resampled = []
    for values in (steepness, accuracy):
        # Seeds of a condition are resampled, not conditions: these are the grid of the study. Both values of a seed
        # stay together.
        generator = Streams().generator("probe", len(kept), "flat first layers")
        counts = [bootstrap_counts(len(one), DRAWS, generator) for one in values]
        drawn = np.column_stack(
            [resampled_mean(one, count) for one, count in zip(values, counts, strict=True)]
        )
        resampled.append(doubled_ranks(drawn).astype(float))
    drawn = correlations(resampled[0], resampled[1], once(len(kept)))
    yield Number(
        "flat-first-layer",
        rank_correlation(*means),
        interval(drawn) if max(map(len, steepness)) > 1 else None,
        len(kept),
        description=f"rank correlation over {len(kept)} conditions of the final G of the first hidden layer and the "
        "final accuracy on test samples; negative where a flat first layer goes with accuracy; seeds are resampled",
    )
