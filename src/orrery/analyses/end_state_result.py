"""Periods and multipliers of end states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr

from orrery.config.errors import OrreryError
from orrery.systems.system import Runs
from orrery.systems.tangents import check_differentiable, jacobian, packed

if TYPE_CHECKING:
    from orrery.analyses.api import Context, Replayed
    from orrery.analyses.end_state import Settings
    from orrery.trajectory.trajectory import Trajectory


def end_states(source: Trajectory | xr.Dataset, settings: Settings, context: Context) -> xr.Dataset:
    """Period and multipliers of the end state of the original of each seed.

    Returns:
        ``distance(seed, period)``: \\|w(t + p) - w(t)\\| over the full state, p = 1, 2 ...; ``found(seed)``: the least
        p for which it is below the tolerance, or 0; ``multiplier(seed, index)``: eigenvalues of J_p ... J_1, NaN
        without a period; ``expected(seed, index)``: (1/p) ln of their moduli, descending; ``one_step(seed, index)``:
        likewise from J_1 alone, which is right for a fixed point only; ``exponent(seed, index)``: those of the source,
        descending; ``difference(seed)`` and ``one_step_difference(seed)``: the largest over the exponents.

    Raises:
        OrreryError: another source, not all exponents, or a system without a derivative.
    """
    if not isinstance(source, xr.Dataset) or "exponent" not in source:
        raise OrreryError("end-state reads exponents; write 'of: <name of an analysis lyapunov>'")
    assert context.replay is not None
    seeds = source["seed"].values.tolist()
    by_seed: dict[int, tuple[np.ndarray, int, np.ndarray, np.ndarray]] = {}
    for orbit in context.replay():
        check_differentiable(orbit.system, "end-state")
        if source.sizes["index"] != orbit.system.size:
            raise OrreryError(
                f"end-state compares all exponents of a state, and the analysis that it reads has "
                f"{source.sizes['index']} of {orbit.system.size}; write 'exponents: all' there"
            )
        by_seed.update(_of_orbit(orbit, seeds, settings))
    distance, found, multiplier, single = (
        np.array(one) for one in zip(*map(by_seed.get, seeds), strict=True)
    )
    with np.errstate(divide="ignore"):
        expected = _descending(np.log(np.abs(multiplier)) / np.maximum(found, 1)[:, None])
        one_step = _descending(np.log(np.abs(single)))
    exponent = _descending(source["exponent"].transpose("seed", "index").values)
    return xr.Dataset(
        {
            "distance": (("seed", "period"), distance),
            "found": (("seed",), found),
            "multiplier": (("seed", "index"), multiplier),
            "expected": (("seed", "index"), expected),
            "one_step": (("seed", "index"), one_step),
            "exponent": (("seed", "index"), exponent),
            "difference": (("seed",), _largest_difference(exponent, expected)),
            "one_step_difference": (("seed",), _largest_difference(exponent, one_step)),
        },
        coords={"seed": seeds, "period": 1 + np.arange(settings.periods)},
        attrs={"at": settings.at, "tolerance": settings.tolerance},
    )


def _of_orbit(
    orbit: Replayed, seeds: list[int], settings: Settings
) -> dict[int, tuple[np.ndarray, int, np.ndarray, np.ndarray]]:
    """Distances, period, multipliers and eigenvalues of one J, of the originals that are wanted."""
    pairs = zip(orbit.runs.seeds, orbit.runs.copies, strict=True)
    rows = [row for row, (seed, copy) in enumerate(pairs) if copy == 0 and seed in seeds]
    if not rows:
        return {}
    chosen = Runs(tuple(orbit.runs.seeds[row] for row in rows), (0,) * len(rows))
    last = settings.at + settings.periods
    states, maps = [], []
    with torch.no_grad():
        for t, state in orbit.states(settings.at, last):
            own = {name: tensor[rows] for name, tensor in state.items()}
            states.append(packed(own, orbit.system.components).double().numpy())
            if t < last:
                batch = orbit.system.batch(chosen, t)
                maps.append(jacobian(orbit.system, own, batch, t).double().numpy())
    distance = np.stack([np.linalg.norm(one - states[0], axis=1) for one in states[1:]], axis=1)
    found = {}
    for row, seed in enumerate(chosen.seeds):
        below = np.flatnonzero(distance[row] < settings.tolerance)
        period = int(below[0]) + 1 if below.size else 0
        product = np.eye(orbit.system.size)
        for one in maps[:period]:
            product = one[row] @ product
        finite = np.isfinite(product).all()
        multipliers = np.linalg.eigvals(product) if period and finite else np.full(len(product), np.nan)
        single = np.linalg.eigvals(maps[0][row]) if np.isfinite(maps[0][row]).all() else multipliers * np.nan
        found[seed] = (distance[row], period, multipliers.astype(complex), single.astype(complex))
    return found


def _descending(values: np.ndarray) -> np.ndarray:
    return -np.sort(-values, axis=1)


def _largest_difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Over the last axis; minus infinity equals itself."""
    with np.errstate(invalid="ignore"):
        return np.where(one == other, 0.0, np.abs(one - other)).max(axis=1)
