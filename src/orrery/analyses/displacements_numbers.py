"""The numbers that displacements and path lengths publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_number
from orrery.numerics.ranks import rank_correlation

if TYPE_CHECKING:
    import xarray as xr

NEAR_ONE = 0.1
"""Weights count as not mattering where the loss without them differs by less than this share."""


def publish(sources: Mapping[str, xr.Dataset]) -> list[Number]:
    """All numbers of all conditions.

    Args:
        sources: by condition, ``relative(seed, component)``, ``path(seed, component)`` and the rest.
    """
    return [number for name, source in sources.items() for number in _of_condition(name, source)]


def _of_condition(name: str, source: xr.Dataset) -> Iterator[Number]:
    total, norm, steps = source["total"].values, source["norm"].values, source["moment_step"].values
    yield mean_number(
        f"displacement[{name}]", total, "sum of |w(T) - w(0)| over the sum of |w(0)|, mean over seeds"
    )
    sound = total[np.isfinite(total)]
    for word, of in (("least", np.min), ("largest", np.max)):
        yield Number(
            f"displacement-{word}[{name}]",
            float(of(sound)) if sound.size else np.nan,
            n=len(sound),
            description=f"{word} of all seeds",
        )
    for word, column in (("first", 0), ("last", -1)):
        values = norm[:, column]
        values = values[np.isfinite(values)]
        yield mean_number(
            f"norm-{word}[{name}]", values, f"sum of |w| at step {steps[column]}, mean over seeds"
        )
        for end, of in (("least", np.min), ("largest", np.max)):
            yield Number(
                f"norm-{word}-{end}[{name}]",
                float(of(values)) if values.size else np.nan,
                n=len(values),
                description=f"{end} sum of |w| at step {steps[column]} of all seeds",
            )
    if "loss_ratio" in source:
        yield from _loss_ratios(name, source["loss_ratio"].values)
    relative, path, displacement = (source[key].values for key in ("relative", "path", "displacement"))
    yield mean_number(
        f"path[{name}]", path.sum(axis=1), "sum of the path lengths of all weights, mean over seeds"
    )
    length = path.sum(axis=1)
    first = 0
    for tensor in source.attrs["components"]:
        part = path[:, first : first + tensor["size"]].sum(axis=1)
        first += tensor["size"]
        yield mean_number(
            f"path-share[{name},{tensor['name']}]",
            np.divide(part, length, out=np.full_like(length, np.nan), where=length > 0),
            f"share of {tensor['name']} in the path lengths of all weights, mean over seeds",
        )
    straight = np.divide(displacement.sum(axis=1), length, out=np.full_like(length, np.nan), where=length > 0)
    yield mean_number(
        f"straightness[{name}]",
        straight,
        "sum of |w(T) - w(0)| over the sum of the path lengths; 1 for straight paths",
    )
    pairs = [_moved(one, other) for one, other in zip(relative, path, strict=True)]
    yield mean_number(
        f"rank-correlation[{name}]",
        np.array([_rank_correlation(*pair) for pair in pairs]),
        "rank correlation over weights of relative displacement and path length, mean over seeds",
    )
    yield mean_number(
        f"wandering-share[{name}]",
        np.array([_wandering(*pair) for pair in pairs]),
        "share of weights in the upper quarter of path lengths and the lower quarter of relative displacements",
        floor=1 / 16,
    )


def _loss_ratios(name: str, ratios: Float[np.ndarray, "seed ablated"]) -> Iterator[Number]:
    said = "loss with one weight set to zero over the loss"
    yield mean_number(f"loss-ratio-median[{name}]", np.median(ratios, axis=1), f"{said}, median over weights")
    yield mean_number(
        f"loss-ratio-near-one[{name}]",
        np.where(np.isfinite(ratios).all(axis=1), (np.abs(ratios - 1) < NEAR_ONE).mean(axis=1), np.nan),
        f"share of weights without which the loss changes by less than {NEAR_ONE:.0%}, mean over seeds",
    )
    sound = ratios[np.isfinite(ratios).all(axis=1)]
    of_seeds = sound.max(axis=1) if sound.size else np.full(0, np.nan)
    yield mean_number(f"loss-ratio-largest[{name}]", of_seeds, f"{said}, largest of each seed")
    yield Number(
        f"loss-ratio-largest-median[{name}]",
        float(np.median(of_seeds)) if of_seeds.size else np.nan,
        n=len(of_seeds),
        description=f"{said}, largest of each seed, median over seeds",
    )


def _moved(
    relative: Float[np.ndarray, " component"], path: Float[np.ndarray, " component"]
) -> tuple[Float[np.ndarray, " moved"], Float[np.ndarray, " moved"]]:
    """Those of the weights whose displacement is defined: a bias that starts at zero has none."""
    defined = np.isfinite(relative) & np.isfinite(path)
    return relative[defined], path[defined]


def _rank_correlation(relative: np.ndarray, path: np.ndarray) -> float:
    if len(relative) < 3 or np.ptp(relative) == 0 or np.ptp(path) == 0:
        return np.nan
    return rank_correlation(relative, path)


def _wandering(relative: np.ndarray, path: np.ndarray) -> float:
    if len(relative) < 4:
        return np.nan
    long, near = path >= np.quantile(path, 0.75), relative <= np.quantile(relative, 0.25)
    return float((long & near).mean())
