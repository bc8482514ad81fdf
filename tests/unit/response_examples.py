"""Networks of one hidden layer in the units of the response law, for the tests of probes and kernels."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from orrery.numerics.streams import Streams
from orrery.systems.network import Settings, build
from orrery.systems.system import Runs, System

MSE = {"kind": "mse", "reduction": "sum", "link": "sigmoid"}
BINARY = {"kind": "binary-cross-entropy", "reduction": "sum"}
LINEAR = {"kind": "mse", "reduction": "sum"}


def samples(inputs: np.ndarray, targets: np.ndarray) -> SimpleNamespace:
    """A dataset with numbers as targets, the same for training and test."""
    return SimpleNamespace(
        train_inputs=inputs,
        train_targets=targets,
        test_inputs=inputs,
        test_targets=targets,
        class_names=(),
    )


def described(units: int, activation: str, loss: dict[str, Any], rate: float, **more: Any) -> dict[str, Any]:
    """Settings of a network of one hidden layer, or of several where ``hidden`` says so."""
    network = {"kind": "mlp", "hidden": [units], "activation": activation, **more}
    return {
        "kind": "network",
        "network": network,
        "loss": loss,
        "optimizer": {"kind": "sgd", "rate": rate},
        "batches": {"kind": "full"},
    }


def system_of(
    units: int,
    activation: str = "relu",
    loss: dict[str, Any] | None = None,
    *,
    rate: float = 0.01,
    inputs: np.ndarray | None = None,
    targets: np.ndarray | None = None,
    **more: Any,
) -> System:
    """A network that learns y = 1 at x = 0.3, or other samples."""
    x = np.array([[0.3]]) if inputs is None else inputs
    y = np.array([[1.0]]) if targets is None else targets
    settings = Settings.model_validate(described(units, activation, loss or MSE, rate, **more))
    return build(
        settings, dataset=samples(x, y), dtype=torch.float64, device=torch.device("cpu"), streams=Streams()
    )


def started(system: System, runs: int, spread: float | None = None) -> dict[str, torch.Tensor]:
    """Kinks uniform in [-1, 1], weights of the last layer N(0, 1/N) or of a spread, its bias zero."""
    state = system.initial(Runs.product(range(runs)))
    generator = np.random.default_rng(0)
    first = state["fc1.weight"].shape
    weights = generator.standard_normal(first)
    state["fc1.weight"] = torch.from_numpy(weights)
    if "fc1.bias" in state:
        state["fc1.bias"] = torch.from_numpy(np.abs(weights[:, :, 0]) * generator.uniform(-1, 1, first[:2]))
        state["fc2.bias"] = torch.zeros_like(state["fc2.bias"])
    last = state["fc2.weight"].shape
    scale = last[2] ** -0.5 if spread is None else spread
    state["fc2.weight"] = torch.from_numpy(generator.standard_normal(last) * scale)
    return state
