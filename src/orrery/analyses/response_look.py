"""What the analysis ``response`` finds at some states: responses, the kernels beside them, and the first order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from orrery.analyses.response_probes import at_states
from orrery.numerics import response_profiles as profiles
from orrery.systems import links
from orrery.systems.probing import Responses, network_of, responses
from orrery.systems.tangent_kernels import applied, by_jacobians, closed_form, has_closed_form

if TYPE_CHECKING:
    from orrery.analyses.response import Settings
    from orrery.systems.system import State, System

Found = dict[str, Float[np.ndarray, "state ..."]]


def look(
    system: System, state: State, settings: Settings, places: Float[torch.Tensor, "place feature"]
) -> Found:
    """What is found at some states, one row per state.

    Args:
        system: a network in float64.
        state: tensors ``(state, *shape)``.
        settings: of the analysis.
        places: where responses are read.
    """
    distances = _distances(system, state)
    inputs, targets = at_states(system, settings, distances.mean(dim=1))
    probe = settings.probe
    found = responses(system, state, inputs, targets, places, probe.rate, shift_below=probe.shift_below)
    result = {
        "response": torch.stack([found.raw, found.out, found.pre], dim=2),
        "own": torch.stack([found.own_raw, found.own_out, found.own_pre], dim=2),
        "shifted": found.shifted,
        "mean_error": distances.mean(dim=(1, 2)),
        "probe_place": inputs[:, :, 0].expand(len(distances), -1)
        if inputs.shape[2] == 1
        else torch.full(found.shifted.shape, torch.nan, dtype=torch.float64),
        **_kernels(system, state, inputs, targets, places, found, settings),
    }
    return {name: tensor.contiguous().numpy() for name, tensor in result.items()}


def _kernels(
    system: System,
    state: State,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    places: torch.Tensor,
    found: Responses,
    settings: Settings,
) -> dict[str, torch.Tensor]:
    """Tangent kernels beside the responses, along the directions in which the outputs at x0 are pushed."""
    loss = network_of(system, "response").loss
    count, probes, outputs = found.layer.shape
    rows = torch.arange(count).repeat_interleave(probes)
    pairs = {name: tensor[rows] for name, tensor in state.items()}
    x0 = inputs.expand(count, -1, -1).reshape(count * probes, 1, -1)
    own = found.layer.reshape(count * probes, outputs, 1)
    wanted = targets.expand(count, -1, -1).reshape(count * probes, outputs, 1)
    tangent, own_tangent, along = [], [], []
    for link, slope in (
        (True, links.slope_of_output(loss, own, wanted)),
        (False, links.slope_of_layer(loss, own, wanted)),
    ):
        along.append(_direction(slope[:, :, 0]))
        d = along[-1][:, :, None]
        tangent.append((applied(system, pairs, places[None], x0, along[-1], link=link) * d).sum(dim=1))
        own_tangent.append((applied(system, pairs, x0, x0, along[-1], link=link) * d).sum(dim=(1, 2)))
    closed = has_closed_form(system, state)
    mismatch = torch.full((count,), torch.nan, dtype=torch.float64)
    d = along[1]
    if closed:
        block = closed_form(system, pairs, places[None], x0)[:, :, :, 0, :]
        formed = torch.einsum("rk,rskl,rl->rs", d, block, d)
        relative = (formed - tangent[1]).abs().amax(dim=1) / tangent[1].abs().amax(dim=1)
        mismatch = relative.reshape(count, probes).amax(dim=1)
    factor = links.slope(loss, own) if outputs == 1 else None
    small = torch.full((count, probes), torch.nan, dtype=torch.float64)
    if settings.distances and x0.shape[2] == 1:
        steps = torch.tensor([0.0, *settings.distances], dtype=torch.float64)
        near = x0 + steps[None, :, None]
        gram = (closed_form if closed else by_jacobians)(system, pairs, near)
        values = torch.einsum("rk,rskol,rl->rso", d, gram, d).numpy()
        exponents = profiles.small_distance_exponent(
            np.asarray(settings.distances),
            values[:, 0, 1:],
            np.ascontiguousarray(np.diagonal(values, axis1=1, axis2=2)[:, 1:]),
            values[:, 0, 0],
        )
        small = torch.from_numpy(exponents).reshape(count, probes)
    return {
        "tangent": torch.stack(tangent, dim=1).reshape(count, probes, 2, -1),
        "own_tangent": torch.stack(own_tangent, dim=1).reshape(count, probes, 2),
        "factor": torch.full_like(small, torch.nan) if factor is None else factor.reshape(count, probes),
        "probe_error": links.distance(loss, own, wanted).abs().mean(dim=(1, 2)).reshape(count, probes),
        "mismatch": mismatch,
        "small_distance": small,
    }


def _direction(slope: torch.Tensor) -> torch.Tensor:
    """The direction against a slope, of length one; all outputs alike where there is no slope."""
    if slope.shape[1] == 1:
        return torch.ones_like(slope)
    length = slope.norm(dim=1, keepdim=True)
    return torch.where(length > 0, -slope / length, slope.shape[1] ** -0.5)


def from_first_order(
    system: System, state: State, settings: Settings, places: Float[torch.Tensor, "place feature"]
) -> Float[np.ndarray, "state probe rate"]:
    """Distance over the places of the response from rate x kernel x slope of the loss, relative, for each of the rates.

    Args:
        system, state, settings, places: as in :func:`look`.
    """
    distances = _distances(system, state)
    inputs, targets = at_states(system, settings, distances.mean(dim=1))
    errors: list[torch.Tensor] = []
    loss = network_of(system, "response").loss
    for rate in settings.identity:
        found = responses(system, state, inputs, targets, places, rate)
        if not errors:
            kernel = _kernels(system, state, inputs, targets, places, found, settings)["tangent"][:, :, 0]
            own = found.layer.flatten(0, 1)[:, :, None]
            wanted = targets.expand(len(found.layer), -1, -1).flatten(0, 1)[:, :, None]
            slope = links.slope_of_output(loss, own, wanted)[:, :, 0]
            push = -slope[:, 0] if slope.shape[1] == 1 else slope.norm(dim=1)
            first_order = kernel * push.reshape(found.raw.shape[:2])[:, :, None]
        errors.append((found.raw - rate * first_order).norm(dim=2) / (rate * first_order).norm(dim=2))
    return torch.stack(errors, dim=2).numpy()


def _distances(system: System, state: State) -> torch.Tensor:
    """|y - f| of every output at every training sample."""
    assert system.whole is not None
    forward, whole = network_of(system, "response"), system.whole()
    layer = forward.last_layer(state, whole["inputs"])
    return links.distance(forward.loss, layer, whole["targets"].transpose(1, 2)).abs()
