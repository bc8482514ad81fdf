"""The binary cross-entropy: torch's, and to full precision where torch's gradient rounds to nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.unit.test_systems_network import make, reference, weights_only
from tests.unit.test_systems_step_noise import targets_of_numbers

from orrery.config.errors import OrreryError
from orrery.systems.losses import Loss, loss_of
from orrery.systems.network_settings import BinaryCrossEntropy, Mse
from orrery.systems.system import Runs

RUNS = Runs.product((1, 2))


@pytest.mark.parametrize("reduction", ["mean", "sum", "sample-mean"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_steps_equal_torch(reduction: str, outputs: int) -> None:
    loss: dict[str, Any] = {"kind": "binary-cross-entropy", "reduction": reduction, "factor": 0.5}
    system = make(data=targets_of_numbers(outputs), loss=loss, optimizer={"kind": "sgd", "rate": 1.0})
    state = system.initial(RUNS)
    batch = system.batch(RUNS, 0)
    after, told = system.advance(state, batch, 0)
    module = reference(weights_only(state), 1, "relu", True)
    logits = module(batch["inputs"][1])
    value = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch["targets"][1], reduction="sum")
    value = 0.5 * value / {"mean": 8 * outputs, "sum": 1, "sample-mean": 8}[reduction]
    assert float(value.detach()) == pytest.approx(float(told["loss"][1]), rel=1e-12)
    value.backward()
    for (name, before), parameter in zip(weights_only(state).items(), module.parameters(), strict=True):
        assert float((after[name][1] - (before[1] - parameter.grad)).abs().max()) < 1e-12
    shown = system.observables["outputs"][1](state)
    assert bool(((shown > 0) & (shown < 1)).all())
    # The loss of all samples, and the one of a single run, are the same function.
    data = targets_of_numbers(outputs)
    every = reference(weights_only(state), 1, "relu", True)(torch.tensor(data.train_inputs))
    targets = torch.tensor(data.train_targets)
    function = loss_of(BinaryCrossEntropy.model_validate(loss))
    whole = float(function.value(every.detach(), targets))
    assert float(system.metrics["train_loss"](state)[1]) == pytest.approx(whole, rel=1e-12)
    right = ((every > 0) == (targets > 0.5)).double().mean()
    assert float(system.metrics["train_accuracy"](state)[1]) == pytest.approx(float(right))


@pytest.mark.parametrize("far", [-700.0, -45.0, -3.0, 0.0, 3.0, 45.0, 700.0])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_loss_and_gradient_far_from_the_decision(far: float, target: float) -> None:
    layer = torch.full((1, 1, 1, 1), far, dtype=torch.float64)
    value, slope = Loss("binary", "sigmoid", "sum", 1.0).value_and_gradient(
        layer, torch.full_like(layer, target)
    )
    # How far the layer is on the wrong side of the target.
    wrong = far if target == 0 else -far
    expected = math.log1p(math.exp(wrong)) if wrong < 0 else wrong + math.log1p(math.exp(-wrong))
    error = 1 / (1 + math.exp(-wrong)) if wrong > 0 else math.exp(wrong) / (1 + math.exp(wrong))
    assert float(value) == pytest.approx(expected, rel=1e-14, abs=0)
    assert float(slope) == pytest.approx(error if target == 0 else -error, rel=1e-14, abs=0)
    assert float(slope) != 0


def test_targets_between_zero_and_one_and_no_others() -> None:
    data = targets_of_numbers()
    loss = {"kind": "binary-cross-entropy"}
    assert "train_accuracy" in make(data=data, loss=loss).metrics
    data.train_targets = data.train_targets * 0.5
    assert "train_accuracy" not in make(data=data, loss=loss).metrics
    data.train_targets = data.train_targets - 0.1
    with pytest.raises(OrreryError, match="needs targets between 0 and 1"):
        make(data=data, loss=loss)


def test_summed_squares_of_a_logistic_output_have_no_factor_of_one_half() -> None:
    """The loss of the response note, L = sum (y - f)^2, and its gradient by u, 2 (f - y) f (1 - f)."""
    loss = loss_of(Mse(reduction="sum", link="sigmoid"))
    layer = torch.tensor([0.3, -1.2], dtype=torch.float64).reshape(1, 1, 1, 2)
    targets = torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, 1, 1, 2)
    value, slope = loss.value_and_gradient(layer, targets)
    f = torch.sigmoid(layer)
    assert float(value) == pytest.approx(float(((f - targets) ** 2).sum()), rel=1e-15)
    torch.testing.assert_close(slope, 2 * (f - targets) * f * (1 - f), rtol=1e-15, atol=0)
