"""Principal components of single runs, by the smaller of the two covariance sides, and the random-walk null."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import scipy.linalg
import xarray as xr
from jaxtyping import Float

from orrery.analyses.ensembles import from_reduction, from_trajectory, window_of
from orrery.analyses.runs import evenly
from orrery.config.errors import OrreryError
from orrery.numerics.gram import gram_matrix
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    from orrery.analyses.principal_components import Settings
    from orrery.trajectory.trajectory import Trajectory

PIECE = 4096
"""Components of a random walk that are held at a time; fixed, so that the draws depend on the shape alone."""


def principal_components(
    states: Float[Any, "step component"], count: int
) -> tuple[Float[np.ndarray, "step mode"], Float[np.ndarray, " mode"]]:
    """Scores of the centred states and shares of the variance; the last score of each component is positive.

    Args:
        states: NumPy or Dask array; one with more components than steps is streamed over its components.
        count: components kept.

    Returns:
        NaN where a state is not finite.

    Raises:
        OrreryError: more components than the states span.
    """
    steps, entries = states.shape
    if entries > steps:
        return _from_gram(gram_matrix(states), count)
    centred = np.asarray(states, dtype=np.float64)
    if not np.isfinite(centred).all():
        return _nothing(steps, count)
    centred = centred - centred.mean(axis=0)
    values, vectors = _leading(centred.T @ centred, count)
    return _signed(centred @ vectors), values / float((centred**2).sum())


def _from_gram(
    gram: Float[np.ndarray, "step step"], count: int
) -> tuple[Float[np.ndarray, "step mode"], Float[np.ndarray, " mode"]]:
    """The same, from the Gram matrix of states that are not centred."""
    if not np.isfinite(gram).all():
        return _nothing(len(gram), count)
    means = gram.mean(axis=0)
    centred = gram - means - means[:, None] + means.mean()
    values, vectors = _leading(centred, count)
    return _signed(vectors * np.sqrt(values)), values / float(np.trace(centred))


def _nothing(steps: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full((steps, count), np.nan), np.full(count, np.nan)


def _signed(scores: Float[np.ndarray, "step mode"]) -> Float[np.ndarray, "step mode"]:
    return scores * np.where(scores[-1] < 0, -1.0, 1.0)


def _leading(matrix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    side = len(matrix)
    if count > side:
        raise OrreryError(
            f"{count} components were asked for, and the trajectory spans {side}; write a smaller number"
        )
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(side - count, side - 1))
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


def random_walk(seed: int, steps: int, entries: int) -> Iterator[Float[np.ndarray, "step component"]]:
    """A Gaussian random walk that starts near zero, 4,096 components at a time.

    Each piece is keyed by (probe, seed), its shape and its place.
    """
    for first in range(0, entries, PIECE):
        shape = (steps, min(PIECE, entries - first))
        generator = Streams().generator("probe", seed, "random-walk", shape, first)
        yield np.cumsum(generator.standard_normal(shape), axis=0)


def components_of(source: Trajectory | xr.Dataset, settings: Settings) -> xr.Dataset:
    """Components of each seed; see :func:`orrery.analyses.principal_components.analyse`.

    Raises:
        OrreryError: the reduction kept a Gram matrix of all runs, or fewer steps than components.
    """
    if isinstance(source, xr.Dataset) and source.attrs.get("kind") == "gram":
        if source.attrs["group"] != "seed":
            raise OrreryError(
                "principal-components: the Gram matrix is of all runs; write group: seed in the reduction"
            )
        seeds, all_steps = source["seed"].values, source["step"].values
        places = window_of(all_steps, settings.steps)
        steps, entries = all_steps[places], int(source.attrs["components"])
        results = []
        for index in range(len(seeds)):
            gram = source["gram"][index].values[: len(all_steps), : len(all_steps)][places, places]
            results.append(_from_gram(gram, settings.components))
    else:
        ensemble = (
            from_reduction(source, settings.steps)
            if isinstance(source, xr.Dataset)
            else from_trajectory(source, settings.observable, settings.steps)
        )
        seeds, steps, entries = ensemble.seeds, ensemble.steps, ensemble.states.shape[-1]
        results = [
            principal_components(ensemble.states[index, 0], settings.components)
            for index in range(len(seeds))
        ]
    walks = [
        dask.delayed(_components_of_walk)(int(seed), len(steps), entries, settings.components)
        for seed in seeds
    ]
    nulls = dask.compute(*walks)
    drawn = evenly(len(steps), settings.drawn)
    return xr.Dataset(
        {
            "fraction": (("seed", "component"), np.stack([shares for _, shares in results])),
            "null_fraction": (("seed", "component"), np.stack([shares for _, shares in nulls])),
            "score": (("seed", "drawn", "component"), np.stack([scores[drawn] for scores, _ in results])),
            "null_score": (("seed", "drawn", "component"), np.stack([scores[drawn] for scores, _ in nulls])),
            "drawn_step": (("drawn",), steps[drawn]),
        },
        coords={
            "seed": ("seed", np.asarray(seeds)),
            "component": ("component", np.arange(settings.components)),
        },
        attrs={"entries": int(entries), "steps": len(steps)},
    )


def _components_of_walk(
    seed: int, steps: int, entries: int, count: int
) -> tuple[Float[np.ndarray, "step mode"], Float[np.ndarray, " mode"]]:
    """Components of the random walk of one seed."""
    if entries <= steps:
        return principal_components(np.concatenate(list(random_walk(seed, steps, entries)), axis=1), count)
    gram = np.zeros((steps, steps))
    for piece in random_walk(seed, steps, entries):
        gram += piece @ piece.T
    return _from_gram(gram, count)
