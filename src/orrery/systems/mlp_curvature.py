"""Products of the Hessian of a plain network with directions, in closed form.

Along a direction every quantity of the way there and of the way back changes at a rate that follows from the chain
rule: the R-operator of Pearlmutter, Neural Computation 6, 147 (1994). It is exact, forms nothing of the size of the
Hessian, and takes three products with the inputs, where differentiating the step twice takes five. All directions of a
run are one batch: layers of rates are ``(run, unit, direction, sample)``, so that a product with what directions share
is one product of matrices for each run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from orrery.systems.losses import Loss
from orrery.systems.mlp_settings import Mlp

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.mlp import StackedMlp
    from orrery.systems.system import Batch, State

    Layer = Float[torch.Tensor, "run unit sample"]
    Rates = Float[torch.Tensor, "run unit direction sample"]

# Of an activation h = f(u): f' and f''/f', both from h, where that determines them.
SLOPES: dict[str, tuple[Callable[[Layer], Layer], Callable[[Layer], Layer]]] = {
    "tanh": (lambda h: 1 - h * h, lambda h: -2 * h),
    "sigmoid": (lambda h: h * (1 - h), lambda h: 1 - 2 * h),
    "relu": (lambda h: (h > 0).to(h.dtype), torch.zeros_like),
    "identity": (torch.ones_like, torch.zeros_like),
}


def has_curvature(settings: Mlp, loss: Loss) -> bool:
    """Whether the closed form is known for a network and a loss; all others are differentiated automatically."""
    plain = not settings.residual and not settings.dropout and settings.normalisation is None
    linked = (loss.kind, loss.link) in (
        ("squares", "identity"),
        ("likelihood", "log-softmax"),
        ("binary", "sigmoid"),
    )
    return plain and linked and settings.activation in SLOPES


def curvature(network: StackedMlp, activation: str, state: State, batch: Batch, directions: State) -> State:
    """The derivative of the gradient of the batch loss along directions: ``H v`` for each of them.

    The second derivative of ReLU counts as zero.

    Args:
        network: for which :func:`has_curvature` holds.
        activation: of its hidden layers.
        state: tensors ``(run, *shape)``.
        batch: as :meth:`StackedMlp.differentiate` takes it.
        directions: tensors ``(run, direction, *shape)``, one for each weight.

    Returns:
        Tensors of the names and shapes of ``directions``.
    """
    slope_of, bend_of = SLOPES[activation]
    inputs = batch["inputs"]
    hidden: list[tuple[Layer, Rates]] = []
    below, rate_below = inputs, None
    for number in range(1, network.layers + 1):
        fields = network.layer(state, number, below)
        rates = _rates(network, state, directions, number, below, rate_below)
        if number < network.layers:
            below = network.activation.forward(fields)
            rate_below = slope_of(below)[:, :, None] * rates
            hidden.append((below, rate_below))
    slope = network.value_and_slope(fields, batch["targets"])[1]
    rates = _of_loss(network.loss, fields, rates)

    found: State = {}
    for number in range(network.layers, 0, -1):
        if network.bias:
            found[f"fc{number}.bias"] = rates.sum(dim=-1).transpose(1, 2)
        if number == 1:
            found["fc1.weight"] = _with_inputs(rates, inputs).transpose(1, 2)
            break
        active, rate_active = hidden.pop()
        changed = _each(rates, active.transpose(1, 2)).transpose(1, 2)
        found[f"fc{number}.weight"] = changed + _each(rate_active, slope.transpose(1, 2)).permute(0, 2, 3, 1)
        back = state[f"fc{number}.weight"].transpose(1, 2)
        direction = directions[f"fc{number}.weight"].permute(0, 3, 1, 2)
        rates = _shared(back, rates) + _each(direction, slope)
        slope = torch.bmm(back, slope)
        first = slope_of(active)
        rates = rates * first[:, :, None] + (slope * bend_of(active))[:, :, None] * rate_active
        slope = slope * first
    return {name: found[name] for name in directions}


def _rates(
    network: StackedMlp,
    state: State,
    directions: State,
    number: int,
    below: torch.Tensor,
    rate_below: Rates | None,
) -> Rates:
    """How the fields of a layer change along each direction."""
    weight = directions[f"fc{number}.weight"].transpose(1, 2)
    if rate_below is None:
        rates = _with_inputs(weight, below.transpose(1, 2))
    else:
        rates = _each(weight, below) + _shared(state[f"fc{number}.weight"], rate_below)
    return rates + directions[f"fc{number}.bias"].transpose(1, 2)[..., None] if network.bias else rates


def _of_loss(loss: Loss, layer: Layer, rates: Rates) -> Rates:
    """How the gradient with respect to the last layer changes, from the rates of that layer."""
    weight = loss.weight(layer.shape[-1], layer.shape[-2])
    if loss.kind == "squares":
        return rates * (2 * weight)
    if loss.kind == "binary":
        return rates * (torch.sigmoid(layer) * torch.sigmoid(-layer) * weight)[:, :, None]
    shares = torch.softmax(layer, dim=1)[:, :, None]
    return shares * (rates - (shares * rates).sum(dim=1, keepdim=True)) * weight


def _with_inputs(left: Float[torch.Tensor, "run unit direction from"], right: torch.Tensor) -> torch.Tensor:
    """Rows of all runs of a group times what the group shares ``(group, from, to)``."""
    groups = right.shape[0]
    product = torch.bmm(left.reshape(groups, -1, left.shape[-1]), right)
    return product.reshape(*left.shape[:-1], right.shape[-1])


def _each(
    left: Float[torch.Tensor, "run unit direction from"], right: Float[torch.Tensor, "run from to"]
) -> Float[torch.Tensor, "run unit direction to"]:
    """Rows that belong to a direction times what its run shares."""
    return torch.bmm(left.flatten(1, 2), right).unflatten(1, left.shape[1:3])


def _shared(
    left: Float[torch.Tensor, "run unit from"], right: Float[torch.Tensor, "run from direction to"]
) -> Float[torch.Tensor, "run unit direction to"]:
    """What a run shares times layers of all its directions."""
    return torch.bmm(left, right.flatten(2)).unflatten(2, right.shape[2:])
