"""Leading eigenvalues and trace of the Hessian at the recorded states of a condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from orrery.analyses.recorded_states import originals, read_by_gradients, states_of_originals, tensors_of
from orrery.config.errors import OrreryError
from orrery.numerics.extreme_eigenvalues import extreme_eigenvalues
from orrery.numerics.trace import estimate_trace, rademacher
from orrery.systems.hessian import check_gradient, hessian_products, moved
from orrery.systems.system import Runs, System

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.sharpness import Settings
    from orrery.systems.system import Batch, State
    from orrery.trajectory.trajectory import Trajectory

ROOM = 2**25
"""Numbers that the states looked at together may need, in all: bases of Lanczos, and activations of the network."""
EXPECTED_PRODUCTS = 60
KEPT_ACTIVATIONS = 8
"""Copies of the activations that a product with the Hessian holds: forward and backward, values and tangents."""

Found = dict[str, Float[np.ndarray, "row ..."]]


def curves_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Sharpness along the recorded steps; see :func:`orrery.analyses.sharpness.analyse`.

    Raises:
        OrreryError: as there.
    """
    assert context.system is not None
    system: System = context.system(dtype="float64")
    check(system, settings)
    needed = read_by_gradients(source, system.components, "sharpness", "the Hessian is that of all weights")
    runs, _ = originals(source)
    steps = np.asarray(source.steps)[:: settings.every]
    states = states_of_originals(source, needed)
    parts = []
    for first, last in portions(system, settings, len(steps), runs.count):
        # A portion of steps at a time: a trajectory may be larger than memory.
        chosen = slice(first * settings.every, (last - 1) * settings.every + 1, settings.every)
        values = states.isel(step=chosen).values.astype(np.float64)
        parts.append(look(system, tensors_of(values, needed), runs, steps[first:last], settings))
    found = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    edge = np.array([np.nan if system.edge is None else system.edge(int(step)) for step in steps])
    return arranged(found, edge, steps, runs.seeds).assign_attrs(
        recorded=str(source.dataset["state"].dtype),
        arithmetic="float64",
        batch=settings.batch,
        weights=sum(component.size for component in moved(system)),
    )


def check(system: System, settings: Settings, analysis: str = "sharpness") -> None:
    """Refuse what cannot be asked of a system.

    Raises:
        OrreryError: no gradient, no whole batch, more eigenvalues than weights, or than the products can give.
    """
    check_gradient(system, analysis)
    if settings.batch == "full" and system.whole is None:
        raise OrreryError(f"{analysis}: this system has no batch of all samples; write batch: step")
    weights = sum(component.size for component in moved(system))
    wanted = settings.eigenvalues + settings.lowest
    if wanted > weights:
        raise OrreryError(
            f"{analysis}: {wanted} eigenvalues were asked for, and the Hessian has {weights}; write at most {weights} "
            "in 'eigenvalues' and 'lowest' together"
        )
    if wanted > settings.products:
        raise OrreryError(
            f"{analysis}: {wanted} eigenvalues need as many products; write products: {5 * wanted}, or ask "
            "for fewer eigenvalues"
        )


def look(
    system: System,
    state: State,
    runs: Runs,
    steps: Sequence[int] | Float[np.ndarray, " moment"],
    settings: Settings,
    *,
    vectors: bool = False,
) -> dict[str, Float[np.ndarray, "seed moment ..."]]:
    """What is asked of the Hessian at several steps of several runs.

    Args:
        system: in float64.
        state: tensors ``(run, moment, *shape)``.
        runs: one per seed.
        steps: one per moment.
        settings: of the analysis.
        vectors: return the eigenvectors too, as ``vectors`` with the largest eigenvalues first.
    """
    if settings.batch == "full":
        assert system.whole is not None
        folded = {name: tensor.flatten(0, 1) for name, tensor in state.items()}
        seeds = [seed for seed in runs.seeds for _ in steps]
        found = _look_at(system, folded, system.whole(), 0, seeds, settings, vectors)
        return {
            name: values.reshape(runs.count, len(steps), *values.shape[1:]) for name, values in found.items()
        }
    parts = []
    for place, step in enumerate(steps):
        now = {name: tensor[:, place].contiguous() for name, tensor in state.items()}
        batch = system.batch(runs, int(step))
        parts.append(_look_at(system, now, batch, int(step), runs.seeds, settings, vectors))
    return {name: np.stack([part[name] for part in parts], axis=1) for name in parts[0]}


