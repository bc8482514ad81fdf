"""Hessian products in closed form against automatic differentiation of the step, and where they are not offered."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.unit.test_systems_network import make
from tests.unit.test_systems_tangents import after

from orrery.systems.hessian import hessian
from orrery.systems.system import Runs, System
from orrery.systems.tangents import curved, push

ROUNDING = 1e-13
FULL = {"kind": "full"}


def pushed_twice(system: System, *, directions: int, together: int | None = None) -> tuple[torch.Tensor, ...]:
    """Directions pushed in closed form, and by differentiating the same step; both over the largest entry."""
    runs = Runs.product((1, 2), 2)
    state = after(system, runs, 3)
    batch = system.batch(runs, 3)
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn((4, directions, system.size), generator=generator, dtype=torch.float64)
    assert system.curvature is not None
    found = push(system, state, batch, 3, vectors, together=together)
    expected = push(replace(system, curvature=None), state, batch, 3, vectors)
    # What the step changes, so that a rate that is small hides nothing.
    scale = (expected - vectors).abs().max()
    assert scale > 1e-3
    return found / scale, expected / scale


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "identity"])
@pytest.mark.parametrize("hidden", [[4], [6, 5, 3]])
@pytest.mark.parametrize("bias", [True, False])
def test_directions_are_pushed_as_by_differentiating_the_step(
    activation: str, hidden: list[int], bias: bool
) -> None:
    network = {"kind": "mlp", "hidden": hidden, "activation": activation, "bias": bias}
    found, expected = pushed_twice(make(network=network), directions=3)
    assert (found - expected).abs().max() < ROUNDING


@pytest.mark.parametrize(
    "loss",
    [
        {"kind": "cross-entropy", "reduction": "sum"},
        {"kind": "nll", "factor": 0.5},
        {"kind": "mse", "reduction": "sample-mean", "factor": 0.5},
        {"kind": "mse", "reduction": "mean"},
        {"kind": "binary-cross-entropy"},
    ],
)
@pytest.mark.parametrize("batches", [FULL, {"kind": "shuffled", "size": 8}])
def test_losses_and_batches_of_every_seed_are_followed(loss: dict, batches: dict) -> None:
    network = {"kind": "mlp", "hidden": [4], "activation": "tanh"}
    found, expected = pushed_twice(make(network=network, loss=loss, batches=batches), directions=2)
    assert (found - expected).abs().max() < ROUNDING


def test_decay_and_schedule_are_those_of_the_step() -> None:
    system = make(
        network={"kind": "mlp", "hidden": [4], "activation": "tanh"},
        optimizer={"kind": "sgd", "rate": 0.3, "weight_decay": 0.2},
        schedule={"kind": "step", "every": 2, "factor": 0.5},
    )
    assert system.descent is not None
    kept, rate = system.descent(3)
    assert (kept, rate) == (1 - 0.15 * 0.2, 0.15)
    found, expected = pushed_twice(system, directions=2)
    assert (found - expected).abs().max() < ROUNDING


def test_directions_may_be_pushed_a_few_at_a_time() -> None:
    found, expected = pushed_twice(make(batches=FULL), directions=5, together=2)
    assert (found - expected).abs().max() < ROUNDING


def test_the_products_are_those_of_the_hessian() -> None:
    system = make(network={"kind": "mlp", "hidden": [4], "activation": "tanh"}, batches=FULL)
    runs = Runs.product((1, 2))
    state = after(system, runs, 3)
    batch = system.batch(runs, 3)
    every = torch.eye(system.size, dtype=torch.float64).expand(2, -1, -1)
    found = curved(system, state, batch, every, system.components)
    assert torch.allclose(found, found.transpose(1, 2), atol=1e-13)
    assert torch.allclose(found, hessian(replace(system, curvature=None), state, batch, 3), atol=1e-13)


def test_the_hessian_goes_over_the_weights_of_a_state_that_carries_more() -> None:
    system = make(optimizer={"kind": "momentum", "rate": 0.1}, batches=FULL)
    state = after(system, Runs.product((1, 2)), 3)
    batch = system.batch(Runs.product((1, 2)), 3)
    assert system.curvature is not None
    found = hessian(system, state, batch, 3)
    assert found.shape[-1] < system.size
    assert torch.allclose(
        found,
        hessian(replace(system, curvature=None), state, batch, 3),
        rtol=0,
        atol=1e-13 * found.abs().max(),
    )


@pytest.mark.parametrize(
    "network",
    [
        {"activation": "gelu"},
        {"activation": "elu"},
        {"dropout": 0.5},
        {"hidden": [4, 4], "residual": True},
        {"normalisation": {"kind": "batch"}},
    ],
)
def test_no_closed_form_is_offered_where_none_is_known(network: dict) -> None:
    system = make(network={"kind": "mlp", "hidden": [4], "activation": "tanh", **network})
    assert system.curvature is None


def test_losses_through_a_link_and_other_optimizers_are_differentiated() -> None:
    assert make(loss={"kind": "mse", "link": "sigmoid"}).curvature is None
    assert make(optimizer={"kind": "momentum", "rate": 0.1}).descent is None
    assert make(optimizer={"kind": "adam", "rate": 0.1}).descent is None
