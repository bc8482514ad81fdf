"""Train several conditions that differ in numbers only as one batched state, each recorded as if it was alone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orrery.systems.system import Runs
from orrery.training.block import recording_of, write_provenance, writer_of
from orrery.training.device import captures_of, choose_device, lane_from, make_repeatable
from orrery.training.iteration import iterate
from orrery.training.joint import Member, joined, joint_system, members_of
from orrery.training.progress import Progress
from orrery.training.recording import Recorder, Recording
from orrery.training.start import start_of
from orrery.training.states import END, write_state
from orrery.training.stepper import choose_stepper

if TYPE_CHECKING:
    from jaxtyping import Bool

    from orrery.systems.system import Byproducts, State
    from orrery.trajectory.place import Place


class Recorders:
    """Hands each member's recorder its rows: one receiver for the iteration.

    Args:
        members: in the order of the joint state.
        recorders: of the members.
        recording: what is recorded, the same steps for all.
        last: last step of the segment.
        waits: whether states lie on a device for which a recorder would have to wait.

    Networks have a loss, by which a recorder judges a run. So the state is cut only at steps at which it is recorded or
    evaluated; and a step at which nothing is, and all losses are finite, is told to nobody: one sum instead of many.
    """

    def __init__(
        self,
        members: Sequence[Member],
        recorders: Sequence[Recorder],
        recording: Recording,
        last: int,
        waits: bool,
    ) -> None:
        self._parts = list(zip(members, recorders, strict=True))
        self._steps = {*recording.steps, *recording.evaluated}
        self._last = last
        # The loss of a GPU is not waited for: the recorders look at it a portion later.
        self._may_skip = not recording.byproducts and not waits

    def put(self, step: int, state: State, byproducts: Byproducts) -> bool:
        """As ``Recorder.put``, with the runs of all members."""
        recorded = step in self._steps
        if (
            self._may_skip
            and not recorded
            and step < self._last
            and isfinite(float(byproducts["loss"].sum()))
        ):
            return False
        seen = state if recorded else {}
        found = [
            recorder.put(step, member.part(seen), member.part(byproducts)) for member, recorder in self._parts
        ]
        return any(found)

    def flush(self) -> bool:
        """As ``Recorder.flush``."""
        found = [recorder.flush() for _, recorder in self._parts]
        return any(found)

    @property
    def gone(self) -> Bool[np.ndarray, " run"]:
        """The runs of all members that are known to have diverged."""
        return np.concatenate([recorder.gone for _, recorder in self._parts])

    @property
    def all_stopped(self) -> bool:
        """Whether these are all runs."""
        return all(recorder.all_stopped for _, recorder in self._parts)


def train_together(
    conditions: Mapping[str, Mapping[str, Any]],
    datasets: Mapping[str, Path],
    seeds: Sequence[int],
    copies: Sequence[int],
    first_run: int,
    first: int,
    last: int,
    previous: Mapping[str, Place],
    out: Path,
    device: str,
    progress: Progress,
) -> None:
    """Train the given copies of the given seeds of several conditions from step ``first`` to step ``last``.

    Writes ``out/<condition>/data.zarr`` and ``out/<condition>/checkpoint.zarr`` as ``train_block`` does for one
    condition, and one ``out/provenance.json`` for all.

    Args:
        conditions: settings of each, as for ``train_block``; none is a branch.
        datasets: store of the dataset of each.
        seeds, copies, first_run, first, last: as for ``train_block``, the same for all.
        previous: what the segment before wrote of each condition; empty where the runs start.
        out: a fresh folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        progress: told at every step.

    Raises:
        OrreryError: as ``train_block``, and where the conditions do not fit together.
    """
    began = datetime.now(UTC)
    make_repeatable()
    place = choose_device(device, progress)
    members = members_of(conditions, datasets, Runs.product(seeds, copies), place)
    system = joint_system(members, datasets, place)
    starts = [
        start_of(one.condition, one.system, one.runs, first, previous.get(one.name), None, place, progress)
        for one in members
    ]
    state = joined([start for start, _, _ in starts])
    recordings = [recording_of(one.condition, one.system, first, last, place) for one in members]
    dtype = next(iter(state.values())).dtype
    runs = Runs.product(tuple(seeds) * len(members), copies)
    with ExitStack() as opened, torch.no_grad():
        seconds = time.monotonic()
        writers = [
            opened.enter_context(
                writer_of(out / one.name, one.condition, one.runs, recording, first_run, first, last, dtype)
            )
            for one, recording in zip(members, recordings, strict=True)
        ]
        stepper = choose_stepper(system, runs, state, first, last, captures_of(place))
        recorders = [
            opened.enter_context(
                closing(Recorder(writer, recording, last, status, last_step, lane_from(place)))
            )
            for writer, recording, (_, status, last_step) in zip(writers, recordings, starts, strict=True)
        ]
        progress.start(first, last)
        receiver = Recorders(members, recorders, recordings[0], last, place.type != "cpu")
        state = iterate(stepper, runs, state, first, last, receiver, progress)
        progress.finish()
        for writer, recorder in zip(writers, recorders, strict=True):
            writer.close(recorder.status, recorder.last_step)
        seconds = time.monotonic() - seconds
    for member, recorder in zip(members, recorders, strict=True):
        if recorder.status.any():
            progress.message(
                f"{int(recorder.status.sum())} of {member.runs.count} runs of {member.name} diverged"
            )
        write_state(out / member.name / END, last, member.part(state), recorder.status, recorder.last_step)
    write_provenance(out, place, stepper.how, began, seconds, last - first, runs.count)
