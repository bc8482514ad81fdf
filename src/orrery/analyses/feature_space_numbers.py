"""Numbers of the feature space: what is left of it at the end, and which training method leaves more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_number
from orrery.config.errors import OrreryError, nearest
from orrery.numerics.sign_test import sign_test

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.feature_space import Settings

LAST = (
    ("patterns", "hidden units of layer {layer} that differ in where they are active, at step {step}"),
    ("regions", "inputs that differ in which units of layer {layer} are active, at step {step}"),
    ("dead", "share of the units of layer {layer} that are active nowhere, at step {step}"),
    ("rank", "effective rank of layer {layer} at step {step}"),
)


def publish(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """All numbers of all conditions, then those of the pairs.

    Args:
        sources: by condition, with ``patterns(seed, moment, layer)`` and all else that the analysis gives.
        settings: of the analysis.

    Raises:
        OrreryError: a chain names a condition that was not analysed, or one without a common seed.
    """
    found = [number for name, source in sources.items() for number in _of_condition(name, source, settings)]
    for label, chain in settings.compare.chains.items():
        for name in chain:
            if name not in sources:
                raise OrreryError(
                    f"feature-space: compare.chains: '{label}' names the condition '{name}', which was not analysed; "
                    f"{nearest(name, sources)}"
                )
        for pair in pairwise(chain):
            found += _of_pair(pair, [sources[name] for name in pair], settings.layer - 1)
    return found


def matched(
    losses: tuple[Float[np.ndarray, "seed moment"], Float[np.ndarray, "seed moment"]],
) -> tuple[Int[np.ndarray, " seed"], Int[np.ndarray, " seed"], Float[np.ndarray, " seed"]]:
    """The moments of both runs of a pair that are nearest to the lowest loss that both of them reach.

    The run with the higher lowest loss is taken there; the other one at its moment of nearest log loss, the first of
    these. Losses that are not finite are never chosen.

    Returns:
        Both moments, and the ratio of the larger loss there to the smaller one: 1 is a perfect match.
    """
    logs = [np.log(np.maximum(np.where(np.isfinite(loss), loss, np.inf), 1e-300)) for loss in losses]
    level = np.maximum(logs[0].min(axis=1), logs[1].min(axis=1))
    with np.errstate(invalid="ignore"):
        apart = [np.nan_to_num(np.abs(log - level[:, None]), nan=np.inf) for log in logs]
        places = [distance.argmin(axis=1) for distance in apart]
        rows = np.arange(len(level))
        ratio = np.exp(np.abs(logs[0][rows, places[0]] - logs[1][rows, places[1]]))
    return places[0], places[1], ratio


def _of_condition(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    steps = source["moment_step"].values
    lost = source["diverged"].values.astype(bool)
    yield Number(
        f"diverged[{name}]", float(lost.sum()), n=len(lost), description="runs that diverged; left out below"
    )
    for variable, words in LAST:
        values = source[variable].values[:, -1, settings.layer - 1]
        words = words.format(layer=settings.layer, step=steps[-1])
        yield mean_number(f"{variable}[{name}]", values, f"{words}, mean over seeds")
    first = source["patterns"].values[:, 0, settings.layer - 1]
    yield mean_number(
        f"patterns-at-start[{name}]", first, f"the same count at step {steps[0]}, mean over seeds"
    )
    yield mean_number(
        f"loss[{name}]",
        source["loss"].values[:, -1],
        f"loss of a training sample at step {steps[-1]}, summed over outputs without factor, mean over samples and "
        "seeds",
    )
    yield mean_number(
        f"accuracy[{name}]",
        source["accuracy"].values[:, -1],
        f"share of the training samples that are classified correctly at step {steps[-1]}, mean over seeds",
    )


def _of_pair(pair: tuple[str, str], sources: list[xr.Dataset], layer: int) -> Iterator[Number]:
    seeds = [source["seed"].values.tolist() for source in sources]
    common = [seed for seed in seeds[0] if seed in seeds[1]]
    if not common:
        raise OrreryError(
            f"feature-space: compare.chains: '{pair[0]}' and '{pair[1]}' have no seed in common, so nothing is paired; "
            "give them the same seeds"
        )
    chosen = [source.sel(seed=common) for source in sources]
    counts = [one["patterns"].values[:, :, layer] for one in chosen]
    name = ",".join(pair)
    first, second = pair
    yield from _tested(
        name, counts[0][:, -1], counts[1][:, -1], f"{first} than {second}, at the last step", ""
    )
    places = matched((chosen[0]["loss"].values, chosen[1]["loss"].values))
    rows = np.arange(len(common))
    at = [count[rows, place] for count, place in zip(counts, places[:2], strict=True)]
    yield from _tested(name, at[0], at[1], f"{first} than {second}, at equal training loss", "-matched")
    yield mean_number(
        f"loss-ratio-matched[{name}]",
        places[2],
        "larger over smaller training loss of the pair at the moments that are compared, mean over seeds",
    )


def _tested(name: str, first: np.ndarray, second: np.ndarray, words: str, ending: str) -> Iterator[Number]:
    signs = sign_test(first, second)
    untied = signs.larger + signs.smaller
    yield Number(
        f"p{ending}[{name}]",
        signs.p,
        n=untied + signs.ties,
        description=f"one-sided sign test over paired seeds: more patterns with {words}; {signs.larger} seeds with "
        f"more, {signs.smaller} with fewer, {signs.ties} ties left out",
    )
    yield mean_number(
        f"difference{ending}[{name}]", first - second, f"how many more patterns with {words}, mean over seeds"
    )
