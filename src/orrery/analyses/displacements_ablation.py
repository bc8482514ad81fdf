"""The loss with one weight set to zero over the loss, L_w / L, of single weights at the last step.

Danovski, Soriano, Lacasa (arXiv 2404.05782) tell by it which weights a trained network needs: 1 for a weight that does
not matter, more for one that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orrery.analyses.runs import evenly
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Int

    from orrery.analyses.api import Context
    from orrery.analyses.displacements import Ablate
    from orrery.systems.system import State
    from orrery.trajectory.trajectory import Trajectory

METRIC = "train_loss"
ROOM = 2**24
"""Numbers that the states looked at together may have."""


def loss_ratios(
    source: Trajectory,
    rows: Int[np.ndarray, " seed"],
    tables: Sequence[dict[str, Any]],
    ablate: Ablate,
    context: Context,
) -> dict[str, tuple]:
    """``loss_ratio(seed, ablated)`` and ``ablated_component(ablated)``, places along ``component``.

    Args:
        source: the last recorded step is looked at.
        rows: places of the originals.
        tables: the tensors along ``component``, with ``name`` and ``size``.
        ablate: which entries.
        context: with the system of the condition.

    Raises:
        OrreryError: no system, no loss on its samples, a state that was not recorded whole, or a tensor that is not
            among those read.
    """
    system = context.system(dtype="float64") if context.system is not None else None
    if system is None or METRIC not in system.metrics:
        raise OrreryError(
            "displacements: ablate: there is no loss on training samples here; name a condition of a network, or leave "
            "'ablate' out"
        )
    read = [table["name"] for table in tables]
    firsts = dict(zip(read, np.cumsum([0, *(table["size"] for table in tables)]), strict=False))
    # Optimizer memory has no part in the loss, and need not be recorded.
    last = {name: source.tensor(name).data[rows, -1] for name in _recorded(source, system.components)}
    state = {name: torch.from_numpy(np.asarray(values, dtype=np.float64)) for name, values in last.items()}
    loss = system.metrics[METRIC](state)
    ratios, places = [], []
    for name in source.matching(ablate.tensors):
        if name not in firsts:
            raise OrreryError(
                f"displacements: ablate: '{name}' is not among the tensors that are read; add it to 'tensors'"
            )
        chosen = evenly(int(np.prod(state[name].shape[1:])), ablate.most)
        together = max(1, ROOM // sum(values[0].numel() for values in state.values()))
        for first in range(0, len(chosen), together):
            part = torch.from_numpy(chosen[first : first + together])
            found = torch.stack(
                [
                    system.metrics[METRIC](
                        _without({key: values[run] for key, values in state.items()}, name, part)
                    )
                    for run in range(len(rows))
                ]
            )
            ratios.append((found / loss[:, None]).numpy())
        places.append(firsts[name] + chosen)
    return {
        "loss_ratio": (("seed", "ablated"), np.concatenate(ratios, axis=1)),
        "ablated_component": (("ablated",), np.concatenate(places)),
    }


def _recorded(source: Trajectory, components: Sequence[Any]) -> list[str]:
    """What the loss is a function of.

    Raises:
        OrreryError: a weight, bias or statistic was not recorded.
    """
    known = {entry.name for entry in source.components}
    needed = [one.name for one in components if one.role in ("weight", "bias", "statistic")]
    missing = [name for name in needed if name not in known]
    if missing:
        raise OrreryError(
            f"displacements: ablate: the loss needs '{missing[0]}', which was not recorded; write record: "
            "{state: all}"
        )
    return needed


def _without(state: State, name: str, entries: torch.Tensor) -> State:
    """Copies of the state of one run, in each of which one entry of a tensor is zero."""
    stacked = {key: values.expand(len(entries), *values.shape) for key, values in state.items()}
    flat = stacked[name].reshape(len(entries), -1).clone()
    flat[torch.arange(len(entries)), entries] = 0.0
    return {**stacked, name: flat.reshape(stacked[name].shape)}
