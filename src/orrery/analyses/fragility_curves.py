"""Smallest flipping changes, slopes and pattern counts of recorded networks at some moments."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from jaxtyping import Float

from orrery.analyses.feature_counts import check_fields, counts, inputs_of, room
from orrery.analyses.feature_space_curves import by_moment
from orrery.analyses.fragility_search import attacked, largest_slope, nearest_flips
from orrery.analyses.network_states import networks_of
from orrery.config.errors import OrreryError
from orrery.systems.decisions import labels_of

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.fragility import Settings
    from orrery.trajectory.trajectory import Trajectory

DIMENSIONS = {"distance": ("seed", "moment", "sample"), "patterns": ("seed", "moment", "layer")}


def curves_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Fragility along the recorded steps; see :func:`orrery.analyses.fragility.analyse`.

    Raises:
        OrreryError: as there.
    """
    networks = networks_of(source, context, settings.moments, "fragility")
    forward, inputs, targets = networks.forward, networks.inputs, networks.targets
    check_fields(forward, "fragility")
    labels = labels_of(targets, "fragility")
    grid = inputs_of(networks, settings.grid, settings.probes)
    line = inputs.shape[1] == 1
    tried = settings.search.points if line else settings.attack.count * len(inputs)
    parts = []
    for _, state, finite in networks.portions(room(networks, max(tried, grid.shape[1]))):
        found = {"patterns": counts(forward, state, grid)["patterns"]}
        if settings.layer > found["patterns"].shape[1]:
            raise OrreryError(
                f"fragility: layer is {settings.layer}, and the network has {found['patterns'].shape[1]} hidden "
                "layers; write a smaller number"
            )
        found["distance"] = (
            nearest_flips(forward, state, inputs, labels, settings.search)
            if line
            else attacked(forward, state, inputs, targets, labels, settings.attack)
        )
        found["slope"] = largest_slope(forward, state, grid[0] if line else inputs)
        parts.append({name: by_moment(values, finite) for name, values in found.items()})
    found = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    lost = ~np.isfinite(found["slope"])
    found.update(summaries(found["distance"], lost))
    return xr.Dataset(
        {
            **{name: (DIMENSIONS.get(name, ("seed", "moment")), values) for name, values in found.items()},
            "moment_step": ("moment", networks.steps),
            "diverged": ("seed", lost.any(axis=1)),
        },
        coords={"seed": list(networks.seeds)},
        attrs={
            "axes": dict(context.axes),
            "features": inputs.shape[1],
            "samples": len(inputs),
            "largest": float(max(abs(end) for end in settings.search.interval))
            if line
            else settings.attack.sizes[1],
            "probes": grid.shape[1],
        },
    )


def summaries(
    distance: Float[np.ndarray, "seed moment sample"], lost: Float[np.ndarray, "seed moment"]
) -> dict[str, Float[np.ndarray, "seed moment"]]:
    """``median`` over the samples classified correctly, ``censored`` share of these, and ``accuracy``.

    Args:
        distance: infinite where censored, NaN where a sample is not classified correctly.
        lost: states that are not finite; what belongs to them is NaN.
    """
    right = ~np.isnan(distance)
    with warnings.catch_warnings():
        # Nothing may be classified correctly: then there is no median.
        warnings.simplefilter("ignore", RuntimeWarning)
        median = np.nanmedian(distance, axis=2)
        censored = np.isinf(distance).sum(axis=2) / right.sum(axis=2)
    return {
        "median": median,
        "censored": np.where(right.any(axis=2), censored, np.nan),
        "accuracy": np.where(lost, np.nan, right.mean(axis=2)),
    }
