"""What a network makes of inputs: the same as training sees, for shared inputs and for each run's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from orrery.data.api import Dataset
from orrery.numerics.streams import Streams
from orrery.systems.network import Settings, build
from orrery.systems.system import Runs, System

RUNS = Runs((0, 1, 2), (0, 0, 0))


class Own(torch.nn.Module):
    """A module of one's own with the function of the fully connected network."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(3, 5)
        self.fc2 = torch.nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.fc2(torch.tanh(self.fc1(x)))


def system_of(network: dict[str, Any]) -> System:
    rng = np.random.default_rng(4)
    inputs, labels = rng.normal(size=(8, 3)), np.arange(8) % 2
    dataset = Dataset(
        train_inputs=inputs,
        test_inputs=inputs,
        train_labels=labels,
        test_labels=labels,
        class_names=("a", "b"),
    )
    settings = Settings.model_validate(
        {"network": network, "optimizer": {"kind": "sgd", "rate": 0.1}, "batches": {"kind": "full"}}
    )
    return build(
        settings, dataset=dataset, dtype=torch.float64, device=torch.device("cpu"), streams=Streams()
    )


MLP = {"kind": "mlp", "hidden": [5], "activation": "tanh"}
MODULES = [{"kind": "module", "path": f"{__name__}.Own", "batching": way} for way in ("vmap", "loop")]


@pytest.mark.parametrize("network", [MLP, *MODULES])
def test_shared_inputs_and_inputs_of_each_run_agree(network: dict[str, Any]) -> None:
    system = system_of(network)
    assert system.forward is not None
    state = system.initial(RUNS)
    inputs = torch.randn(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    each = system.forward.last_layer(state, inputs)
    assert each.shape == (3, 2, 4)
    for run in range(3):
        shared = system.forward.last_layer(state, inputs[run : run + 1])
        torch.testing.assert_close(shared[run], each[run], rtol=1e-14, atol=1e-14)


def test_local_fields_lead_to_the_last_layer() -> None:
    system = system_of(MLP)
    forward = system.forward
    assert forward is not None
    assert forward.local_fields is not None
    assert forward.activation == "tanh"
    state = system.initial(RUNS)
    inputs = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(1, 4, 3)
    (fields,) = forward.local_fields(state, inputs)
    expected = torch.einsum("rof,sf->ros", state["fc1.weight"], inputs[0]) + state["fc1.bias"][:, :, None]
    torch.testing.assert_close(fields, expected, rtol=1e-14, atol=1e-14)
    above = torch.bmm(state["fc2.weight"], torch.tanh(fields)) + state["fc2.bias"][:, :, None]
    torch.testing.assert_close(forward.last_layer(state, inputs), above, rtol=1e-14, atol=1e-14)


def test_a_module_does_not_say_its_local_fields() -> None:
    forward = system_of(MODULES[0]).forward
    assert forward is not None
    assert forward.local_fields is None
