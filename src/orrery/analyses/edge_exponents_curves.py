"""The Hessian at the moments of local exponents, on a replay of the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from orrery.analyses import sharpness
from orrery.analyses.lyapunov_tangents import Followed
from orrery.analyses.sharpness_curves import arranged, check, look, portions
from orrery.config.errors import OrreryError
from orrery.systems.hessian import moved
from orrery.systems.system import System
from orrery.systems.tangents import places, push

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.edge_exponents import Settings
    from orrery.systems.system import State

Curves = dict[str, Float[np.ndarray, "seed moment ..."]]


def beside(source: xr.Dataset, settings: Settings, context: Context) -> xr.Dataset:
    """Curves of all seeds; see :func:`orrery.analyses.edge_exponents.analyse`.

    Raises:
        OrreryError: as there.
    """
    if "local" not in source:
        raise OrreryError(
            "edge-exponents: what is read has no local exponents; name an analysis of the method 'lyapunov' in 'of'"
        )
    assert context.replay is not None
    steps = source["moment_step"].values.astype(int)
    wanted = source["seed"].values.tolist()
    found: dict[int, dict[str, np.ndarray]] = {}
    edge = np.full(len(steps), np.nan)
    for orbit in context.replay():
        pairs = list(zip(orbit.runs.seeds, orbit.runs.copies, strict=True))
        rows = tuple(
            row for row, (seed, copy) in enumerate(pairs) if copy == settings.copy_ and seed in wanted
        )
        if not rows:
            continue
        followed = Followed(orbit, rows)
        if followed.system.edge is not None:
            edge = np.array([followed.system.edge(int(step)) for step in steps])
        curves = _of_tile(followed, steps, settings)
        for place, seed in enumerate(followed.runs.seeds):
            found[seed] = {name: values[place] for name, values in curves.items()}
    missing = [seed for seed in wanted if seed not in found]
    if missing:
        raise OrreryError(
            f"edge-exponents: seed {missing[0]} has no copy {settings.copy_}; write the copy of the exponents in 'copy'"
        )
    stacked = {name: np.stack([found[seed][name] for seed in wanted]) for name in found[wanted[0]]}
    local = {"local": (("seed", "moment"), source["local"].isel(index=0).values)}
    result = arranged(stacked, edge, steps, wanted)
    # One eigenvalue at either end: their dimensions say nothing.
    single = ("sharpness", "residual", "lowest", "lowest_residual")
    return result.assign(local | {name: result[name][:, :, 0] for name in single}).assign_attrs(
        batch=settings.batch
    )


def _of_tile(followed: Followed, steps: Float[np.ndarray, " moment"], settings: Settings) -> Curves:
    system = followed.system
    asked = sharpness.Settings(
        batch=settings.batch, lowest=1, tolerance=settings.tolerance, products=settings.products
    )
    check(system, asked, "edge-exponents")
    states: list[State] = []
    waiting = set(steps.tolist())
    parts: list[Curves] = []
    ends = {last for _, last in portions(system, asked, len(steps), followed.runs.count)}
    for step, state in followed.states(int(steps[0]), int(steps[-1])):
        if step not in waiting:
            continue
        states.append(state)
        taken = sum(len(part["sharpness"][0]) for part in parts) + len(states)
        if taken in ends:
            parts.append(_looked_at(followed, states, steps[taken - len(states) : taken], asked))
            states = []
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}


def _looked_at(
    followed: Followed, states: list[State], steps: Float[np.ndarray, " moment"], asked: sharpness.Settings
) -> Curves:
    """Eigenvalues at some moments, and the growth of their vectors in the step that starts there."""
    system = followed.system
    read = [
        component
        for component in system.components
        if component in moved(system) or component.role == "statistic"
    ]
    stacked = {
        component.name: torch.stack([state[component.name] for state in states], dim=1) for component in read
    }
    found = look(system, stacked, followed.runs, steps, asked, vectors=True)
    vectors = found.pop("vectors")
    growth = np.stack(
        [
            _growth(followed, state, int(step), vectors[:, place])
            for place, (state, step) in enumerate(zip(states, steps, strict=True))
        ],
        axis=1,
    )
    return {**found, "sharpest_growth": growth[:, :, 0], "lowest_growth": growth[:, :, 1]}


def _growth(
    followed: Followed, state: State, step: int, vectors: Float[np.ndarray, "run rank weight"]
) -> Float[np.ndarray, "run rank"]:
    """ln |J v| for vectors of norm 1 in the weights."""
    system: System = followed.system
    inside = places(system.components, [component.role for component in moved(system)])
    full = torch.zeros((*vectors.shape[:2], system.size), dtype=torch.float64)
    full[:, :, inside] = torch.from_numpy(vectors)
    pushed = push(system, state, system.batch(followed.runs, step), step, full)
    return pushed[:, :, inside].norm(dim=2).log().numpy()
