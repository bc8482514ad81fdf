"""Binary cross-entropy on outputs behind a sigmoid, against PyTorch's, and where the sigmoid rounds to 1."""

from __future__ import annotations

import pytest
import torch
from tests.unit.response_examples import BINARY, system_of

from orrery.systems.losses import loss_of
from orrery.systems.network_settings import BinaryCrossEntropy
from orrery.systems.system import Runs


@pytest.mark.parametrize("reduction", ["mean", "sum", "sample-mean"])
def test_value_and_gradient_are_those_of_torch(reduction: str) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = torch.randn((2, 3, 4, 5), generator=generator, dtype=torch.float64).requires_grad_()
    targets = torch.rand((2, 1, 4, 5), generator=generator, dtype=torch.float64)
    loss = loss_of(BinaryCrossEntropy.model_validate({"reduction": reduction, "factor": 0.5}))
    every = torch.nn.functional.binary_cross_entropy_with_logits(
        layer, targets.expand_as(layer), reduction="none"
    )
    expected = every.sum(dim=(2, 3)) * 0.5 / {"mean": 20, "sum": 1, "sample-mean": 5}[reduction]
    slope = torch.autograd.grad(expected.sum(), layer)[0]
    value, found = loss.value_and_gradient(layer.detach(), targets)
    torch.testing.assert_close(value, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(found, slope, rtol=1e-11, atol=1e-14)
    own = loss.value(layer[1, 2].T, targets[1, 0].T)
    torch.testing.assert_close(own, expected[1, 2], rtol=1e-12, atol=0)
    summed = loss.summed(layer[1], targets[1, 0]) * loss.weight(5, 4)
    torch.testing.assert_close(summed, expected[1], rtol=1e-12, atol=0)


def test_the_gradient_keeps_its_digits_where_the_output_rounds_to_one() -> None:
    loss = loss_of(BinaryCrossEntropy())
    layer = torch.full((1, 1, 1, 1), 50.0, dtype=torch.float64)
    value, slope = loss.value_and_gradient(layer, torch.ones((1, 1, 1, 1), dtype=torch.float64))
    expected = torch.exp(torch.tensor(-50.0, dtype=torch.float64))
    assert float(slope) == pytest.approx(-float(expected), rel=1e-12)
    assert float(value) == pytest.approx(float(expected), rel=1e-12)


def test_a_network_learns_numbers_as_targets_with_it() -> None:
    system = system_of(8, "tanh", BINARY, rate=0.3)
    state, losses = system.initial(Runs((0,), (0,))), []
    assert system.whole is not None
    for t in range(200):
        state, found = system.advance(state, system.whole(), t)
        losses.append(float(found["loss"]))
    assert losses[-1] < 0.05 * losses[0]
    assert float(system.metrics["train_loss"](state)) == pytest.approx(losses[-1], rel=0.1)
