"""The state of all runs at a step with what became of each run: how checkpoints are written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.config.errors import OrreryError
from orrery.trajectory.checkpoint import read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from jaxtyping import Int

    from orrery.systems.system import State
    from orrery.trajectory.place import Place

# Beside the state a checkpoint holds what became of each run; the names cannot be those of tensors.
STATUS, LAST_STEP = "run:status", "run:last_step"
# At the end of a segment; and where the runs of a branch begin, which no function of their settings gives.
END, START = "checkpoint.zarr", "start.zarr"


def write_state(
    path: Path,
    step: int,
    state: State,
    status: Int[np.ndarray, " run"],
    last_step: Int[np.ndarray, " run"],
) -> None:
    """Write a checkpoint: the state after ``step``, status (0 or 1) and last finite step of each run."""
    outcome = {STATUS: torch.from_numpy(status), LAST_STEP: torch.from_numpy(last_step)}
    write_checkpoint(path, step, {**state, **outcome})


def read_state(
    path: Place, step: int | None, device: torch.device
) -> tuple[State, Int[np.ndarray, " run"], Int[np.ndarray, " run"]]:
    """Read a checkpoint onto a device.

    Args:
        path: the checkpoint.
        step: the step that it must be of, if given.
        device: where the state goes.

    Returns:
        State, status (0 or 1) and last finite step of each run.

    Raises:
        OrreryError: where it is of another step, or cannot be read.
    """
    found, state = read_checkpoint(path)
    if step is not None and found != step:
        raise OrreryError(
            f"{path}: this checkpoint is of step {found}, not {step}; train the segment before again"
        )
    status = state.pop(STATUS).numpy().astype(np.int64)
    last_step = state.pop(LAST_STEP).numpy().astype(np.int64)
    # A copy into memory of torch: its kernels may give other bits where an array is aligned otherwise.
    return {name: tensor.clone().to(device) for name, tensor in state.items()}, status, last_step


def step_of(path: Place) -> int | None:
    """The step of a checkpoint; ``None`` where there is none."""
    about = path / "zarr.json"
    return int(json.loads(about.read_text())["attributes"]["step"]) if about.is_file() else None
