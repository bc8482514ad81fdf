"""Train one block of seeds with a block of their copies, in one batched state, through one segment of steps."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems.system import Runs, System
from orrery.training.build import build_system
from orrery.training.copies import perturb_copies
from orrery.training.device import captures_of, choose_device, describe_device, lane_from, make_repeatable
from orrery.training.progress import Progress
from orrery.training.projection import projection_of
from orrery.training.recording import Recorder, blank_runs, plan_recording
from orrery.training.stepper import Stepper, choose_stepper
from orrery.trajectory.checkpoint import read_checkpoint, write_checkpoint
from orrery.trajectory.writer import Writer

if TYPE_CHECKING:
    from jaxtyping import Int

    from orrery.systems.system import State
    from orrery.trajectory.place import Place

# Beside the state a checkpoint holds what became of each run; the names cannot be those of tensors.
STATUS, LAST_STEP = "run:status", "run:last_step"


def train_block(
    condition: Mapping[str, Any],
    dataset: Path | None,
    seeds: Sequence[int],
    copies: Sequence[int],
    first_run: int,
    first: int,
    last: int,
    previous: Place | None,
    out: Path,
    device: str,
    progress: Progress,
) -> None:
    """Train the given copies of the given seeds from step ``first`` to step ``last``.

    Writes ``out/data.zarr`` (the trajectory: step 0 and the recorded steps after ``first``), ``out/checkpoint.zarr``
    (the full state after ``last``) and ``out/provenance.json`` (the device really used, host, times). A segment that
    starts from a checkpoint gives the bits of one that was trained in one go.

    Args:
        condition: ``system``, ``training``, ``streams``, ``copies`` (how they are perturbed), ``record`` as plain JSON,
            validated.
        dataset: store of the dataset, or ``None``.
        seeds: of this block.
        copies: numbers of the copies of this block; 0 is the original.
        first_run: index of its first run among those of the condition.
        first, last: steps at which the segment starts and ends.
        previous: output folder of the segment before; ``None`` if ``first`` is 0.
        out: a fresh folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        progress: told at every step.

    Raises:
        OrreryError: settings that do not fit together, CUDA asked for where there is none, or a checkpoint of another
            step.
    """
    began = datetime.now(UTC)
    make_repeatable()
    place = choose_device(device, progress)
    system = build_system(condition, dataset, place)
    runs = Runs.product(seeds, copies)
    streams = Streams(condition.get("streams"))
    perturbation = condition.get("copies") or {}
    state, status, last_step = _start(system, runs, perturbation, streams, first, previous, place)

    recording = plan_recording(
        system,
        condition.get("record") or {},
        first,
        last,
        lambda dimension: projection_of(system.components, dimension, streams, place),
    )
    dtype = next(iter(state.values())).dtype
    name = str(dtype).removeprefix("torch.")
    out.mkdir(parents=True, exist_ok=True)
    writer = Writer(
        out / "data.zarr",
        components=recording.components,
        steps=recording.steps,
        seeds=list(runs.seeds),
        copies=list(runs.copies),
        first_run=first_run,
        dtype=name,
        metrics={metric: list(range(first, last)) for metric in recording.byproducts},
        evaluations=dict.fromkeys(recording.evaluations, recording.evaluated),
        observables={observable: (shape, name) for observable, (shape, _) in recording.observables.items()},
        attributes={"condition": dict(condition)},
    )
    seconds = time.monotonic()
    with writer, torch.no_grad():
        stepper = choose_stepper(system, runs, state, first, last, captures_of(place))
        recorder = Recorder(writer, recording, last, status, last_step, lane_from(place))
        progress.start(first, last)
        with closing(recorder):
            state = _iterate(stepper, runs, state, first, last, recorder, progress)
        progress.finish()
        writer.close(recorder.status, recorder.last_step)
    seconds = time.monotonic() - seconds
    if recorder.status.any():
        progress.message(f"{int(recorder.status.sum())} of {runs.count} runs diverged")
    outcome = {STATUS: torch.from_numpy(recorder.status), LAST_STEP: torch.from_numpy(recorder.last_step)}
    write_checkpoint(out / "checkpoint.zarr", last, {**state, **outcome})
    _write_provenance(out, place, stepper.how, began, seconds, last - first, runs.count)


def _iterate(
    stepper: Stepper, runs: Runs, state: State, first: int, last: int, recorder: Recorder, progress: Progress
) -> State:
    """Iterate the map; the state after ``last``, with NaN in the runs that diverged.

    A state is judged by its own loss, which ``advance`` gives with the next one; so the map is applied once more at
    ``last``, and its result thrown away.
    """
    system = stepper.system
    device = next(iter(state.values())).device
    lost = {name: torch.full((runs.count,), torch.nan, device=device) for name in system.byproducts}
    for t in range(first, last + 1):
        if recorder.all_stopped:
            after, byproducts = state, lost
        else:
            after, byproducts = stepper.advance(state, system.batch(runs, t), t)
        found = recorder.put(t, state, byproducts)
        if t == last:
            found = recorder.flush() or found
            after = state
        if found:
            gone = torch.from_numpy(recorder.gone)
            after = {name: blank_runs(tensor, gone) for name, tensor in after.items()}
        state = after
        progress.advance(t)
    return state


def _start(
    system: System,
    runs: Runs,
    perturbation: Mapping[str, Any],
    streams: Streams,
    first: int,
    previous: Place | None,
    device: torch.device,
) -> tuple[State, Int[np.ndarray, " run"], Int[np.ndarray, " run"]]:
    """State, status and last finite step of each run at ``first``."""
    if previous is None:
        if first != 0:
            raise OrreryError(f"a segment that starts at step {first} needs the segment before it")
        state = perturb_copies(system.initial(runs), system.components, runs, perturbation, streams)
        return state, np.zeros(runs.count, dtype=np.int64), np.full(runs.count, -1, dtype=np.int64)
    state, status, last_step = read_state(previous / "checkpoint.zarr", first, device)
    expected = {component.name: (runs.count, *component.shape) for component in system.components}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if expected != found:
        wrong = sorted(
            name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
        )
        raise OrreryError(
            f"{previous}: the checkpoint is not of this system: tensor '{wrong[0]}' is {found.get(wrong[0])}, not "
            f"{expected.get(wrong[0])}; train the segment before again"
        )
    return state, status, last_step


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


def _write_provenance(
    out: Path, device: torch.device, how: str, began: datetime, seconds: float, steps: int, runs: int
) -> None:
    content = {
        "device": describe_device(device),
        # Which of several it was: what its slot, or Slurm, let it see.
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "step": how,
        "host": platform.node(),
        "began": began.isoformat(timespec="seconds"),
        "training_seconds": round(seconds, 3),
        "steps_per_second": round(steps / max(seconds, 1e-9), 1),
        "runs": runs,
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
    (out / "provenance.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