def _look_at(
    system: System,
    state: State,
    batch: Batch,
    t: int,
    seeds: Sequence[int],
    settings: Settings,
    vectors: bool,
) -> Found:
    """The same for states that share one step; one row per state."""
    weights = moved(system)
    size = sum(component.size for component in weights)
    finite = torch.stack(
        [torch.isfinite(state[component.name]).flatten(1).all(dim=1) for component in weights]
    ).all(dim=0)
    # What is not finite is computed at zero and thrown away: batches belong to all runs of a state.
    safe = {
        name: torch.where(finite.reshape(-1, *(1,) * (tensor.ndim - 1)), tensor, 0.0)
        for name, tensor in state.items()
    }

    def apply(vectors: torch.Tensor) -> torch.Tensor:
        return hessian_products(system, safe, batch, t, vectors)

    with torch.no_grad():
        extremes = extreme_eigenvalues(
            apply,
            len(seeds),
            size,
            largest=settings.eigenvalues,
            smallest=settings.lowest,
            tolerance=settings.tolerance,
            most=settings.products,
        )
        loss = system.advance(completed(safe, system), batch, t)[1].get("loss")
        found = {
            "sharpness": extremes.values[:, : settings.eigenvalues],
            "residual": extremes.residuals[:, : settings.eigenvalues],
            "converged": extremes.converged.double(),
            "loss": torch.full((len(seeds),), torch.nan) if loss is None else loss,
        }
        if settings.lowest:
            found["lowest"] = extremes.values[:, settings.eigenvalues :]
            found["lowest_residual"] = extremes.residuals[:, settings.eigenvalues :]
        if vectors:
            found["vectors"] = extremes.vectors
        if settings.probes:
            probes = rademacher(seeds, settings.probes, size)
            found["trace"], found["trace_error"] = estimate_trace(apply, probes)
    return {
        name: torch.where(finite.reshape(-1, *(1,) * (tensor.ndim - 1)), tensor, torch.nan).numpy()
        for name, tensor in found.items()
    }


def arranged(
    found: dict[str, Float[np.ndarray, "seed moment ..."]],
    edge: Float[np.ndarray, " moment"],
    steps: Float[np.ndarray, " moment"],
    seeds: Sequence[int],
) -> xr.Dataset:
    """Curves as a dataset, with the product ``product(seed, moment)`` and its crossing ``crossing(seed)``."""
    dims = {
        "sharpness": ("seed", "moment", "rank"),
        "residual": ("seed", "moment", "rank"),
        "lowest": ("seed", "moment", "low"),
        "lowest_residual": ("seed", "moment", "low"),
    }
    product = found["sharpness"][:, :, 0] / edge
    beyond = product >= 1
    first = np.where(beyond.any(axis=1), steps[beyond.argmax(axis=1)], np.nan)
    return xr.Dataset(
        {
            **{name: (dims.get(name, ("seed", "moment")), values) for name, values in found.items()},
            "edge": ("moment", edge),
            "product": (("seed", "moment"), product),
            "crossing": ("seed", first),
            "diverged": ("seed", ~np.isfinite(found["sharpness"][:, :, 0]).all(axis=1)),
            "moment_step": ("moment", np.asarray(steps, dtype=int)),
        },
        coords={"seed": list(seeds)},
    )


def completed(state: State, system: System) -> State:
    """The state with zeros for what an optimizer carries along: the loss does not depend on it."""
    like = next(iter(state.values()))
    rest = {
        component.name: like.new_zeros((len(like), *component.shape))
        for component in system.components
        if component.name not in state
    }
    return {**state, **rest}


def portions(system: System, settings: Settings, moments: int, runs: int) -> Iterator[tuple[int, int]]:
    """First and last place of the moments that are looked at together."""
    weights = moved(system)
    wide = max(settings.eigenvalues, settings.lowest, settings.probes)
    # The smallest eigenvalues lie in a cluster near zero, which may take all products that are allowed.
    products = settings.products if settings.lowest else EXPECTED_PRODUCTS
    bases = 2 * (products + wide) * sum(component.size for component in weights)
    batch = system.whole() if settings.batch == "full" and system.whole is not None else {}
    samples = max((tensor.shape[1] for tensor in batch.values() if tensor.ndim > 1), default=1)
    units = sum(component.shape[0] for component in weights if component.shape)
    activations = KEPT_ACTIVATIONS * samples * units * wide
    together = max(1, ROOM // ((bases + activations) * runs))
    for first in range(0, moments, together):
        yield first, min(first + together, moments)
