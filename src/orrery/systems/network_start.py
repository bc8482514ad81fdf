"""The start of a network: drawn weights, running statistics, and optimizers that have seen nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orrery.numerics.streams import Streams
from orrery.systems.initial import check_start, draw_weights, stack_runs
from orrery.systems.initialisation_settings import Initialisation
from orrery.systems.mlp import StackedMlp
from orrery.systems.modules import StackedModule, fresh_weights
from orrery.systems.system import Component, Runs

if TYPE_CHECKING:
    from orrery.systems.system import State


def start_of(
    settings: Initialisation,
    network: StackedMlp | StackedModule,
    carried: tuple[Component, ...],
    dtype: torch.dtype,
    device: torch.device,
    streams: Streams,
) -> Callable[[Runs], State]:
    """The function from runs to their first state.

    Raises:
        OrreryError: the start does not fit the network.
    """
    check_start(settings, [weight for weight in network.weights if weight.name not in network.constants])

    def initial(runs: Runs) -> State:
        state: State = {}
        own: dict[int, State] = {}
        if isinstance(network, StackedModule):
            # A module initialises itself by rules of its own; its constructor runs once per seed.
            own = {
                seed: fresh_weights(network.settings, streams.word("init", seed))
                for seed in dict.fromkeys(runs.seeds)
            }
        keeps_own = bool(own) and settings.kind == "default"

        def draw(component: Component, seed: int) -> Any:
            if component.name in network.constants:
                return np.full(component.shape, network.constants[component.name])
            drawn = component.name in settings.tensors
            if component.role == "statistic" or (keeps_own and settings.biases == "drawn" and not drawn):
                factor = 1.0 if component.role == "statistic" else settings.scale
                return own[seed][component.name].detach().double().numpy() * factor
            return draw_weights(component, network.weights, settings, streams, seed)

        for component in (*network.weights, *network.statistics):
            state[component.name] = stack_runs(runs, partial(draw, component), dtype, device)
        for component in carried:
            state[component.name] = torch.zeros((runs.count, *component.shape), dtype=dtype, device=device)
        return state

    return initial
