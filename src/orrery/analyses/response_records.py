"""Responses, kernels and errors at the recorded states of a condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Int

from orrery.analyses.recorded_states import read_by_gradients, states_of_originals, tensors_of
from orrery.analyses.response_look import Found, from_first_order, look
from orrery.analyses.response_probes import places_of
from orrery.config.errors import OrreryError
from orrery.numerics import response_profiles as profiles
from orrery.numerics.ageing import log_spaced, window
from orrery.systems.hessian import moved
from orrery.systems.probing import network_of

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.response import Settings
    from orrery.systems.system import Component, State, System
    from orrery.trajectory.trajectory import Trajectory

ROOM = 2**22
"""Numbers in the largest array of the steps that are looked at together."""
NORMALISATIONS = ("raw", "out", "pre")
KERNELS = ("K_f", "K_u")


def records_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """All that is found at the recorded states; see :func:`orrery.analyses.response.analyse`.

    Raises:
        OrreryError: as there.
    """
    assert context.system is not None
    system: System = context.system(dtype="float64")
    forward = network_of(system, "response")
    places = places_of(system, settings)
    recorded = np.asarray(source.steps)
    chosen = log_spaced(recorded, settings.moments)
    steps = recorded[chosen]
    check_decades(steps, settings)
    runs = len(source.seeds)
    parts: list[Found] = []
    first: Found = {}
    with torch.no_grad():
        for state in _states(source, system, chosen, settings, places):
            parts.append(look(system, state, settings, places))
            if not first and settings.identity:
                start = {
                    name: tensor.reshape(runs, -1, *tensor.shape[1:])[:, 0] for name, tensor in state.items()
                }
                first = {"identity": from_first_order(system, start, settings, places)}
    found = {
        name: np.concatenate([part[name].reshape(runs, -1, *part[name].shape[1:]) for part in parts], axis=1)
        for name in parts[0]
    }
    described = source.attributes.get("condition", {}).get("system", {})
    whole = system.whole() if system.whole is not None else {}
    samples, outputs = whole["targets"].shape[1:]
    weight = forward.loss.weight(samples, outputs)
    return _arranged(found | first, steps, places.numpy(), source.seeds, settings).assign_attrs(
        normalisations=list(NORMALISATIONS),
        kernels=list(KERNELS),
        loss=forward.loss.kind,
        link=forward.loss.link,
        activation=forward.activation,
        outputs=int(outputs),
        samples=int(samples),
        # The rate of a plain loss |y - f|^2 summed over samples.
        rate=float(described.get("optimizer", {}).get("rate", np.nan)) * weight,
        recorded=str(source.dataset["state"].dtype),
        arithmetic="float64",
    )


def check_decades(steps: Int[np.ndarray, " moment"], settings: Settings) -> None:
    """Refuse records that do not span the decades over which exponents are asked for.

    Raises:
        OrreryError: they do not, or hold fewer than three steps of them.
    """
    if settings.decades is None:
        return
    places = window(steps.astype(float), settings.decades)
    if not places.size:
        positive = steps[steps > 0]
        span = f"from {positive[0]} to {positive[-1]}" if positive.size else "of the start only"
        raise OrreryError(
            f"response: decades: exponents over {settings.decades:g} decades were asked for, and recorded steps are "
            f"{span}; record longer (record.steps: {{logarithmic: 10}}), write fewer decades, or null for none"
        )
    if places.size < 3:
        raise OrreryError(
            f"response: decades: {places.size} recorded steps lie in the last {settings.decades:g} decades, and a "
            "slope needs three; record more of them, or write a larger 'moments'"
        )


def _states(
    source: Trajectory,
    system: System,
    chosen: Int[np.ndarray, " moment"],
    settings: Settings,
    places: torch.Tensor,
) -> Iterator[State]:
    """The states of the originals, a portion of the steps at a time, the steps of a run side by side as runs."""
    wanted = read_by_gradients(source, system.components, "response", "a probe step moves all weights")
    array = states_of_originals(source, wanted)
    for first, last in _portions(system, len(chosen), array.sizes["run"], settings, places):
        values = array.isel(step=chosen[first:last]).values.astype(np.float64)
        tensors = tensors_of(values, wanted)
        yield {name: tensor.flatten(0, 1) for name, tensor in tensors.items()}


def _portions(
    system: System, moments: int, runs: int, settings: Settings, places: torch.Tensor
) -> Iterator[tuple[int, int]]:
    weights: tuple[Component, ...] = moved(system)
    widest = max((component.shape[0] for component in weights if component.shape), default=1)
    assert system.whole is not None
    samples = system.whole()["inputs"].shape[1]
    probes = len(settings.probe.places) or (
        samples if settings.probe.samples == "all" else max(1, len(settings.probe.samples))
    )
    probes = 1 if settings.probe.samples == "worst" else probes
    size = max(widest * (len(places) * probes + samples), sum(c.size for c in weights) * probes)
    together = max(1, ROOM // (size * runs))
    for first in range(0, moments, together):
        yield first, min(first + together, moments)


def _arranged(
    found: dict[str, np.ndarray],
    steps: np.ndarray,
    places: np.ndarray,
    seeds: list[int],
    settings: Settings,
) -> xr.Dataset:
    """The records as a dataset, with what follows from them."""
    dims = {
        "response": ("seed", "moment", "probe", "norm", "place"),
        "own": ("seed", "moment", "probe", "norm"),
        "tangent": ("seed", "moment", "probe", "kernel", "place"),
        "own_tangent": ("seed", "moment", "probe", "kernel"),
        "mean_error": ("seed", "moment"),
        "mismatch": ("seed", "moment"),
        "identity": ("seed", "probe", "rate"),
    }
    every = ("seed", "moment", "probe")
    variables: dict[str, tuple[str | tuple[str, ...], np.ndarray]] = {
        name: (dims.get(name, every), values) for name, values in found.items()
    }
    response, own, x0 = found["response"], found["own"], found["probe_place"]
    at = places[:, 0] if places.shape[1] == 1 else np.full(len(places), np.nan)
    widths = np.full(own.shape, np.nan)
    if places.shape[1] == 1:
        order = np.argsort(at, kind="stable")
        centre = np.broadcast_to(x0[..., None], own.shape)
        widths = profiles.half_width(at[order], response[..., order], own, np.ascontiguousarray(centre))
    errors = found["mean_error"]
    stages = profiles.stage_of(errors)
    variables |= {
        "half_width": ((*every, "norm"), widths),
        "peak": ((*every, "kernel"), profiles.peak_over_mean(found["tangent"], found["own_tangent"])),
        "violation": (("seed", "probe", "norm", "rows", "span"), _violations(response, stages)),
        "boundary": (("seed", "stage"), profiles.boundaries(steps, errors)),
        "diverged": ("seed", ~np.isfinite(errors).all(axis=1)),
        "place_at": ("place", at),
        "moment_step": ("moment", steps.astype(int)),
        "identity_rate": ("rate", np.asarray(settings.identity, dtype=float)),
    }
    return xr.Dataset(variables, coords={"seed": list(seeds)})


def _violations(response: np.ndarray, stages: np.ndarray) -> np.ndarray:
    """Rank-one violations of each probe and normalisation: rows raw or of length one, all steps or the late stage."""
    matrices = response.transpose(0, 2, 3, 1, 4)  # (seed, probe, norm, moment, place)
    found = np.full((*matrices.shape[:3], 2, 2), np.nan)
    for seed, of_seed in enumerate(matrices):
        late = stages[seed] == 2
        for rows, unit_rows in enumerate((False, True)):
            found[seed, ..., rows, 0] = profiles.rank_one_violation(of_seed, unit_rows=unit_rows)
            # Two rows can be told from a product, one cannot; three are asked for.
            if late.sum() >= 3:
                found[seed, ..., rows, 1] = profiles.rank_one_violation(
                    np.ascontiguousarray(of_seed[..., late, :]), unit_rows=unit_rows
                )
    return found
