"""The starts of the notes: kinks, single tensors, He's, and the large norm of grokking."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats
from tests.unit.test_systems_network import dataset, make, weights_only
from tests.unit.test_systems_step_noise import targets_of_numbers

from orrery.config.errors import OrreryError
from orrery.systems.system import Runs, System

RUNS = Runs.product((1, 2), 2)
UNITS = 2000


def on_a_line(initialisation: dict[str, Any], **network: Any) -> System:
    data = targets_of_numbers()
    data.train_inputs, data.test_inputs = data.train_inputs[:, :1], data.test_inputs[:, :1]
    return make(
        data=data,
        loss={"kind": "mse"},
        network={"kind": "mlp", "hidden": [UNITS], **network},
        initialisation=initialisation,
    )


def uniform(values: torch.Tensor) -> float:
    """The chance that as uneven a sample is of the uniform distribution from -1 to 1."""
    return float(stats.kstest(values.numpy().ravel(), "uniform", (-1, 2)).pvalue)


def normal(values: torch.Tensor, deviation: float) -> float:
    return float(stats.kstest(values.numpy().ravel(), "norm", (0, deviation)).pvalue)


@pytest.mark.parametrize(("spread", "deviation"), [({}, 1 / np.sqrt(UNITS)), ({"spread": 0.5}, 0.5)])
def test_kinks_are_uniform_between_minus_one_and_one(spread: dict[str, float], deviation: float) -> None:
    state = on_a_line({"kind": "kinks", **spread}).initial(RUNS)
    slopes, biases = state["fc1.weight"][::2, :, 0], state["fc1.bias"][::2]
    assert uniform(-biases / slopes) > 0.01
    assert normal(slopes, 1) > 0.01
    assert normal(state["fc2.weight"][::2], deviation) > 0.01
    assert not state["fc2.bias"].any()
    assert torch.equal(state["fc1.bias"][0], state["fc1.bias"][1])
    assert not torch.equal(state["fc1.bias"][0], state["fc1.bias"][2])
    # Signs of slopes and places of kinks are independent.
    assert abs(float(np.corrcoef(slopes.sign().ravel(), (biases / slopes.abs()).ravel())[0, 1])) < 0.05


def test_single_tensors_start_otherwise() -> None:
    plain = on_a_line({"kind": "normal"})
    other = on_a_line({"kind": "normal", "tensors": {"fc2.weight": {"kind": "normal", "spread": 0.5}}})
    before, after = plain.initial(RUNS), other.initial(RUNS)
    for name, tensor in weights_only(before).items():
        assert torch.equal(tensor, after[name]) == (name != "fc2.weight")
    torch.testing.assert_close(after["fc2.weight"], 0.5 * before["fc2.weight"], rtol=1e-15, atol=0)
    # The start of the note for many inputs: c ~ N(0, 1/d), b ~ U(-1, 1), a ~ N(0, 1/N), no bias of the output.
    many = make(
        data=dataset(features=20),
        network={"kind": "mlp", "hidden": [UNITS]},
        initialisation={
            "kind": "normal-fan-in",
            "tensors": {"fc1.bias": {"kind": "uniform"}, "fc2.bias": {"kind": "zero"}},
        },
    ).initial(RUNS)
    assert normal(many["fc1.weight"][::2], 1 / np.sqrt(20)) > 0.01
    assert uniform(many["fc1.bias"][::2]) > 0.01
    assert normal(many["fc2.weight"][::2], 1 / np.sqrt(UNITS)) > 0.01
    assert not many["fc2.bias"].any()


def test_tensors_count_though_all_else_is_the_module_s_own() -> None:
    module = {"kind": "module", "path": "tests.unit.test_systems_step_noise.Linear"}
    plain = make(network=module).initial(RUNS)
    found = make(network=module, initialisation={"tensors": {"layer.bias": {"kind": "zero"}}}).initial(RUNS)
    assert torch.equal(found["layer.weight"], plain["layer.weight"])
    assert plain["layer.bias"].any()
    assert not found["layer.bias"].any()


def test_he_normal_keeps_the_size_of_fields_of_relu_layers() -> None:
    system = make(
        data=dataset(features=300),
        network={"kind": "mlp", "hidden": {"layers": 4, "width": 300}},
        initialisation={"kind": "normal-fan-in", "spread": 1.4142135623730951, "biases": "zero"},
    )
    state = system.initial(RUNS)
    assert float(state["fc3.weight"].std()) == pytest.approx(np.sqrt(2 / 300), rel=0.01)
    assert not any(state[f"fc{number}.bias"].any() for number in range(1, 6))
    assert system.forward is not None
    assert system.forward.local_fields is not None
    fields = system.forward.local_fields(state, torch.randn(1, 200, 300, dtype=torch.float64))
    sizes = [float((layer**2).mean().sqrt()) for layer in fields]
    assert all(size == pytest.approx(np.sqrt(2), rel=0.15) for size in sizes)


def test_the_large_start_of_grokking_and_its_steps_are_those_of_torch() -> None:
    """Omnigrok's setting: all of PyTorch's start times 8, biases too; AdamW, squares on one-hot targets."""
    settings: dict[str, Any] = {
        "network": {"kind": "mlp", "hidden": [20, 20]},
        "loss": {"kind": "mse"},
        "optimizer": {"kind": "adamw", "rate": 1e-3, "weight_decay": 0.01},
    }
    large = make(initialisation={"scale": 8.0}, **settings)
    state = large.initial(RUNS)
    for name, tensor in weights_only(make(**settings).initial(RUNS)).items():
        assert torch.equal(state[name], 8 * tensor)
        if name.endswith("bias"):
            assert tensor.any()
    layers = [torch.nn.Linear(*sizes, dtype=torch.float64) for sizes in ((7, 20), (20, 20), (20, 3))]
    module = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    for parameter, tensor in zip(module.parameters(), weights_only(state).values(), strict=True):
        parameter.data.copy_(tensor[2])
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.01)
    for t in range(20):
        batch = large.batch(RUNS, t)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(module(batch["inputs"][1]), batch["targets"][1]).backward()
        optimizer.step()
        state = large.step(state, batch, t)
    for parameter, tensor in zip(module.parameters(), weights_only(state).values(), strict=True):
        torch.testing.assert_close(tensor[2], parameter.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("initialisation", "network", "words"),
    [
        ({"kind": "kinks"}, {"hidden": [4, 4]}, "'kinks' is for one hidden layer with biases over one input"),
        ({"kind": "kinks"}, {"bias": False}, "'kinks' is for one hidden layer"),
        ({"tensors": {"fc3.weight": {"kind": "zero"}}}, {}, "no tensor 'fc3.weight' to draw; did you mean"),
        (
            {"tensors": {"bn1.weight": {"kind": "zero"}}},
            {"normalisation": {"kind": "batch"}},
            "no tensor 'bn1",
        ),
        ({"tensors": {"fc1.bias": {"kind": "zero", "spread": 1}}}, {}, "'spread' has no meaning for 'zero'"),
    ],
)
def test_starts_that_do_not_fit_are_one_sentence(initialisation: dict, network: dict, words: str) -> None:
    with pytest.raises((ValidationError, OrreryError), match=words):
        on_a_line(initialisation, **network)


def test_kinks_over_many_inputs_are_one_sentence() -> None:
    data: SimpleNamespace = dataset()
    with pytest.raises(OrreryError, match="over one input"):
        make(data=data, network={"kind": "mlp", "hidden": [4]}, initialisation={"kind": "kinks"})
