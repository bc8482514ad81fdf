"""Initial weights, one independent draw per tensor name, shape and seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.config.errors import OrreryError, nearest
from orrery.numerics.streams import Streams
from orrery.systems.initialisation_settings import Initialisation, TensorStart
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


def check_start(settings: Initialisation, components: Sequence[Component]) -> None:
    """Make sure that a start fits the tensors that are drawn.

    Raises:
        OrreryError: a tensor is named that is not drawn, or ``kinks`` is not for this network.
    """
    shapes = {component.name: component.shape for component in components}
    for name in settings.tensors:
        if name not in shapes:
            raise OrreryError(
                f"system.initialisation.tensors: there is no tensor '{name}' to draw; {nearest(name, shapes)}"
            )
    if settings.kind == "kinks":
        one_layer = {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}
        if set(shapes) != one_layer or shapes["fc1.weight"][1] != 1:
            raise OrreryError(
                "system.initialisation.kind: 'kinks' is for one hidden layer with biases over one input; write "
                "another kind"
            )


def draw_weights(
    component: Component,
    components: Sequence[Component],
    settings: Initialisation,
    streams: Streams,
    seed: int,
) -> Float[np.ndarray, "*shape"]:
    """One tensor of one seed, float64. The kind ``default`` is drawn as PyTorch draws linear layers."""
    own = settings.tensors.get(component.name)
    if own is None and component.role == "bias" and settings.biases == "zero":
        return np.zeros(component.shape)
    generator = streams.generator("init", seed, component.name, component.shape)
    if own is None and settings.kind == "kinks":
        weights = next(other for other in components if other.name == "fc1.weight")
        slopes = streams.generator("init", seed, weights.name, weights.shape)
        return _kinks(component, settings.spread, generator, slopes) * settings.scale
    chosen = settings if own is None else own
    return _drawn(chosen, component.shape, fan_in(component, components), generator) * settings.scale


def _drawn(
    settings: Initialisation | TensorStart,
    shape: tuple[int, ...],
    inputs: int,
    generator: np.random.Generator,
) -> Float[np.ndarray, "*shape"]:
    spread = 1.0 if settings.spread is None else settings.spread
    match settings.kind:
        case "zero":
            return np.zeros(shape)
        case "normal":
            return generator.normal(0.0, spread, shape)
        case "normal-fan-in":
            return generator.normal(0.0, spread / math.sqrt(inputs), shape)
        case "uniform":
            return generator.uniform(-spread, spread, shape)
    bound = 1 / math.sqrt(inputs)
    return generator.uniform(-bound, bound, shape)


def _kinks(
    component: Component, spread: float | None, generator: np.random.Generator, slopes: np.random.Generator
) -> Float[np.ndarray, "*shape"]:
    """The start ``kinks``; ``slopes`` gives the weights of the first layer once more, for its biases."""
    match component.name:
        case "fc1.weight":
            return generator.normal(0.0, 1.0, component.shape)
        case "fc1.bias":
            slope = slopes.normal(0.0, 1.0, (*component.shape, 1))[:, 0]
            return np.abs(slope) * generator.uniform(-1.0, 1.0, component.shape)
        case "fc2.weight":
            return generator.normal(0.0, spread or 1 / math.sqrt(component.shape[1]), component.shape)
    return np.zeros(component.shape)


def stack_runs(
    runs: Runs,
    draw: Callable[[int], Float[np.ndarray, "*shape"]],
    dtype: torch.dtype,
    device: torch.device,
) -> Float[torch.Tensor, " run *shape"]:
    """Draw once per seed and repeat for its copies, in memory of torch (aligned)."""
    drawn = {seed: np.asarray(draw(seed)) for seed in dict.fromkeys(runs.seeds)}
    return torch.tensor(np.stack([drawn[seed] for seed in runs.seeds]), dtype=dtype, device=device)
