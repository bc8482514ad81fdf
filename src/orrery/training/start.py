"""The state from which a segment starts: the start of the runs, a checkpoint, or what a branch leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems.system import Component, Runs, System
from orrery.training.build import build_system
from orrery.training.copies import perturb_copies
from orrery.training.device import captures_of, choose_device, lane_from
from orrery.training.iteration import iterate
from orrery.training.progress import Progress
from orrery.training.recording import Recorder, Recording, blank_runs
from orrery.training.states import END, START, read_state, step_of
from orrery.training.stepper import choose_stepper

if TYPE_CHECKING:
    from jaxtyping import Int

    from orrery.systems.system import State
    from orrery.trajectory.place import Place

    Start = tuple[State, Int[np.ndarray, " run"], Int[np.ndarray, " run"]]

CARRIED = ("momentum", "second-moment")
"""Roles of what an optimizer carries along: a branch may have another optimizer than what it leaves."""
NOTHING = Recording((), [], {}, (), {}, [])


@dataclass(frozen=True)
class Leaves:
    """The runs that a branch leaves.

    Attributes:
        runs: those that were trained together, block by block.
        begin: the step at which each block is read, or from which it is iterated again: at most the one at which the
            branch begins.
        folders: what training wrote, in the order of ``runs``; none where the runs are iterated from their start.
        condition: settings of training of the condition, where it is iterated.
        dataset: store of its dataset, likewise; ``None`` for a map.
    """

    runs: Sequence[Runs]
    begin: int
    folders: Sequence[Place]
    condition: Mapping[str, Any] | None = None
    dataset: Path | None = None


def start_of(
    condition: Mapping[str, Any],
    system: System,
    runs: Runs,
    first: int,
    previous: Place | None,
    leaves: Leaves | None,
    device: torch.device,
    progress: Progress,
) -> Start:
    """State, status and last finite step of each run at ``first``.

    Args:
        condition: settings of training.
        system: of the condition.
        runs: that the segment trains.
        first: step at which it starts.
        previous: output folder of the segment before, if there is one.
        leaves: what a branch leaves, where the segment is its first.
        device: of the state.
        progress: told of the steps that are iterated again.

    Raises:
        OrreryError: a checkpoint of another step or system, or a branch that does not fit what it leaves.
    """
    if previous is not None:
        return _from_checkpoint(system, runs, first, previous, device)
    if leaves is not None:
        state, status, last_step = _taken_over(system, runs, first, leaves, device, progress)
    elif first == 0:
        state = system.initial(runs)
        status, last_step = _unharmed(runs)
    else:
        raise OrreryError(f"a segment that starts at step {first} needs the segment before it")
    streams = Streams(condition.get("streams"))
    state = perturb_copies(state, system.components, runs, condition.get("copies") or {}, streams)
    return state, status, last_step


def _unharmed(runs: Runs) -> tuple[Int[np.ndarray, " run"], Int[np.ndarray, " run"]]:
    return np.zeros(runs.count, dtype=np.int64), np.full(runs.count, -1, dtype=np.int64)


def _from_checkpoint(system: System, runs: Runs, first: int, previous: Place, device: torch.device) -> Start:
    state, status, last_step = read_state(previous / END, first, device)
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


def _taken_over(
    system: System, runs: Runs, first: int, leaves: Leaves, device: torch.device, progress: Progress
) -> Start:
    """The start of the runs of a branch: for each the original run of its seed, as it was left."""
    originals: dict[int, tuple[int, int]] = {}
    blocks = []
    for number, (block, found) in enumerate(_blocks(leaves, first, device, progress)):
        blocks.append(found)
        for row, (seed, copy) in enumerate(zip(block.seeds, block.copies, strict=True)):
            if copy == 0:
                originals[seed] = (number, row)
    places = [originals[seed] for seed in runs.seeds]
    status = np.stack([blocks[number][1][row] for number, row in places])
    last_step = np.stack([blocks[number][2][row] for number, row in places])
    state = system.initial(runs)
    roles = {component.name: component for component in system.components}
    for name, tensor in state.items():
        if name not in blocks[0][0] and roles[name].role in CARRIED:
            continue
        rows = [_row(blocks[number][0], roles[name], row) for number, row in places]
        if rows[0].dtype != tensor.dtype:
            raise OrreryError(
                f"training.dtype: the branch computes in {tensor.dtype}, and what it leaves in {rows[0].dtype}; write "
                "the same for both"
            )
        # New memory of torch, aligned as that of any state.
        state[name] = torch.stack(rows)
    gone = torch.from_numpy(status == 1)
    if gone.any():
        state = {name: blank_runs(tensor, gone) for name, tensor in state.items()}
    return state, status, last_step


def _row(state: State, component: Component, row: int) -> torch.Tensor:
    found = state.get(component.name)
    shape = None if found is None else tuple(found.shape[1:])
    if found is None or shape != component.shape:
        raise OrreryError(
            f"branch.of: tensor '{component.name}' has the shape {component.shape} in the branch and "
            f"{shape or 'does not exist'} in what it leaves; a branch goes on with the same weights, so give both the "
            "same network and data of the same size"
        )
    return found[row]


def _blocks(
    leaves: Leaves, at: int, device: torch.device, progress: Progress
) -> Iterator[tuple[Runs, Start]]:
    """Each block of runs that are left, with its state, status and last finite steps after step ``at``."""
    if leaves.condition is None:
        for runs, folder in zip(leaves.runs, leaves.folders, strict=True):
            yield runs, read_state(_checkpoint(folder, at), at, device)
        return
    condition = leaves.condition
    # The bits of a step depend on the device, so it is that of what is left.
    place = choose_device(condition["training"].get("device", "cpu"))
    system = build_system(condition, leaves.dataset, place)
    for number, runs in enumerate(leaves.runs):
        if leaves.folders:
            begun = read_state(_checkpoint(leaves.folders[number], leaves.begin), leaves.begin, place)
        else:
            begun = start_of(condition, system, runs, leaves.begin, None, None, place, progress)
        state, status, last_step = _again(system, runs, begun, leaves.begin, at, progress)
        yield runs, ({name: tensor.to(device) for name, tensor in state.items()}, status, last_step)


def _again(system: System, runs: Runs, begun: Start, first: int, last: int, progress: Progress) -> Start:
    """Iterate runs that were trained once more, in the way of the training and with its judgement of divergence."""
    state, status, last_step = begun
    device = next(iter(state.values())).device
    progress.message(f"steps {first} to {last} of what is left are iterated again")
    with torch.no_grad():
        stepper = choose_stepper(system, runs, state, first, last, captures_of(device))
        recorder = Recorder(None, NOTHING, last, status, last_step, lane_from(device))
        with closing(recorder):
            state = iterate(stepper, runs, state, first, last, recorder, Progress())
    return state, recorder.status, recorder.last_step


def _checkpoint(folder: Place, step: int) -> Place:
    """The checkpoint of a segment at ``step``: its end, or the start of a branch."""
    return folder / START if step_of(folder / START) == step else folder / END
