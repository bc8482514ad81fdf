"""How large one run of a system is, known from its settings alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Footprint:
    """What memory and time of training follow from.

    A system module may have ``footprint(system, features, outputs) -> Footprint``, so that what a job asks of a
    cluster is known before anything is built.

    Attributes:
        tensors: numbers in each tensor of the state of one run, by name, those of the optimizer left out.
        buffers: tensors that the optimizer carries for each of them.
        activations: numbers that one sample takes on its way through the system, itself left out.
        batch: samples that one step sees; 0 for all.
    """

    tensors: Mapping[str, int]
    buffers: int = 0
    activations: int = 0
    batch: int = 1
