"""Numbers of the decision regions: mixing along rays, and pairs of samples that a straight line connects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from orrery.analyses.over_seeds import mean_number
from orrery.numerics.decision_regions import last_above

if TYPE_CHECKING:
    import xarray as xr
    from jaxtyping import Float

    from orrery.analyses.api import Number

OF_PAIRS = {
    "connected": "whose straight line stays in the region of their class",
    "joined": "joined by a chain of such lines through other samples",
}


def publish(sources: Mapping[str, xr.Dataset]) -> list[Number]:
    """Of every condition, from ``changes(seed, amplitude)`` and the others."""
    return [number for name, source in sources.items() for number in _of_condition(name, source)]


def _of_condition(name: str, source: xr.Dataset) -> Iterator[Number]:
    far = float(source["amplitude"].values[-1])
    rays = "rays from samples that are classified right, mean over seeds"
    yield mean_number(
        f"changes[{name}]",
        source["changes"].values[:, -1],
        f"changes of the decision along a ray up to s = {far:g}, {rays}",
    )
    yield mean_number(
        f"returning[{name}]",
        source["returning"].values,
        f"share that leave the class of their sample and come back to it before s = {far:g}, {rays}",
    )
    entropy = source["entropy"].values
    yield mean_number(
        f"entropy[{name}]",
        entropy[:, -1],
        f"entropy of the classes reached at s = {far:g}, {rays}",
        unit="bit",
    )
    yield mean_number(
        f"largest-entropy[{name}]",
        entropy.max(axis=1),
        f"the same at the amplitude at which it is largest, {rays}",
        unit="bit",
    )
    yield mean_number(
        f"half-right[{name}]",
        last_above(source["right"].values, source["amplitude"].values, 0.5),
        f"largest amplitude up to which at least half are still classified right, {rays}",
    )
    for kind, words in OF_PAIRS.items():
        shares = source[kind].values  # (seed, class)
        seen = f"share of pairs of samples of one class, both classified right, {words}"
        yield mean_number(f"{kind}[{name}]", _over_classes(shares), f"{seen}, mean over classes and seeds")
        for label in range(shares.shape[1]):
            yield mean_number(
                f"{kind}[{name},class={label}]", shares[:, label], f"{seen}, class {label}, mean over seeds"
            )


def _over_classes(shares: Float[np.ndarray, "seed class"]) -> Float[np.ndarray, " seed"]:
    """Mean over the classes that have a pair."""
    known = np.isfinite(shares)
    count = known.sum(axis=1)
    total = np.where(known, shares, 0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(shares), np.nan), where=count > 0)
