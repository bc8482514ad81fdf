"""Gradients and Hessian products of systems against automatic differentiation of a loss of PyTorch's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.unit.test_systems_maps import grid
from tests.unit.test_systems_maps import make as make_map
from tests.unit.test_systems_network import LOSSES, make, reference
from tests.unit.test_systems_tangents import after
from torch.func import functional_call

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems import bisection, dual_descent, mirror_descent, plain_descent
from orrery.systems.hessian import check_gradient, hessian, hessian_products, moved
from orrery.systems.system import Runs, System
from orrery.systems.tangents import jacobian, packed

SEEDS = (1, 2)


def dense_hessian(state: dict[str, torch.Tensor], run: int, system: System, batch, loss, activation="tanh"):
    """By torch.func.hessian of the loss of a network of torch.nn layers, weights in the order of the system."""
    module = reference(state, run, activation, bias=True)
    names = [name for name, _ in module.named_parameters()]
    shapes = [tuple(value.shape) for _, value in module.named_parameters()]
    inputs = batch["inputs"][min(run, len(batch["inputs"]) - 1)]
    targets = batch["targets"][min(run, len(batch["targets"]) - 1)]
    labels = targets.argmax(dim=1)

    def value(vector: torch.Tensor) -> torch.Tensor:
        parts, first = {}, 0
        for name, shape in zip(names, shapes, strict=True):
            count = int(np.prod(shape))
            parts[name] = vector[first : first + count].reshape(shape)
            first += count
        return loss(functional_call(module, parts, (inputs,)), labels)

    return torch.func.hessian(value)(packed(state, moved(system))[run])


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("batches", [{"kind": "full"}, {"kind": "shuffled", "size": 8}])
def test_the_hessian_is_that_of_automatic_differentiation(loss: str, batches: dict) -> None:
    system = make(
        network={"kind": "mlp", "hidden": [4], "activation": "tanh"}, loss={"kind": loss}, batches=batches
    )
    runs = Runs.product(SEEDS)
    state = after(system, runs, 3)
    batch = system.batch(runs, 3)
    found = hessian(system, state, batch, 3)
    for run in range(2):
        expected = dense_hessian(state, run, system, batch, LOSSES[loss])
        assert torch.allclose(found[run], expected, atol=1e-12)


def test_products_are_those_of_the_matrix_whatever_is_carried_along() -> None:
    system = make(optimizer={"kind": "adam", "rate": 0.01}, network={"kind": "mlp", "hidden": [5]})
    runs = Runs.product(SEEDS, 2)
    state = after(system, runs, 2)
    batch = system.batch(runs, 2)
    matrix = hessian(system, state, batch, 2)
    assert torch.allclose(matrix, matrix.transpose(1, 2), atol=1e-13)
    vectors = torch.randn(
        (4, 3, matrix.shape[1]), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    found = hessian_products(system, state, batch, 2, vectors)
    assert torch.allclose(found, vectors @ matrix, atol=1e-12)
    assert torch.allclose(found, hessian_products(system, state, batch, 2, vectors, together=2), atol=1e-14)
    weights = {component.name: state[component.name] for component in moved(system)}
    assert torch.equal(found, hessian_products(system, weights, batch, 2, vectors))


@pytest.mark.parametrize("batching", ["vmap", "loop"])
def test_a_module_has_the_hessian_of_the_same_network(batching: str) -> None:
    own = {
        "kind": "module",
        "path": "tests.unit.test_systems_modules.TwoLayers",
        "arguments": {"width": 4},
        "batching": batching,
    }
    one = make(network=own)
    other = make(network={"kind": "mlp", "hidden": [4], "activation": "tanh"})
    runs = Runs.product(SEEDS)
    state, batch = one.initial(runs), one.batch(runs, 5)
    assert torch.allclose(
        hessian(one, state, batch, 5), hessian(other, state, other.batch(runs, 5), 5), atol=1e-12
    )


def test_plain_descent_is_the_identity_less_rate_times_the_hessian() -> None:
    system = make(optimizer={"kind": "sgd", "rate": 0.07})
    runs = Runs.product(SEEDS)
    state, batch = system.initial(runs), system.batch(runs, 0)
    matrix = hessian(system, state, batch, 0)
    identity = torch.eye(system.size, dtype=torch.float64)
    assert torch.allclose(jacobian(system, state, batch, 0), identity - 0.07 * matrix, atol=1e-13)


def test_the_whole_batch_is_the_training_set() -> None:
    mini = make(batches={"kind": "shuffled", "size": 8})
    full = make(batches={"kind": "full"})
    runs = Runs.product(SEEDS)
    state = mini.initial(runs)
    assert mini.whole is not None
    assert full.gradient is not None
    whole = full.gradient(state, mini.whole(), 0)
    drawn = full.gradient(state, full.batch(runs, 7), 7)
    assert all(torch.equal(whole[name], drawn[name]) for name in whole)
    assert list(whole) != []
    assert set(whole) == {component.name for component in moved(mini)}


def one_weight(**settings: object) -> System:
    """y = w x with x^2 = 1: the Hessian of the mean squared error is 2."""
    data = SimpleNamespace(
        train_inputs=np.ones((1, 1)),
        train_targets=np.zeros((1, 1)),
        test_inputs=np.ones((1, 1)),
        test_targets=np.zeros((1, 1)),
        class_names=(),
        attributes={},
    )
    return make(
        data=data,
        network={"kind": "mlp", "hidden": [], "bias": False},
        loss={"kind": "mse"},
        batches={"kind": "full"},
        **settings,
    )


@pytest.mark.parametrize(
    "optimizer",
    [
        {"kind": "sgd"},
        {"kind": "sgd", "weight_decay": 0.5},
        {"kind": "momentum", "momentum": 0.9},
        {"kind": "momentum", "momentum": 0.3, "weight_decay": 0.5},
        {"kind": "nesterov", "momentum": 0.9},
        {"kind": "nesterov", "momentum": 0.3, "weight_decay": 0.5},
    ],
)
def test_beyond_the_edge_a_minimum_is_left(optimizer: dict) -> None:
    # The rate at which the edge is 2 is where the map of one weight loses its stability.
    low, high = 0.01, 20.0
    for _ in range(60):
        rate = (low + high) / 2
        if one_weight(optimizer={**optimizer, "rate": rate}).edge(0) > 2:
            low = rate
        else:
            high = rate
    for factor, stable in ((1 - 1e-6, True), (1 + 1e-6, False)):
        system = one_weight(optimizer={**optimizer, "rate": rate * factor})
        runs = Runs.product((1,))
        state, batch = system.initial(runs), system.batch(runs, 0)
        assert hessian(system, state, batch, 0).item() == pytest.approx(2)
        largest = torch.linalg.eigvals(jacobian(system, state, batch, 0)).abs().max().item()
        assert (largest < 1) == stable


def test_the_edge_follows_the_schedule_and_adaptive_methods_have_none() -> None:
    system = make(schedule={"kind": "step", "every": 10, "factor": 0.5})
    assert system.edge is not None
    assert [system.edge(t) for t in (0, 9, 10)] == pytest.approx([20.0, 20.0, 40.0])
    assert make(optimizer={"kind": "adam", "rate": 0.1}).edge is None


@pytest.mark.parametrize(
    ("module", "name", "second"),
    [
        (mirror_descent, "x", lambda x: 12 * x**2),
        (plain_descent, "x", lambda x: 12 * x**2),
        (dual_descent, "u", lambda u: 16 * torch.exp(4 * u)),
    ],
)
def test_descent_maps_have_the_hessian_of_their_objective(module, name: str, second) -> None:
    start = grid(0.1, 0.9, transform="log") if name == "u" else grid(0.1, 0.9)
    system = make_map(module, objective="quartic", rate=0.05, lower=0.01, start=start)
    runs = Runs.product((3, 7, 11))
    state = system.initial(runs)
    assert torch.allclose(hessian(system, state, {}, 0), torch.diag_embed(second(state[name])), atol=1e-12)
    assert (system.edge is None) == (module is mirror_descent)


def test_a_system_without_a_gradient_is_one_sentence() -> None:
    ends = {"from": [-1.0], "to": [-0.5], "points": 3}
    system = bisection.build(
        bisection.Settings.model_validate({"left": ends, "right": {"from": [0.5], "to": [1.0], "points": 3}}),
        dtype=torch.float64,
        device=torch.device("cpu"),
        streams=Streams(),
    )
    with pytest.raises(OrreryError, match="sharpness: this system has no gradient of a loss"):
        check_gradient(system, "sharpness")
