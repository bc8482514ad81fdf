"""Small networks on a sine, in double precision, and where they come to rest."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch
from tests.unit.test_systems_network import make

from orrery.systems.system import Runs, System
from orrery.systems.tangents import jacobian, packed, unpacked


def sine(factor: float, count: int = 24) -> SimpleNamespace:
    """y = sin(factor pi x) on equispaced points of [-1, 1], both ends included."""
    x = np.linspace(-1, 1, count)[:, None]
    y = np.sin(factor * np.pi * x)
    return SimpleNamespace(
        train_inputs=x, train_targets=y, test_inputs=x, test_targets=y, class_names=(), attributes={}
    )


def regression(
    rate: float,
    factor: float = 1.0,
    decay: float = 0.0,
    hidden: int = 3,
    data: SimpleNamespace | None = None,
    **more: object,
) -> System:
    """1-n-1, tanh, loss 1/2N sum r^2, full batch, weights and biases N(0, 1)."""
    given = {
        "network": {"kind": "mlp", "hidden": [hidden], "activation": "tanh"},
        "initialisation": {"kind": "normal", "spread": 1.0, "biases": "drawn"},
        "loss": {"kind": "mse", "factor": 0.5, "reduction": "mean"},
        "optimizer": {"kind": "sgd", "rate": rate, "weight_decay": decay},
        "batches": {"kind": "full"},
    }
    return make(data=data or sine(factor), **{**given, **more})


def after(system: System, runs: Runs, steps: int) -> torch.Tensor:
    """States as vectors after so many steps."""
    state = system.initial(runs)
    for t in range(steps):
        state = system.step(state, system.batch(runs, t), t)
    return packed(state, system.components)


def cycle(
    system: System, runs: Runs, vectors: torch.Tensor, period: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Newton's method for w = g(g(... w)): the points near ``vectors``, and the matrices of the tangent map there."""
    batch = system.batch(runs, 0)
    identity = torch.eye(system.size, dtype=vectors.dtype)
    tangent = identity.expand(len(vectors), -1, -1)
    for _ in range(12):
        at, tangent = vectors, identity.expand(len(vectors), -1, -1)
        for t in range(period):
            state = unpacked(at, system.components)
            tangent = jacobian(system, state, batch, t) @ tangent
            at = packed(system.step(state, batch, t), system.components)
        vectors = vectors - torch.linalg.solve(tangent - identity, (at - vectors)[:, :, None])[:, :, 0]
    return vectors, tangent


def started_at(system: System, vectors: torch.Tensor) -> System:
    """The system with these starts, one for each run."""
    return replace(system, initial=lambda runs: unpacked(vectors, system.components))
