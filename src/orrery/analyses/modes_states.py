"""What the analysis of modes reads: recorded states, and the samples that are ranked and classified."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from orrery.analyses.labelled_samples import LabelledSamples
from orrery.analyses.recorded_states import read_by_gradients, states_of_originals, tensors_of
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    from orrery.analyses.modes import Settings
    from orrery.systems.system import Batch, Component, State, System
    from orrery.trajectory.trajectory import Trajectory

ROOM = 2**24
"""Numbers that local fields of the states looked at together may need, in all."""


def parts_of(system: System, settings: Settings) -> dict[str, LabelledSamples]:
    """Training samples, and test samples where there are any.

    Raises:
        OrreryError: fewer than two classes, or a class that the dataset has not.
    """
    assert system.whole is not None
    train = _part(system.whole(), settings.samples)
    present = np.unique(train.labels)
    if len(present) < 2:
        raise OrreryError(
            f"modes: a class is ranked among the others, and the {len(train.labels)} training samples looked at are "
            f"all of class {present[0]}; name a dataset with two classes or more, or more 'samples'"
        )
    unknown = [number for number in settings.classes or () if number >= train.classes]
    if unknown:
        raise OrreryError(
            f"modes: classes names class {unknown[0]}, and the dataset has {train.classes}, from 0 to "
            f"{train.classes - 1}"
        )
    if system.test is None:
        return {"train": train}
    return {"train": train, "test": _part(system.test(), settings.test_samples)}


def _part(batch: Batch, most: int | None) -> LabelledSamples:
    return LabelledSamples.of(batch, batch["targets"][0].argmax(dim=1), most)


@dataclass(frozen=True)
class Recorded:
    """States of the originals at the moments looked at, read a portion at a time.

    Attributes:
        source: the trajectory.
        system: of the condition.
        seeds: in their order.
        places: of the moments among the recorded steps.
    """

    source: Trajectory
    system: System
    seeds: list[int]
    places: Int[np.ndarray, " moment"]

    @property
    def steps(self) -> Int[np.ndarray, " moment"]:
        """Steps of the moments."""
        return np.asarray(self.source.steps)[self.places]

    def states(self, units: int, samples: int) -> Iterator[State]:
        """States ``(seed, moment, *shape)`` of portions of the moments, in their order.

        Args:
            units: hidden units of the network.
            samples: of which the local fields will be looked at.
        """
        needed = _read(self.source, self.system)
        array = states_of_originals(self.source, needed)
        size = sum(component.size for component in needed) + units * samples
        together = max(1, ROOM // (size * array.sizes["run"]))
        for first in range(0, len(self.places), together):
            chosen = self.places[first : first + together]
            yield tensors_of(array.isel(step=chosen).values.astype(np.float64), needed)


def recorded(source: Trajectory, system: System, settings: Settings) -> Recorded:
    """The originals of all seeds at every n-th recorded step, the first and the last among them.

    Raises:
        OrreryError: a weight or a running statistic was not recorded.
    """
    _read(source, system)
    count = len(source.steps)
    places = np.unique([*range(0, count, settings.every), count - 1])
    return Recorded(source, system, source.seeds, places)


def _read(source: Trajectory, system: System) -> tuple[Component, ...]:
    return read_by_gradients(source, system.components, "modes", "the network needs it")
