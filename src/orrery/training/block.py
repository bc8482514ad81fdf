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

import torch

from orrery.numerics.streams import Streams
from orrery.systems.system import Runs
from orrery.training.build import build_system
from orrery.training.device import captures_of, choose_device, describe_device, lane_from, make_repeatable
from orrery.training.iteration import iterate
from orrery.training.progress import Progress
from orrery.training.projection import projection_of
from orrery.training.recording import Recorder, Recording, plan_recording
from orrery.training.schedule import first_step
from orrery.training.start import Leaves, start_of
from orrery.training.states import END, START, write_state
from orrery.training.stepper import choose_stepper
from orrery.trajectory.writer import Writer

if TYPE_CHECKING:
    from orrery.systems.system import System
    from orrery.trajectory.place import Place


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
    leaves: Leaves | None = None,
) -> None:
    """Train the given copies of the given seeds from step ``first`` to step ``last``.

    Writes ``out/data.zarr`` (the trajectory: the start of the runs and the recorded steps after ``first``),
    ``out/checkpoint.zarr`` (the full state after ``last``) and ``out/provenance.json`` (the device really used, host,
    times); where a branch begins also ``out/start.zarr`` (the full state there). A segment that starts from a
    checkpoint gives the bits of one that was trained in one go.

    Args:
        condition: ``system``, ``training``, ``streams``, ``copies`` (how they are perturbed), ``record``, and for a
            branch ``branch`` (``at``: where it begins), as plain JSON, validated.
        dataset: store of the dataset, or ``None``.
        seeds: of this block.
        copies: numbers of the copies of this block; 0 is the original.
        first_run: index of its first run among those of the condition.
        first, last: steps at which the segment starts and ends.
        previous: output folder of the segment before; ``None`` where the runs start.
        out: a fresh folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        progress: told at every step.
        leaves: what the runs of a branch leave, for the segment in which they start.

    Raises:
        OrreryError: settings that do not fit together, CUDA asked for where there is none, a checkpoint of another
            step, or a branch that does not fit what it leaves.
    """
    began = datetime.now(UTC)
    make_repeatable()
    place = choose_device(device, progress)
    system = build_system(condition, dataset, place)
    runs = Runs.product(seeds, copies)
    state, status, last_step = start_of(condition, system, runs, first, previous, leaves, place, progress)

    recording = recording_of(condition, system, first, last, place)
    writer = writer_of(
        out, condition, runs, recording, first_run, first, last, next(iter(state.values())).dtype
    )
    if leaves is not None:
        write_state(out / START, first, state, status, last_step)
    seconds = time.monotonic()
    with writer, torch.no_grad():
        stepper = choose_stepper(system, runs, state, first, last, captures_of(place))
        recorder = Recorder(writer, recording, last, status, last_step, lane_from(place))
        progress.start(first, last)
        with closing(recorder):
            state = iterate(stepper, runs, state, first, last, recorder, progress)
        progress.finish()
        writer.close(recorder.status, recorder.last_step)
    seconds = time.monotonic() - seconds
    if recorder.status.any():
        progress.message(f"{int(recorder.status.sum())} of {runs.count} runs diverged")
    write_state(out / END, last, state, recorder.status, recorder.last_step)
    write_provenance(out, place, stepper.how, began, seconds, last - first, runs.count)


def recording_of(
    condition: Mapping[str, Any], system: System, first: int, last: int, device: torch.device
) -> Recording:
    """What is recorded of a condition in a segment."""
    streams = Streams(condition.get("streams"))
    return plan_recording(
        system,
        condition.get("record") or {},
        first,
        last,
        lambda dimension: projection_of(system.components, dimension, streams, device),
        first_step(condition),
    )


def writer_of(
    out: Path,
    condition: Mapping[str, Any],
    runs: Runs,
    recording: Recording,
    first_run: int,
    first: int,
    last: int,
    dtype: torch.dtype,
) -> Writer:
    """What writes the trajectory of these runs into ``out/data.zarr``."""
    out.mkdir(parents=True, exist_ok=True)
    name = str(dtype).removeprefix("torch.")
    return Writer(
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


def write_provenance(
    out: Path, device: torch.device, how: str, began: datetime, seconds: float, steps: int, runs: int
) -> None:
    """Write ``out/provenance.json``: the device really used, the host and times."""
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
