"""What a network makes of inputs of anybody's choice, for analyses that ask the network and not its trajectory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float

    from orrery.systems.losses import Loss
    from orrery.systems.system import State

    Inputs = Float[torch.Tensor, "group sample feature"]
    Layer = Float[torch.Tensor, "run output sample"]


@dataclass(frozen=True)
class Forward:
    """The forward pass of all runs. Every function is open to ``torch.func.jvp`` and to autograd.

    Inputs are ``(group, sample, feature)``: one group where all runs see the same inputs, else one per run.

    Attributes:
        last_layer: state and inputs to the last layer before the link of the loss, ``(run, output, sample)``.
        loss: what is minimised on that layer; ``loss.outputs(layer, axis=1)`` are the outputs after the link.
        local_fields: state and inputs to what each hidden layer feeds into its activation, first layer first; each
            ``(run, unit, sample)``. ``None`` where the network does not say (a module of one's own).
        activation: name of the activation behind every hidden layer; empty where there is none to name.
    """

    last_layer: Callable[[State, Inputs], Layer]
    loss: Loss
    local_fields: Callable[[State, Inputs], tuple[Layer, ...]] | None = None
    activation: str = ""
