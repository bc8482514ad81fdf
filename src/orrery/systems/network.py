"""A neural network under an optimizer: its state is the weights and whatever the optimizer carries along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from orrery.config.closed import Closed
from orrery.config.errors import OrreryError
from orrery.systems.network_settings import (
    AnyOptimizer,
    Batches,
    Constant,
    CrossEntropy,
    Initialisation,
    Loss,
    Network,
    Probe,
    Schedule,
)

if TYPE_CHECKING:
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.system import System


class Settings(Closed):
    """A network, where it starts, its loss, its optimizer and its batches."""

    kind: Literal["network"] = "network"
    network: Network = Field(description="what is trained")
    initialisation: Initialisation = Field(Initialisation(), description="how the weights start")
    loss: Loss = Field(CrossEntropy(), description="what is minimised")
    optimizer: AnyOptimizer = Field(description="how a step follows from the gradient")
    schedule: Schedule = Field(Constant(), description="how the rate changes over the steps")
    batches: Batches = Field(description="which samples a step sees")
    probe: Probe = Field(Probe(), description="fixed samples on which the observable 'outputs' is recorded")


def entries(system: Mapping[str, Any]) -> tuple[str, ...]:
    """Code that these settings name by import path, as ``module:name``: a user's own module enters the digest."""
    network = system.get("network", {})
    path = network.get("path", "") if network.get("kind") == "module" else ""
    module, _, name = path.replace(":", ".").rpartition(".")
    return (f"{module}:{name}",) if module else ()


def build(
    settings: Settings, *, dataset: Any, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of these settings on a dataset.

    Raises:
        OrreryError: without a dataset, or where the settings do not fit it.
    """
    if dataset is None:
        raise OrreryError(
            "system.kind: 'network' needs data; name a dataset in the study, e.g. dataset: {name: mnist-5k}"
        )
    from orrery.systems.training_map import network_system

    return network_system(settings, dataset=dataset, dtype=dtype, device=device, streams=streams)
