"""The tangent map of plain descent against the Hessian of a three-layer network written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.hessian_blocks import ThreeLayers, central
from tests.unit.test_systems_network import dataset, make

from orrery.systems.system import Runs, System
from orrery.systems.tangents import jacobian, packed

RATE = 0.3
SIZES = [(1, 3, 1), (3, 4, 2)]
HIDDEN = ["tanh", "sigmoid"]
LINKS = ["identity", "tanh"]


def both(sizes: tuple[int, int, int], activation: str, link: str) -> tuple[System, ThreeLayers]:
    """The system and the reference on the same samples, with targets that are no fit."""
    inputs, hidden, outputs = sizes
    data = dataset(samples=24, features=inputs, classes=outputs)
    system = make(
        data=data,
        network={"kind": "mlp", "hidden": [hidden], "activation": activation},
        initialisation={"kind": "normal"},
        loss={"kind": "mse", "reduction": "sample-mean", "factor": 0.5, "link": link},
        optimizer={"kind": "sgd", "rate": RATE},
        batches={"kind": "full"},
    )
    targets = np.eye(outputs)[data.train_labels]
    return system, ThreeLayers(data.train_inputs, targets, hidden, activation, link)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize("sizes", SIZES)
def test_the_blocks_are_central_differences(sizes: tuple[int, int, int], activation: str, link: str) -> None:
    _, reference = both(sizes, activation, link)
    vector = np.random.default_rng(1).standard_normal(reference.size)
    assert np.abs(central(reference.loss, vector) - reference.gradient(vector)).max() < 1e-8
    hessian = reference.hessian(vector)
    assert np.abs(hessian - hessian.T).max() < 1e-14
    assert np.abs(central(reference.gradient, vector) - hessian).max() < 1e-7


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize("sizes", SIZES)
def test_the_tangent_map_is_that_of_the_blocks(
    sizes: tuple[int, int, int], activation: str, link: str
) -> None:
    system, reference = both(sizes, activation, link)
    runs = Runs.product((3, 5))
    state = system.initial(runs)
    # Along a run as well as at its start.
    for t in range(6):
        batch = system.batch(runs, t)
        found = jacobian(system, state, batch, t).numpy()
        after = system.step(state, batch, t)
        vectors, moved = (packed(one, system.components).numpy() for one in (state, after))
        for run, vector in enumerate(vectors):
            expected = np.eye(reference.size) - RATE * reference.hessian(vector)
            assert np.abs(found[run] - expected).max() < 1e-12
            assert np.abs((vector - moved[run]) / RATE - reference.gradient(vector)).max() < 1e-12
        state = after


def test_the_order_of_the_vector_is_that_of_the_components() -> None:
    system, reference = both((3, 4, 2), "tanh", "identity")
    assert [component.name for component in system.components] == [
        "fc1.weight",
        "fc1.bias",
        "fc2.weight",
        "fc2.bias",
    ]
    assert system.size == reference.size
    assert torch.float64 in {tensor.dtype for tensor in system.initial(Runs.product((0,))).values()}
