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
            Batch normalisation takes its running statistics here, and dropout leaves no unit out.
        loss: what is minimised on that layer; ``loss.outputs(layer, axis=1)`` are the outputs after the link.
        local_fields: state and inputs to the fields of each hidden layer, first layer first; each ``(run, unit,
            sample)``: what goes into batch normalisation where there is one, else into the activation. ``None`` where
            the network does not say (a module of one's own).
        activation: name of the activation behind every hidden layer; empty where there is none to name.
        residual: whether every hidden layer but the first adds its input to its output.
        epsilon: of the batch normalisation before every activation, beside ``bn1.weight``, ``bn1.bias``,
            ``bn1.running_mean`` and ``bn1.running_var`` of the state; ``None`` where there is none.
        every_layer: the local fields and behind them the last layer, from one pass; ``None`` as ``local_fields`` is.
        last_layer_batch, local_fields_batch: the same where batch normalisation takes the statistics of these inputs,
            of each run by itself, instead of the running ones; ``None`` where there is no batch normalisation.
    """

    last_layer: Callable[[State, Inputs], Layer]
    loss: Loss
    local_fields: Callable[[State, Inputs], tuple[Layer, ...]] | None = None
    activation: str = ""
    residual: bool = False
    epsilon: float | None = None
    every_layer: Callable[[State, Inputs], tuple[Layer, ...]] | None = None
    last_layer_batch: Callable[[State, Inputs], Layer] | None = None
    local_fields_batch: Callable[[State, Inputs], tuple[Layer, ...]] | None = None
