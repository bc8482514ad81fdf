"""Recorded states and labelled samples for the analysis of basins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from orrery.analyses.recorded_states import read_by_gradients, states_of_originals, tensors_of
from orrery.config.errors import OrreryError
from orrery.systems.system import System

if TYPE_CHECKING:
    from orrery.systems.system import State
    from orrery.trajectory.trajectory import Trajectory


@dataclass(frozen=True)
class Labelled:
    """Training samples with their classes."""

    inputs: Float[torch.Tensor, "sample feature"]
    labels: Int[torch.Tensor, " sample"]
    classes: int

    def first_of_each(self, count: int) -> Labelled:
        """The first so many samples of every class, in the order of the classes."""
        places = torch.cat([torch.nonzero(self.labels == one)[:count, 0] for one in range(self.classes)])
        return Labelled(self.inputs[places], self.labels[places], self.classes)

    def first(self, count: int) -> Labelled:
        """The first so many samples."""
        return Labelled(self.inputs[:count], self.labels[:count], self.classes)


def labelled(system: System) -> Labelled:
    """All training samples of a classifier of at least three classes.

    Raises:
        OrreryError: no network, no classes, or fewer than three.
    """
    if system.forward is None or system.whole is None:
        raise OrreryError(
            "basins: noise is added to a network; leave conditions without one out of 'conditions'"
        )
    batch = system.whole()
    inputs, targets = batch["inputs"][0], batch["targets"][0]
    one_hot = ((targets == 0) | (targets == 1)).all() and (targets.sum(dim=1) == 1).all()
    if targets.shape[1] < 2 or not one_hot:
        raise OrreryError(
            "basins: accuracy needs classes, and this dataset has numbers as targets; choose one with labels"
        )
    if targets.shape[1] < 3:
        raise OrreryError(
            "basins: with two classes a right sample of a linear classifier stays right with probability "
            "above 1/2 under "
            "any noise, so its basin has no size; use a dataset of at least three classes"
        )
    return Labelled(inputs, targets.argmax(dim=1), targets.shape[1])


def every_class(samples: Labelled) -> Labelled:
    """The samples, if each class is among them.

    Raises:
        OrreryError: a class is not.
    """
    missing = set(range(samples.classes)) - set(samples.labels.tolist())
    if missing:
        raise OrreryError(
            f"basins: samples: the first {len(samples.labels)} training samples hold none of class "
            f"{min(missing)}; write "
            "a larger number"
        )
    return samples


def chosen_moments(steps: Sequence[int], most: int) -> Int[np.ndarray, " moment"]:
    """Places of at most so many recorded steps, evenly among them, the last one always."""
    return np.unique(np.linspace(len(steps) - 1, 0, min(most, len(steps))).round().astype(int))


def states(source: Trajectory, system: System, places: Int[np.ndarray, " moment"]) -> Iterator[State]:
    """What a forward pass reads of the originals, one recorded step after the other.

    Raises:
        OrreryError: a tensor was not recorded.
    """
    wanted = read_by_gradients(source, system.components, "basins", "noise is added to the whole network")
    array = states_of_originals(source, wanted)
    for place in places:
        yield tensors_of(array.isel(step=int(place)).values, wanted)
