"""The Hessian at the moments of local exponents, on a replay of the runs."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from orrery.analyses import sharpness
from orrery.analyses.edge_exponents_stretches import growth_over_stretches
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

STRETCHES = ("finite_time", "sharpest_stretch", "lowest_stretch")
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
    moments = [int(step) for step in steps]
    parts: list[Curves] = []
    held: dict[int, State] = {}
    portion = portions(system, asked, len(moments), followed.runs.count)
    first, last = next(portion)
    for step, state in followed.states(moments[0], moments[-1]):
        if step - moments[bisect_right(moments, step) - 1] <= settings.follow:
            held[step] = state
        # Growth over the stretch that begins at the last moment of a portion needs the states until the next one. The
        # step that ends a portion may be the last moment, which then is a portion by itself.
        while first < len(moments) and step >= moments[min(last, len(moments) - 1)]:
            parts.append(
                _looked_at(followed, held, moments[first : last + 1], last - first, settings.follow, asked)
            )
            held = {kept: held[kept] for kept in held if kept >= moments[min(last, len(moments) - 1)]}
            first, last = next(portion, (len(moments), len(moments)))
    found = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    # They belong to the moment at which the stretch ends; there is none that ends at the first.
    for name in STRETCHES:
        values = found[name][:, : len(moments) - 1]
        found[name] = np.concatenate([np.full((len(values), 1), np.nan), values], axis=1)
    return found


def _looked_at(
    followed: Followed,
    held: dict[int, State],
    moments: list[int],
    count: int,
    follow: int,
    asked: sharpness.Settings,
) -> Curves:
    """Eigenvalues at ``count`` moments, growth of their vectors in the step and over the stretch that start there.

    ``moments`` has the end of the last stretch too, unless the runs end there.
    """
    system = followed.system
    read = [
        component
        for component in system.components
        if component in moved(system) or component.role == "statistic"
    ]
    looked = moments[:count]
    stacked = {
        component.name: torch.stack([held[step][component.name] for step in looked], dim=1)
        for component in read
    }
    found = look(system, stacked, followed.runs, looked, asked, vectors=True)
    inside = places(system.components, [component.role for component in moved(system)])
    eigenvectors = found.pop("vectors")
    vectors = torch.zeros((*eigenvectors.shape[:3], system.size), dtype=torch.float64)
    vectors[..., inside] = torch.from_numpy(eigenvectors)
    growth = np.stack(
        [_growth(followed, held[step], step, vectors[:, place]) for place, step in enumerate(looked)], axis=1
    )
    found |= {"sharpest_growth": growth[:, :, 0], "lowest_growth": growth[:, :, 1]}
    if len(moments) == 1:
        return found | {name: np.empty((len(growth), 0)) for name in STRETCHES}
    stretches = growth_over_stretches(
        system, followed.runs, held, moments, follow, vectors[:, : len(moments) - 1]
    )
    return found | stretches


def _growth(
    followed: Followed, state: State, step: int, vectors: Float[torch.Tensor, "run rank component"]
) -> Float[torch.Tensor, "run rank"]:
    """ln of the length, in the weights, of vectors of norm 1 after one step."""
    system: System = followed.system
    inside = places(system.components, [component.role for component in moved(system)])
    pushed = push(system, state, system.batch(followed.runs, step), step, vectors)
    return pushed[:, :, inside].norm(dim=2).log().numpy()
