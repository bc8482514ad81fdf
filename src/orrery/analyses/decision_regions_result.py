"""Decisions of recorded networks along rays and lines, and what is measured and shown of them."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from orrery.analyses.decision_regions_points import points_around
from orrery.analyses.decision_regions_probes import (
    decided_along_rays,
    decided_on_lines,
    first_of_each,
)
from orrery.analyses.network_states import networks_of
from orrery.config.errors import OrreryError
from orrery.numerics.crossings import amplitudes
from orrery.numerics.decision_regions import changes_along, entropies, joined_pairs, last_above, returning
from orrery.systems.decisions import labels_of

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.decision_regions import Settings
    from orrery.trajectory.trajectory import Trajectory

METHOD = "decision-regions"


def result_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """The dataset ``changes(seed, amplitude)`` and so on; see :func:`orrery.analyses.decision_regions.analyse`.

    Raises:
        OrreryError: as there.
    """
    networks = networks_of(source, context, 1, METHOD)
    labels = labels_of(networks.targets, METHOD).numpy()
    classes = max(2, networks.targets.shape[1])
    unknown = [number for number in settings.drawn.classes if number >= classes]
    if unknown:
        raise OrreryError(
            f"{METHOD}: drawn.classes names class {unknown[0]}, and the dataset has {classes}, from 0 to {classes - 1}"
        )
    _, state, finite = next(networks.portions(1))
    lost = ~finite[:, 0]
    starts = first_of_each(labels, classes, settings.per_class)
    grid = np.concatenate([[0.0], amplitudes(*settings.amplitudes, settings.count)])
    on_rays = decided_along_rays(networks, state, starts, settings.rays, grid)
    pairs, connected = _lines(labels, classes, settings)
    on_lines = decided_on_lines(networks, state, pairs, settings.line_points)
    measured = {
        **_along_rays(on_rays, labels[starts], classes),
        **_between(on_lines, labels, pairs, classes),
    }
    dims = {"returning": (), "connected": ("class",), "joined": ("class",)}
    variables = {
        name: (
            ("seed", *dims.get(name, ("amplitude",))),
            np.where(lost.reshape(-1, *(1,) * (values.ndim - 1)), np.nan, values),
        )
        for name, values in measured.items()
    }
    half = 0.0 if lost[0] else float(last_above(measured["right"][:1], grid, 0.5)[0])
    shown = points_around(
        networks, state, starts[np.isin(labels[starts], settings.drawn.classes)], half, settings
    )
    return xr.Dataset(
        {**variables, **shown},
        coords={"seed": list(networks.seeds), "amplitude": grid},
        attrs={
            "axes": dict(context.axes),
            "step": int(networks.steps[-1]),
            "samples": len(starts),
            "rays": settings.rays,
            "pairs": connected,
            "points": settings.line_points,
        },
    )


def _lines(
    labels: Int[np.ndarray, " sample"], classes: int, settings: Settings
) -> tuple[Int[np.ndarray, "pair 2"], int]:
    """All pairs within each class of the samples between which lines are drawn, and how many of a class."""
    places = first_of_each(labels, classes, settings.line_samples)
    of_class = [list(combinations(places[labels[places] == number].tolist(), 2)) for number in range(classes)]
    pairs = np.array([pair for some in of_class for pair in some], dtype=int).reshape(-1, 2)
    if not len(pairs):
        raise OrreryError(
            f"{METHOD}: no class has two training samples to draw a line between; use a larger dataset"
        )
    return pairs, max(len(some) for some in of_class)


def _along_rays(
    decided: Int[np.ndarray, "run sample ray amplitude"], own: Int[np.ndarray, " sample"], classes: int
) -> dict[str, Float[np.ndarray, "run ..."]]:
    """Means over the rays of the samples that a run classifies right; NaN for a run without such a sample."""
    hits = decided == own[:, None, None]
    kept = hits[:, :, 0, 0]
    return {
        "changes": _mean(changes_along(decided).mean(axis=2), kept),
        "entropy": _mean(entropies(decided, classes), kept),
        "right": _mean(hits.mean(axis=2), kept),
        "returning": _mean(returning(decided).mean(axis=2), kept),
    }


def _between(
    decided: Int[np.ndarray, "run pair point"],
    labels: Int[np.ndarray, " sample"],
    pairs: Int[np.ndarray, "pair 2"],
    classes: int,
) -> dict[str, Float[np.ndarray, "run class"]]:
    own = labels[pairs[:, 0]]
    hits = decided == own[:, None]
    counted, connected = hits[..., 0] & hits[..., -1], hits.all(axis=2)
    joined = np.stack([joined_pairs(pairs, of_run, len(labels)) for of_run in connected])
    return {
        name: np.stack([_mean(values[:, own == k], counted[:, own == k]) for k in range(classes)], axis=1)
        for name, values in (("connected", connected), ("joined", joined))
    }


def _mean(values: Float[np.ndarray, "run item ..."], kept: np.ndarray) -> Float[np.ndarray, "run ..."]:
    """Mean over the items of a run that are kept; NaN where none is."""
    weights = kept.reshape(*kept.shape, *(1,) * (values.ndim - 2)).astype(float)
    total = weights.sum(axis=1)
    filled = (values * weights).sum(axis=1)
    return np.divide(filled, total, out=np.full(filled.shape, np.nan), where=total > 0)
