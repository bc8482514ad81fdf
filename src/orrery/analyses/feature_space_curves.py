"""Feature space and training loss of recorded networks at some moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float

from orrery.analyses.feature_counts import check_fields, counts, inputs_of, room
from orrery.analyses.network_states import Networks, networks_of
from orrery.config.errors import OrreryError
from orrery.systems.decisions import decisions, labels_of

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.feature_space import Settings
    from orrery.systems.system import State
    from orrery.trajectory.trajectory import Trajectory


def curves_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Feature space along the recorded steps; see :func:`orrery.analyses.feature_space.analyse`.

    Raises:
        OrreryError: as there.
    """
    networks = networks_of(source, context, settings.moments, "feature-space")
    check_fields(networks.forward, "feature-space")
    inputs = inputs_of(networks, settings.grid, settings.probes)
    parts, sides = [], {}
    for chosen, state, finite in networks.portions(room(networks, inputs.shape[1])):
        found = counts(networks.forward, state, inputs)
        layers = found["patterns"].shape[1]
        if settings.layer > layers:
            raise OrreryError(
                f"feature-space: layer is {settings.layer}, and the network has {layers} hidden layers; write a "
                "smaller number"
            )
        found["loss"], found["accuracy"] = training(networks, state)
        parts.append({name: by_moment(values, finite) for name, values in found.items()})
        for side, moment in enumerate((0, len(networks.steps) - 1)):
            if chosen.start <= moment < chosen.stop and networks.inputs.shape[1] == 1:
                sides[side] = _active(networks, state, inputs, settings.layer, finite, moment - chosen.start)
    found = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    result = xr.Dataset(
        {
            **{name: (("seed", "moment", "layer")[: values.ndim], values) for name, values in found.items()},
            "moment_step": ("moment", networks.steps),
            "diverged": ("seed", ~np.isfinite(found["loss"]).all(axis=1)),
        },
        coords={"seed": list(networks.seeds)},
        attrs={
            "axes": dict(context.axes),
            "features": networks.inputs.shape[1],
            "inputs": inputs.shape[1],
            "interval": list(settings.grid.interval),
        },
    )
    if sides:
        shown = np.stack([sides[0], sides[1]], axis=1)
        result["active"] = (("seed", "side", "unit", "point"), shown)
    return result


def training(networks: Networks, state: State) -> tuple[Float[np.ndarray, " run"], Float[np.ndarray, " run"]]:
    """Loss and accuracy on all training samples; the accuracy of a regression is NaN.

    The loss is the mean over samples of what is summed over outputs, without factor, so that it does not depend on how
    a training method weighs its samples.
    """
    forward, targets = networks.forward, networks.targets
    with torch.no_grad():
        layer = forward.last_layer(state, networks.inputs[None])
        loss = forward.loss.summed(layer, targets.T) / len(targets)
        try:
            labels = labels_of(targets, "feature-space")
        except OrreryError:
            return loss.numpy(), np.full(len(loss), np.nan)
        return loss.numpy(), (decisions(forward, layer) == labels).double().mean(dim=1).numpy()


def by_moment(
    values: Float[np.ndarray, "run ..."], finite: Bool[np.ndarray, "seed moment"]
) -> Float[np.ndarray, "seed moment ..."]:
    """Values of the runs of a portion, seed by seed; NaN where the state was not finite."""
    split = values.reshape(*finite.shape, *values.shape[1:])
    return np.asarray(np.where(finite.reshape(*finite.shape, *(1,) * (split.ndim - 2)), split, np.nan))


def _active(
    networks: Networks,
    state: State,
    inputs: torch.Tensor,
    layer: int,
    finite: np.ndarray,
    moment: int,
) -> np.ndarray:
    """Where the units of a layer are active at one moment of a portion: (seed, unit, point), 0 or 1."""
    assert networks.forward.local_fields is not None
    with torch.no_grad():
        fields = networks.forward.local_fields(state, inputs)[layer - 1]
    active = (fields > 0).numpy().reshape(*finite.shape, *fields.shape[1:])
    return np.asarray(active[:, moment], dtype=np.uint8)
