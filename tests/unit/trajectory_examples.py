"""Small trajectories with known contents, for the tests of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from orrery.trajectory.writer import Writer


@dataclass(frozen=True)
class Part:
    """A tensor of the state."""

    name: str
    shape: tuple[int, ...]
    role: str = "weight"
    dims: tuple[str, ...] = ()


PARTS = (Part("fc1.weight", (4, 3), dims=("output", "input")), Part("fc1.bias", (4,), "bias"))


def values(part: Part, runs: Sequence[int], step: int) -> np.ndarray:
    """What ``part`` holds at ``step`` of each run: other numbers everywhere."""
    rows = [np.random.default_rng([run, step, len(part.name)]).normal(size=part.shape) for run in runs]
    return np.stack(rows).astype("float32")


def state(runs: Sequence[int], step: int, parts: Sequence[Part] = PARTS) -> dict[str, torch.Tensor]:
    """The state of all runs at ``step``."""
    return {part.name: torch.from_numpy(values(part, runs, step)) for part in parts}


def write(
    path: Path,
    *,
    steps: Sequence[int] = range(11),
    runs: Sequence[int] = (0, 1),
    seeds: Sequence[int] = (5, 7),
    copies: Sequence[int] = (0, 0),
    parts: Sequence[Part] = PARTS,
    **settings: Any,
) -> Path:
    """Write a store of ``state`` with a loss, an accuracy and the observable ``logits``."""
    taken = list(steps)
    writer = Writer(
        path,
        components=parts,
        steps=taken,
        seeds=seeds,
        copies=copies,
        first_run=runs[0],
        metrics={"loss": taken[:-1]},
        evaluations={"accuracy": taken[::5]},
        observables={"logits": ((2, 2), "float32")},
        attributes={"settings": {"rate": 0.1, "batch": 3}},
        **settings,
    )
    for step in taken:
        writer.record(step, state(runs, step, parts))
        writer.record_observable("logits", step, values(Part("logits", (2, 2)), runs, step))
        if step != taken[-1]:
            writer.record_metric("loss", step, loss(runs, step))
        if step in taken[::5]:
            writer.record_metric("accuracy", step, loss(runs, step) / 100)
    writer.close()
    return path


def loss(runs: Sequence[int], step: int) -> torch.Tensor:
    """The loss of each run."""
    return torch.tensor([100.0 * run + step for run in runs])


def chunk_files(path: Path) -> list[Path]:
    """All chunk files of a store."""
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != "zarr.json")
