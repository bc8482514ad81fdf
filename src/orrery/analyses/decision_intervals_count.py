"""Intervals of constant decision of recorded networks, all seeds and moments at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int

from orrery.analyses.network_states import networks_of
from orrery.config.errors import OrreryError
from orrery.systems.decisions import decisions, labels_of

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.decision_intervals import Settings
    from orrery.trajectory.trajectory import Trajectory

METHOD = "decision-intervals"


def counts_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Intervals along the recorded steps; see :func:`orrery.analyses.decision_intervals.analyse`.

    Raises:
        OrreryError: as there.
    """
    networks = networks_of(source, context, settings.moments, METHOD)
    if networks.inputs.shape[1] != 1:
        raise OrreryError(
            f"{METHOD}: a sample has {networks.inputs.shape[1]} features, and intervals are those of one; leave such "
            "conditions out of 'conditions'"
        )
    labels = labels_of(networks.targets, METHOD)[networks.inputs[:, 0].argsort()]
    line = torch.linspace(*settings.grid.interval, settings.grid.points, dtype=torch.float64)[None, :, None]
    widest = sum(component.size for component in networks.system.components)
    found = []
    for _, state, finite in networks.portions(settings.grid.points * widest):
        with torch.no_grad():
            decided = decisions(networks.forward, networks.forward.last_layer(state, line))
        counts = intervals(decided.numpy()).reshape(finite.shape)
        found.append(np.where(finite, counts, np.nan))
    return xr.Dataset(
        {
            "intervals": (("seed", "moment"), np.concatenate(found, axis=1)),
            "moment_step": ("moment", networks.steps),
        },
        coords={"seed": list(networks.seeds)},
        attrs={
            "axes": dict(context.axes),
            "needed": int(intervals(labels.numpy()[None])[0]),
            "points": settings.grid.points,
            "interval": list(settings.grid.interval),
        },
    )


def intervals(decided: Int[np.ndarray, "run point"]) -> Float[np.ndarray, " run"]:
    """One more than the number of neighbouring points that are decided differently."""
    return 1.0 + (decided[:, 1:] != decided[:, :-1]).sum(axis=1)
