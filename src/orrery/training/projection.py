"""A seeded random projection of the state, for networks too large to record."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.numerics.streams import Streams
from orrery.systems.system import MOVED, Component

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.system import State

# Non-zero entries per number of the state: inner products keep their expectation, and four make the spread nearly
# that of a dense Gaussian matrix at a cost independent of the dimension (Kane and Nelson, arXiv 1012.1577).
ENTRIES = 4


def projection_of(
    components: Sequence[Component], dimension: int, streams: Streams, device: torch.device
) -> Callable[[State], Float[torch.Tensor, "run dimension"]]:
    """The projection of the weights, biases and variables of a state to ``dimension`` numbers.

    Each number of the state goes to :data:`ENTRIES` places of the result with random signs. Keyed by the stream
    ``probe`` and the tensor name, so it is the same for all runs and all segments.
    """
    tables = []
    for component in components:
        if component.role not in MOVED:
            continue
        generator = streams.generator("probe", 0, "projection", component.name, component.shape, dimension)
        places = generator.integers(0, dimension, (ENTRIES, component.size))
        signs = generator.integers(0, 2, (ENTRIES, component.size), dtype=np.int8) * 2 - 1
        tables.append(
            (component.name, torch.from_numpy(places).to(device), torch.from_numpy(signs).to(device))
        )

    def project(state: State) -> torch.Tensor:
        first = state[tables[0][0]]
        result = torch.zeros((first.shape[0], dimension), dtype=first.dtype, device=device)
        for name, places, signs in tables:
            flat = state[name].flatten(1)
            for place, sign in zip(places, signs, strict=True):
                result.index_add_(1, place, flat * sign.to(flat.dtype))
        return result / math.sqrt(ENTRIES)

    return project
