"""Where the analysis ``response`` probes, and where it reads the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float

from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    from orrery.analyses.response import Settings
    from orrery.systems.system import System


def places_of(system: System, settings: Settings) -> Float[torch.Tensor, "place feature"]:
    """The inputs at which responses are read.

    Raises:
        OrreryError: a grid for inputs of several features, or probes that do not fit the inputs and outputs.
    """
    assert system.whole is not None
    inputs, targets = (system.whole()[name][0] for name in ("inputs", "targets"))
    features, probe = inputs.shape[1], settings.probe
    if settings.grid != "samples" and features > 1:
        raise OrreryError(
            f"response: grid: inputs have {features} features, and a grid is of one; write grid: samples"
        )
    for place in probe.places:
        if probe.features_of(place) != features:
            raise OrreryError(
                f"response: probe.places: {place} has {probe.features_of(place)} features, and inputs have {features}; "
                "write one number for each"
            )
    if isinstance(probe.target, tuple) and len(probe.target) != targets.shape[1]:
        raise OrreryError(
            f"response: probe.target: {len(probe.target)} numbers were given, and there are {targets.shape[1]} "
            "outputs; write one for each"
        )
    if isinstance(probe.samples, tuple):
        beyond = [index for index in probe.samples if index >= len(inputs)]
        if beyond:
            raise OrreryError(
                f"response: probe.samples: there is no sample {beyond[0]}; those of the training set are 0 to "
                f"{len(inputs) - 1}"
            )
    if settings.grid == "samples":
        return inputs.double()
    low, high, count = settings.grid
    return torch.linspace(low, high, count, dtype=torch.float64)[:, None]


def at_states(
    system: System, settings: Settings, errors: Float[torch.Tensor, "state sample"]
) -> tuple[Float[torch.Tensor, "group probe feature"], Float[torch.Tensor, "group probe output"]]:
    """Inputs and targets of the probes: one group for all states, or one for each where probes follow the errors.

    Args:
        system: with all training samples.
        settings: of the analysis.
        errors: mean |y - f| of each training sample at each state.
    """
    assert system.whole is not None
    inputs, targets = (system.whole()[name] for name in ("inputs", "targets"))
    probe = settings.probe
    if probe.places:
        points = torch.tensor(probe.places, dtype=torch.float64).reshape(1, len(probe.places), -1)
        wanted = torch.tensor(probe.target, dtype=torch.float64).expand(targets.shape[2])
        return points, wanted.expand(1, len(probe.places), -1)
    if probe.samples == "worst":
        # A state that is not finite has no worst sample; whatever is probed there comes out as NaN.
        worst = torch.nan_to_num(errors, nan=0.0).argmax(dim=1)
        return inputs[0, worst][:, None], targets[0, worst][:, None]
    chosen = slice(None) if probe.samples == "all" else list(probe.samples)
    return inputs[:, chosen], targets[:, chosen]
