"""Initial weights, one independent draw per tensor name, shape and seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.numerics.streams import Streams
from orrery.systems.network_settings import Initialisation
from orrery.systems.system import Component, Runs

if TYPE_CHECKING:
    from jaxtyping import Float


def fan_in(component: Component, components: Sequence[Component]) -> int:
    """Inputs of one unit of the layer that a weight or bias belongs to."""
    if component.role == "bias":
        sibling = component.name.rpartition(".")[0] + ".weight"
        for other in components:
            if other.name == sibling:
                component = other
    return max(1, math.prod(component.shape[1:]))


def draw_weights(
    component: Component,
    components: Sequence[Component],
    settings: Initialisation,
    streams: Streams,
    seed: int,
) -> Float[np.ndarray, "*shape"]:
    """One tensor of one seed, float64. The kind ``default`` is drawn as PyTorch draws linear layers."""
    if component.role == "bias" and settings.biases == "zero":
        return np.zeros(component.shape)
    generator = streams.generator("init", seed, component.name, component.shape)
    inputs = fan_in(component, components)
    spread = 1.0 if settings.spread is None else settings.spread
    match settings.kind:
        case "normal":
            drawn = generator.normal(0.0, spread, component.shape)
        case "normal-fan-in":
            drawn = generator.normal(0.0, spread / math.sqrt(inputs), component.shape)
        case "uniform":
            drawn = generator.uniform(-spread, spread, component.shape)
        case _:
            bound = 1 / math.sqrt(inputs)
            drawn = generator.uniform(-bound, bound, component.shape)
    return drawn * settings.scale


def stack_runs(
    runs: Runs,
    draw: Callable[[int], Float[np.ndarray, "*shape"]],
    dtype: torch.dtype,
    device: torch.device,
) -> Float[torch.Tensor, " run *shape"]:
    """Draw once per seed and repeat for its copies, in memory of torch (aligned)."""
    drawn = {seed: np.asarray(draw(seed)) for seed in dict.fromkeys(runs.seeds)}
    return torch.tensor(np.stack([drawn[seed] for seed in runs.seeds]), dtype=dtype, device=device)
