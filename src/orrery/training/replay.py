"""Iterate a stretch of recorded runs again, bit for bit, for what was not stored: tangents, dense windows, activations.

A replay starts at the last checkpoint or recorded state before the stretch, or at the start of the runs, and steps all
runs of a tile at once, as they were trained: a product of matrices may have other bits for another number of runs. A
stretch of which every state was recorded is read instead. Runs that were trained together with those of other
conditions are iterated without them, so that their bits are those of the training only where a replay starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems.system import Runs, System
from orrery.training.build import DTYPES, build_system
from orrery.training.copies import perturb_copies
from orrery.training.device import make_repeatable
from orrery.training.recorded import last_recorded, recorded_states
from orrery.training.states import END, START, read_state, step_of

if TYPE_CHECKING:
    from orrery.systems.system import State
    from orrery.trajectory.place import Place


@dataclass(frozen=True)
class Orbit:
    """Runs that were trained together, ready to be iterated again.

    Attributes:
        system: the system of the condition, on the CPU, in the precision of the training.
        runs: seed and copy of each run.
        starts: where iteration may start, by step: a checkpoint, or ``None`` for the start of the runs, unless they
            are those of a branch.
        perturbation: how the copies differ at the start.
        streams: of the condition.
        stores: what was recorded of them, one store per segment; iteration starts from a state that they hold where
            that is nearer.
        dtype: of the training.
    """

    system: System
    runs: Runs
    starts: Mapping[int, Place | None]
    perturbation: Mapping[str, Any]
    streams: Streams
    stores: Sequence[Place] = ()
    dtype: torch.dtype = torch.float64

    def state(self, step: int) -> State:
        """The state of all runs after ``step``, the bits that training had there.

        Raises:
            OrreryError: no start lies at or before this step, or a checkpoint is damaged.
        """
        return next(iter(self.states(step, step)))[1]

    def states(self, first: int, last: int) -> Iterator[tuple[int, State]]:
        """The states after the steps ``first`` to ``last``, one after the other, each with its step.

        Runs that diverged go on as they come: infinite, then NaN.

        Raises:
            OrreryError: no start lies at or before ``first``, or a checkpoint or a store is damaged.
        """
        recorded = recorded_states(self.stores, self.system, self.dtype, first, last)
        if recorded is not None:
            yield from recorded
            return
        with torch.no_grad():
            t, state = self._start(first)
            while True:
                if t >= first:
                    yield t, state
                if t >= last:
                    return
                state = self.system.step(state, self.system.batch(self.runs, t), t)
                t += 1

    def _start(self, first: int) -> tuple[int, State]:
        """The last state before ``first``, or that of ``first``, that is known without a step."""
        t = max((step for step in self.starts if step <= first), default=-1)
        if t < first:
            recorded = last_recorded(self.stores, self.system.components, self.dtype, t, first)
            if recorded is not None:
                return recorded
        if t < 0:
            raise OrreryError(
                f"a replay from step {first} needs a checkpoint at or before it; there is none before step "
                f"{min(self.starts, default=0)}"
            )
        place = self.starts[t]
        if place is not None:
            return t, read_state(place, t, torch.device("cpu"))[0]
        start = self.system.initial(self.runs)
        return t, perturb_copies(start, self.system.components, self.runs, self.perturbation, self.streams)


def replay_of(condition: Mapping[str, Any], dataset: Path | None, folders: Sequence[Place]) -> list[Orbit]:
    """The orbits of a condition: one for each tile of seeds and copies.

    Args:
        condition: ``system``, ``training``, ``streams``, ``copies`` as plain JSON, validated.
        dataset: store of the dataset, or ``None``.
        folders: what training wrote, all segments that may be started from; each with ``data.zarr`` and
            ``checkpoint.zarr``.

    Raises:
        OrreryError: the settings do not fit together.
    """
    make_repeatable()
    system = build_system(condition, dataset, torch.device("cpu"))
    starts: dict[Runs, dict[int, Place | None]] = {}
    stores: dict[Runs, list[Place]] = {}
    for folder in folders:
        about = json.loads((folder / "data.zarr" / "zarr.json").read_text())["attributes"]
        runs = Runs(tuple(about["seeds"]), tuple(about["copies"]))
        # The start of a branch is no function of its settings, so training has written it down.
        stores.setdefault(runs, []).append(folder / "data.zarr")
        found = starts.setdefault(runs, {} if condition.get("branch") else {0: None})
        for name in (START, END):
            step = step_of(folder / name)
            if step is not None:
                found[step] = folder / name
    streams = Streams(condition.get("streams"))
    dtype = DTYPES[condition["training"]["dtype"]]
    return [
        Orbit(system, runs, places, condition.get("copies") or {}, streams, stores[runs], dtype)
        for runs, places in starts.items()
    ]
