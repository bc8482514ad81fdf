"""Counts of activation patterns of recorded networks, on a grid or on fresh inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from orrery.config.errors import OrreryError
from orrery.numerics.activation_patterns import dead_share, distinct_rows, effective_rank
from orrery.numerics.streams import Streams
from orrery.systems.activations import ACTIVATIONS

if TYPE_CHECKING:
    from orrery.analyses.feature_space import InputGrid
    from orrery.analyses.network_states import Networks
    from orrery.systems.forward import Forward
    from orrery.systems.system import State

Counts = dict[str, Float[np.ndarray, "run layer"]]


def inputs_of(networks: Networks, grid: InputGrid, probes: int) -> Float[torch.Tensor, "1 sample feature"]:
    """Where patterns are looked at: the grid, or fresh normal inputs, the same for all networks."""
    features = networks.inputs.shape[1]
    if features == 1:
        return torch.linspace(*grid.interval, grid.points, dtype=torch.float64).reshape(1, -1, 1)
    drawn = Streams().generator("probe", 0, "feature space", features).standard_normal((probes, features))
    return torch.from_numpy(drawn)[None]


def check_fields(forward: Forward, analysis: str) -> None:
    """Refuse a network that does not say what its hidden units are fed.

    Raises:
        OrreryError: it is a module of one's own.
    """
    if forward.local_fields is None or forward.activation not in ACTIVATIONS:
        raise OrreryError(
            f"{analysis}: this network does not say what its hidden units feed into their activation; use network: "
            "{kind: mlp}, or leave its conditions out of 'conditions'"
        )


def room(networks: Networks, samples: int) -> int:
    """Numbers that the counts of one network need, for :meth:`orrery.analyses.network_states.Networks.portions`."""
    units = [component.shape[0] for component in networks.system.components if component.shape]
    return 4 * samples * max(units, default=1) * max(1, len(units) // 2)


def counts(forward: Forward, state: State, inputs: Float[torch.Tensor, "group sample feature"]) -> Counts:
    """What every hidden layer of every run has: ``patterns``, ``regions``, ``dead`` and ``rank``.

    Args:
        forward: of the network, see :func:`check_fields`.
        state: tensors ``(run, *shape)``.
        inputs: shared by all runs.
    """
    assert forward.local_fields is not None
    activation = ACTIVATIONS[forward.activation].forward
    found: dict[str, list[np.ndarray]] = {"patterns": [], "regions": [], "dead": [], "rank": []}
    with torch.no_grad():
        for fields in forward.local_fields(state, inputs):
            active = (fields > 0).numpy()
            found["patterns"].append(distinct_rows(active))
            found["regions"].append(distinct_rows(active.transpose(0, 2, 1)))
            found["dead"].append(dead_share(fields).numpy())
            found["rank"].append(effective_rank(activation(fields)).numpy())
    if not found["patterns"]:
        raise OrreryError("a network without hidden layers has no feature space; write network.hidden: [100]")
    return {name: np.stack(values, axis=1).astype(float) for name, values in found.items()}
