"""Accuracy of recorded networks over the amplitude of noise, and the sizes of their basins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from orrery.analyses.basins_states import Labelled, chosen_moments, every_class, labelled, states
from orrery.numerics.crossings import amplitudes, first_crossings, within_brackets
from orrery.numerics.linearised_basins import linearised_basins, margin_deviations, margins
from orrery.numerics.streams import Streams
from orrery.systems.logit_covariances import logit_covariances
from orrery.systems.noise import Kind, shares_right
from orrery.systems.system import System

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.basins import Settings, SingleSamples
    from orrery.systems.system import State
    from orrery.trajectory.trajectory import Trajectory

CHANCE_DRAWS = 20
"""Draws at the amplitude of chance, at least: there a draw of the weights gives most samples the same class."""

Curves = dict[str, Float[np.ndarray, "seed ..."]]


def curves_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Curves and basins; see :func:`orrery.analyses.basins.analyse`, whose dataset ``basin(seed, moment, …)`` this is.

    Raises:
        OrreryError: as there.
    """
    assert context.system is not None
    system: System = context.system()
    whole = labelled(system)
    samples = every_class(whole.first(settings.samples))
    seeds, places = list(source.seeds), chosen_moments(source.steps, settings.moments)
    moments: list[dict[str, np.ndarray]] = []
    for state in states(source, system, places):
        here = {
            f"{part}_accuracy": system.metrics[f"{part}_accuracy"](state).numpy()
            for part in ("train", "test")
        }
        kinds = [_of_noise(system, state, samples, kind, settings, seeds) for kind in settings.noise]
        here["clean"] = kinds[0]["clean"]
        stacked = {
            name: np.stack([one[name] for one in kinds], axis=1) for name in kinds[0] if name != "clean"
        }
        moments.append({**here, **stacked})
    found = {name: np.stack([moment[name] for moment in moments], axis=1) for name in moments[0]}
    dims = {
        "accuracy": ("noise", "amplitude"),
        "chance": ("noise",),
        "basin": ("noise", "threshold"),
        "censored": ("noise", "threshold"),
        "class_basin": ("noise", "threshold", "class"),
        "class_censored": ("noise", "threshold", "class"),
    }
    variables = {name: (("seed", "moment", *dims.get(name, ())), values) for name, values in found.items()}
    result = xr.Dataset(
        {**variables, "moment_step": ("moment", np.asarray(source.steps)[places])},
        coords={
            "seed": seeds,
            "amplitude": amplitudes(*settings.amplitudes, settings.count),
            "threshold": np.array(settings.thresholds),
        },
        attrs={"axes": dict(context.axes), "noise": list(settings.noise), "samples": len(samples.labels)},
    )
    if settings.single is None:
        return result
    few = whole.first_of_each(settings.single.per_class)
    return result.assign(_of_single_samples(system, state, few, settings, settings.single, seeds))


def _of_noise(
    system: System, state: State, samples: Labelled, kind: Kind, settings: Settings, seeds: list[int]
) -> Curves:
    """Curves of one kind of noise at one moment."""

    def shares(at: np.ndarray, draws: int = settings.draws) -> np.ndarray:
        return shares_right(system, state, samples.inputs, samples.labels, at, kind, draws, seeds)

    grid = amplitudes(*settings.amplitudes, settings.count)
    thresholds = np.array(settings.thresholds)
    right = np.concatenate(
        [
            shares(np.full((len(seeds), 1), settings.far), max(settings.draws, CHANCE_DRAWS)),
            shares(np.tile(np.concatenate([[0.0], grid]), (len(seeds), 1))),
        ],
        axis=1,
    )
    members = torch.nn.functional.one_hot(samples.labels, samples.classes).numpy().astype(float)
    of_class = np.moveaxis(right @ (members / members.sum(axis=0)), 2, 1)  # (run, class, amplitude)
    accuracy = right.mean(axis=2)
    sizes = first_crossings(grid, accuracy[:, 2:], accuracy[:, 1], accuracy[:, 0], thresholds)
    size = sizes.size
    if settings.refine:
        size = _refined(sizes.bracket, size, shares, thresholds, settings.refine)
    by_class = first_crossings(grid, of_class[..., 2:], of_class[..., 1], of_class[..., 0], thresholds)
    return {
        "clean": accuracy[:, 1],
        "chance": accuracy[:, 0],
        "accuracy": accuracy[:, 2:],
        "basin": size,
        "censored": sizes.censored,
        "class_basin": np.moveaxis(by_class.size, 1, 2),
        "class_censored": np.moveaxis(by_class.censored, 1, 2),
    }


def _refined(
    bracket: np.ndarray,
    size: np.ndarray,
    shares: Callable[[np.ndarray], np.ndarray],
    thresholds: np.ndarray,
    count: int,
) -> np.ndarray:
    """Sizes from a second grid in their brackets, with the same noise as before."""
    inside = np.isfinite(bracket).all(axis=-1)
    if not inside.any():
        return size
    grid = within_brackets(bracket, count)  # (run, threshold, point)
    runs = len(grid)
    right = shares(grid.reshape(runs, -1)).mean(axis=2).reshape(grid.shape)
    found = np.stack(
        [
            first_crossings(
                grid[:, place], right[:, place], np.ones(runs), np.zeros(runs), thresholds[place : place + 1]
            ).size[:, 0]
            for place in range(len(thresholds))
        ],
        axis=1,
    )
    return np.where(inside, found, size)


def _of_single_samples(
    system: System, state: State, few: Labelled, settings: Settings, chosen: SingleSamples, seeds: list[int]
) -> dict[str, tuple]:
    """Measured and predicted basins of single samples at probability 1/2."""
    grid = amplitudes(*settings.amplitudes, settings.count)
    asked = np.tile(np.concatenate([[0.0, settings.far], grid]), (len(seeds), 1))
    labels = few.labels.numpy()
    moved = logit_covariances(system, state, few.inputs)
    normals = (
        Streams().generator("probe", 0, "linearised basins").standard_normal((chosen.normals, few.classes))
    )
    logits = moved.logits.double().numpy()
    named = [margins(of_run, labels) for of_run in logits]
    columns: dict[str, list[np.ndarray]] = {
        name: [] for name in ("single_basin", "single_censored", "predicted", "reach")
    }
    for kind in settings.noise:
        right = shares_right(system, state, few.inputs, few.labels, asked, kind, chosen.draws, seeds)
        curves = np.moveaxis(right, 2, 1)
        found = first_crossings(grid, curves[..., 2:], curves[..., 0], curves[..., 1], np.array([0.5]))
        covariances = (moved.inputs if kind == "inputs" else moved.weights).double().numpy()
        columns["single_basin"].append(found.size[..., 0])
        columns["single_censored"].append(found.censored[..., 0])
        columns["predicted"].append(
            np.stack(
                [
                    linearised_basins(one, covariance, labels, normals)
                    for one, covariance in zip(logits, covariances, strict=True)
                ]
            )
        )
        columns["reach"].append(
            np.stack(
                [
                    margin / np.maximum(margin_deviations(covariance, labels, other), 1e-300)
                    for (margin, other), covariance in zip(named, covariances, strict=True)
                ]
            )
        )
    return {
        **{name: (("seed", "noise", "sample"), np.stack(parts, axis=1)) for name, parts in columns.items()},
        "margin": (("seed", "sample"), np.stack([margin for margin, _ in named])),
        "single_class": ("sample", labels),
    }
