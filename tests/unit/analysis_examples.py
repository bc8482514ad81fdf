"""Ensembles with known contents, for the tests of analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from orrery.trajectory.trajectory import Trajectory
from orrery.trajectory.writer import Writer


@dataclass(frozen=True)
class Part:
    name: str
    shape: tuple[int, ...]
    role: str = "variable"
    dims: tuple[str, ...] = ()


def ensemble(
    seeds: int = 3, copies: int = 4, steps: int = 40, components: int = 6, key: int = 0
) -> np.ndarray:
    """Random walks far from the origin, the copies of a seed close to each other."""
    generator = np.random.default_rng(key)
    base = 2 + 0.1 * np.cumsum(generator.standard_normal((seeds, 1, steps, components)), axis=2)
    return base + 0.01 * np.cumsum(generator.standard_normal((seeds, copies, steps, components)), axis=2)


def trajectory(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    *,
    metrics: Mapping[str, np.ndarray] | None = None,
    seeds: Sequence[int] | None = None,
    diverged: Sequence[int] = (),
) -> Trajectory:
    """A trajectory with tensors (seed, copy, step, component) in float64 and metrics (run, step)."""
    count, copies, steps, _ = next(iter(tensors.values())).shape
    names = list(seeds or range(count))
    writer = Writer(
        path,
        components=[Part(name, (values.shape[-1],)) for name, values in tensors.items()],
        steps=range(steps),
        seeds=np.repeat(names, copies).tolist(),
        copies=np.tile(np.arange(copies), count).tolist(),
        dtype="float64",
        metrics={name: range(values.shape[1]) for name, values in (metrics or {}).items()},
    )
    for step in range(steps):
        writer.record(
            step,
            {
                name: torch.from_numpy(values[:, :, step].reshape(count * copies, -1).copy())
                for name, values in tensors.items()
            },
        )
        for name, values in (metrics or {}).items():
            if step < values.shape[1]:
                writer.record_metric(name, step, torch.from_numpy(values[:, step].copy()))
    status = np.isin(np.arange(count * copies), list(diverged)).astype(int)
    writer.close(status=status, last_step=np.full(count * copies, steps - 1))
    return Trajectory.open(path)


def reduction(states: np.ndarray, seeds: Sequence[int] | None = None) -> xr.Dataset:
    """What the reduction of an ensemble looks like, states kept."""
    count, copies, steps, _ = states.shape
    return xr.Dataset(
        {"state": (("seed", "copy", "step", "component"), states)},
        coords={"seed": list(seeds or range(count)), "copy": np.arange(copies), "step": np.arange(steps)},
        attrs={"kind": "states", "tensors": []},
    )
