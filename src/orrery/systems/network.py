"""A neural network under an optimizer: its state is the weights and whatever the optimizer carries along."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from orrery.config.closed import Closed
from orrery.config.errors import OrreryError
from orrery.systems.footprint import Footprint
from orrery.systems.initialisation_settings import Initialisation
from orrery.systems.mlp_settings import Mlp
from orrery.systems.network_settings import (
    AnyOptimizer,
    Batches,
    Constant,
    CrossEntropy,
    Loss,
    Network,
    Probe,
    Schedule,
)

if TYPE_CHECKING:
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.system import System


ASSUMED_WEIGHTS, ASSUMED_ACTIVATIONS = 1_000_000, 20_000
"""Of a module of one's own; a job that takes more is given more when it is tried again."""
BUFFERS = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "adamw": 2}
"""Tensors that an optimizer carries for each weight."""


class Settings(Closed):
    """A network, where it starts, its loss, its optimizer and its batches."""

    kind: Literal["network"] = "network"
    network: Network = Field(description="what is trained")
    initialisation: Initialisation = Field(Initialisation(), description="how the weights start")
    loss: Loss = Field(CrossEntropy(), description="what is minimised")
    optimizer: AnyOptimizer = Field(description="how a step follows from the gradient")
    schedule: Schedule = Field(Constant(), description="how the rate changes over the steps")
    batches: Batches = Field(description="which samples a step sees")
    label_noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="probability that a visited label is replaced by another class, or a target 0 by 1 and 1 by 0; "
        "anew at every step, while metrics keep the true ones",
    )
    probe: Probe = Field(Probe(), description="fixed samples on which the observable 'outputs' is recorded")

    @model_validator(mode="after")
    def _variance_has_two_samples(self) -> Settings:
        normalised = isinstance(self.network, Mlp) and self.network.normalisation is not None
        if normalised and getattr(self.batches, "size", 2) < 2:
            raise ValueError(
                "batches of one sample have no variance for batch normalisation; write batches.size: 2 or more"
            )
        return self


def entries(system: Mapping[str, Any]) -> tuple[str, ...]:
    """Code that these settings name by import path, as ``module:name``: a user's own module enters the digest."""
    network = system.get("network", {})
    path = network.get("path", "") if network.get("kind") == "module" else ""
    module, _, name = path.replace(":", ".").rpartition(".")
    return (f"{module}:{name}",) if module else ()


def footprint(system: Mapping[str, Any], features: int, outputs: int) -> Footprint:
    """How large one run is, known without building it.

    Of a module of one's own nothing is known before it is imported, so a size is assumed that few exceed.

    Args:
        system: these settings as plain JSON.
        features: of the dataset.
        outputs: classes of the dataset, or targets of a sample.
    """
    network = system["network"]
    hidden = tuple(network.get("hidden", ()))
    widths = [features, *hidden, outputs]
    copies = 1
    if network["kind"] == "mlp":
        tensors = {}
        for index, (inputs, units) in enumerate(pairwise(widths), start=1):
            tensors[f"fc{index}.weight"] = inputs * units
            if network["bias"]:
                tensors[f"fc{index}.bias"] = units
        if network.get("normalisation"):
            for index, units in enumerate(hidden, start=1):
                for name in ("weight", "bias", "running_mean", "running_var"):
                    tensors[f"bn{index}.{name}"] = units
        # Of a layer: what comes out, with what goes into the activation, the normalised field and the mask.
        copies += 2 * bool(network.get("normalisation")) + bool(network.get("dropout"))
        copies += bool(network.get("residual"))
    else:
        tensors = {"*": ASSUMED_WEIGHTS}
    return Footprint(
        tensors,
        buffers=BUFFERS[system["optimizer"]["kind"]],
        activations=copies * sum(hidden) + outputs if network["kind"] == "mlp" else ASSUMED_ACTIVATIONS,
        batch=system["batches"].get("size", 0),
    )


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
