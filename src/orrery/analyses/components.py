"""Principal components of single runs, by the smaller of the two covariance sides, and the random-walk null."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask
import numpy as np
import scipy.linalg
import xarray as xr
from jaxtyping import Float

from orrery.analyses.ensembles import from_reduction, from_trajectory, window_of
from orrery.config.errors import OrreryError
from orrery.numerics.gram import scores_from_gram
from orrery.numerics.parts import Part
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    from orrery.analyses.principal_components import Settings
    from orrery.trajectory.trajectory import Trajectory


def principal_components(
    states: Float[np.ndarray, "step component"], count: int
) -> tuple[Float[np.ndarray, "step mode"], Float[np.ndarray, " mode"]]:
    """Scores of the centred states and shares of the variance; the last score of each component is positive.

    Raises:
        OrreryError: more components than the states span.
    """
    centred = np.asarray(states, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    steps, entries = centred.shape
    if entries <= steps:
        values, vectors = _leading(centred.T @ centred, count)
        scores, total = centred @ vectors, float((centred**2).sum())
    else:
        gram = centred @ centred.T
        values, vectors = _leading(gram, count)
        scores, total = vectors * np.sqrt(values), float(np.trace(gram))
    return scores * np.where(scores[-1] < 0, -1.0, 1.0), values / total


def _leading(matrix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    side = len(matrix)
    if count > side:
        raise OrreryError(
            f"{count} components were asked for, and the trajectory spans {side}; write a smaller number"
        )
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(side - count, side - 1))
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


def random_walk(seed: int, steps: int, entries: int) -> Float[np.ndarray, "step component"]:
    """A Gaussian random walk that starts at zero; keyed by (probe, seed) and its shape."""
    generator = Streams().generator("probe", seed, "random-walk", (steps, entries))
    return np.cumsum(generator.standard_normal((steps, entries)), axis=0)


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
            scores, shares = scores_from_gram(gram, np.arange(len(steps)), settings.components)
            scores = scores - scores.mean(axis=0)
            results.append((scores * np.where(scores[-1] < 0, -1.0, 1.0), shares))
    else:
        ensemble = (
            from_reduction(source, settings.steps)
            if isinstance(source, xr.Dataset)
            else from_trajectory(source, settings.observable, settings.steps)
        )
        seeds, steps, entries = ensemble.seeds, ensemble.steps, ensemble.states.shape[-1]
        tasks = [
            dask.delayed(_components_of_states)(Part([ensemble.states[index, 0]]), settings.components)
            for index in range(len(seeds))
        ]
        results = list(dask.compute(*tasks))
    walks = [
        dask.delayed(_components_of_walk)(int(seed), len(steps), entries, settings.components)
        for seed in seeds
    ]
    nulls = dask.compute(*walks)
    drawn = np.unique(np.linspace(0, len(steps) - 1, min(settings.drawn, len(steps))).round().astype(int))
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


def _components_of_states(
    part: Part, count: int
) -> tuple[Float[np.ndarray, "step mode"], Float[np.ndarray, " mode"]]:
    """Components of one run; NaN where it diverged."""
    states = part.read()
    if np.isfinite(states).all():
        return principal_components(states, count)
    empty = np.full((len(states), count), np.nan)
    return empty, empty[0]


def _components_of_walk(
    seed: int, steps: int, entries: int, count: int
) -> tuple[Float[np.ndarray, "step mode"], Float[np.ndarray, " mode"]]:
    """Components of the random walk of one seed."""
    return principal_components(random_walk(seed, steps, entries), count)
