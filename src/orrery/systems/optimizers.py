"""Optimizers as pure functions of weights, gradient and buffers, batched over runs, with the semantics of torch.optim.

Rates and decays are numbers, or tensors with one number per run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from orrery.systems.gradients import Gradient, over_runs
from orrery.systems.network_settings import Adam, AdamW, Adaptive, AnyOptimizer, Momentum, Nesterov, Sgd

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.gradients import Number

    Weights = Float[torch.Tensor, " run *shape"]
    Buffers = tuple[Float[torch.Tensor, " run *shape"], ...]
    Update = Callable[[Weights, Gradient, Buffers, Number, int], tuple[Weights, Buffers]]


@dataclass(frozen=True)
class Optimizer:
    """What an optimizer carries along, and how it moves.

    Attributes:
        buffers: (ending of the name, role) of the tensors that it carries for each weight; they start at zero.
        update: weights, gradient, buffers, rate and the 0-based step ``t`` to new weights and buffers. The step count
            of bias corrections is ``t + 1``.
        symmetric: whether the new weights are the slope of a function of the old ones, so that the derivative of a
            step is a symmetric matrix.
        steady: whether ``update`` is the same at every step but for what it is given.
        kept: of plain descent, rate to what a step keeps of the weights before it takes off rate x gradient; ``None``
            for methods whose step is another.
        edge: rate to the eigenvalue of the Hessian of the loss above which the fixed point of a quadratic loss is
            unstable; ``None`` for methods that scale each weight by its own history.
    """

    buffers: tuple[tuple[str, str], ...]
    update: Update
    symmetric: bool = False
    steady: bool = False
    kept: Callable[[float], float] | None = None
    edge: Callable[[float], float] | None = None


def optimizer_of(settings: AnyOptimizer) -> Optimizer:
    """The optimizer of these settings."""
    match settings:
        case AdamW():
            return _adam(settings, decoupled=True)
        case Adam():
            return _adam(settings, decoupled=False)
        case Nesterov():
            return _momentum(settings.momentum, settings.weight_decay, nesterov=True)
        case Momentum():
            return _momentum(settings.momentum, settings.weight_decay, nesterov=False)
        case Sgd():
            return _sgd(settings.weight_decay)
    raise TypeError(f"no optimizer for {type(settings).__name__}")


def _moved(weights: torch.Tensor, direction: torch.Tensor, rate: Number) -> torch.Tensor:
    if isinstance(rate, torch.Tensor):
        return weights - over_runs(rate, weights) * direction
    return torch.sub(weights, direction, alpha=rate)


def _decayed(gradient: Gradient, weights: torch.Tensor, decay: float) -> torch.Tensor:
    return gradient.added_to(weights, decay, 1.0) if decay else gradient.dense()


def _sgd(decay: float) -> Optimizer:
    def update(
        weights: torch.Tensor, gradient: Gradient, buffers: Buffers, rate: Number, t: int
    ) -> tuple[torch.Tensor, Buffers]:
        return gradient.added_to(weights, 1 - rate * decay if decay else 1, -rate), ()

    return Optimizer(
        (),
        update,
        symmetric=True,
        steady=True,
        kept=lambda rate: 1 - rate * decay,
        edge=lambda rate: 2 / rate - decay,
    )


def _momentum(momentum: float, decay: float, nesterov: bool) -> Optimizer:
    def update(
        weights: torch.Tensor, gradient: Gradient, buffers: Buffers, rate: Number, t: int
    ) -> tuple[torch.Tensor, Buffers]:
        (velocity,) = buffers
        if nesterov:
            slope = _decayed(gradient, weights, decay)
            velocity = torch.add(slope, velocity, alpha=momentum)
            return _moved(weights, torch.add(slope, velocity, alpha=momentum), rate), (velocity,)
        if decay:
            velocity = gradient.added_to(torch.add(velocity * momentum, weights, alpha=decay), 1, 1.0)
        else:
            velocity = gradient.added_to(velocity, momentum, 1.0)
        return _moved(weights, velocity, rate), (velocity,)

    # A root of the characteristic polynomial at an eigenvalue h leaves the unit circle at -1: Cohen et al., Gradient
    # descent on neural networks typically occurs at the edge of stability, arXiv 2103.00065, appendix on momentum.
    reach = (1 + momentum) / (1 + 2 * momentum) if nesterov else 1 + momentum
    return Optimizer(
        (("momentum", "momentum"),), update, steady=True, edge=lambda rate: 2 * reach / rate - decay
    )


def _adam(settings: Adaptive, decoupled: bool) -> Optimizer:
    first, second = settings.betas
    decay, epsilon = settings.weight_decay, settings.epsilon

    def update(
        weights: torch.Tensor, gradient: Gradient, buffers: Buffers, rate: Number, t: int
    ) -> tuple[torch.Tensor, Buffers]:
        mean, square = buffers
        if decoupled:
            slope = gradient.dense()
            weights = weights * over_runs(1 - rate * decay, weights) if decay else weights
        else:
            slope = _decayed(gradient, weights, decay)
        mean = torch.lerp(mean, slope, 1 - first)
        square = torch.addcmul(square * second, slope, slope, value=1 - second)
        # The square root has no slope at zero, and its tangent would be NaN where a gradient has always been zero.
        # The bound is far below epsilon, so it changes no weight.
        root = square.clamp_min(torch.finfo(square.dtype).tiny).sqrt()
        direction = mean / (root / math.sqrt(1 - second ** (t + 1)) + epsilon)
        return _moved(weights, direction, rate / (1 - first ** (t + 1))), (mean, square)

    return Optimizer((("first-moment", "momentum"), ("second-moment", "second-moment")), update)
