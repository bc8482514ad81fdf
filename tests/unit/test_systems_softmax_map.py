"""The reduced map of a saturated softmax network: fixed point, stability, and the network that it stands for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.unit.test_systems_network import make as make_network

from orrery.numerics.streams import Streams
from orrery.systems import softmax_map
from orrery.systems.system import Runs, System
from orrery.systems.tangents import jacobian

COUNTS = (39, 40, 41)
FRACTIONS = np.array(COUNTS) / 120


def make(rate: float, **settings: Any) -> System:
    model = softmax_map.Settings.model_validate(
        {"effective_rate": rate, "fractions": list(COUNTS), **settings}
    )
    return softmax_map.build(model, dtype=torch.float64, device=torch.device("cpu"), streams=Streams())


def followed(system: System, state: dict[str, torch.Tensor], steps: int) -> dict[str, torch.Tensor]:
    for t in range(steps):
        state = system.step(state, {}, t)
    return state


def test_a_step_and_its_jacobian_are_those_of_the_formula() -> None:
    system = make(7.0)
    runs = Runs.product(tuple(range(20)))
    state = system.initial(runs)
    z = state["logits"].numpy()
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    after, byproducts = system.advance(state, system.batch(runs, 0), 0)
    np.testing.assert_allclose(after["logits"], z - 7 * (p - FRACTIONS), rtol=1e-13)
    np.testing.assert_allclose(byproducts["loss"], -(FRACTIONS * np.log(p)).sum(axis=1), rtol=1e-13)
    shape, probabilities = system.observables["probabilities"]
    assert shape == (3,)
    np.testing.assert_allclose(probabilities(state), p, rtol=1e-13)
    curvature = np.einsum("rk,kl->rkl", p, np.eye(3)) - np.einsum("rk,rl->rkl", p, p)
    found = jacobian(system, state, {}, 0).numpy()
    np.testing.assert_allclose(found, np.eye(3) - 7 * curvature, atol=1e-14)
    np.testing.assert_allclose(found @ np.ones(3), 1, atol=1e-14)  # the sum of the logits is neutral
    total = followed(system, state, 1000)["logits"].sum(dim=1)
    np.testing.assert_allclose(total, z.sum(axis=1), atol=1e-10)


def at_fixed_point(distance: float) -> dict[str, torch.Tensor]:
    direction = np.array([1.0, -2.0, 1.0]) / np.sqrt(6)
    start = np.log(FRACTIONS) + distance * direction
    return {"logits": torch.tensor(start[None])}


def test_the_fixed_point_is_that_of_the_class_fractions() -> None:
    system = make(5.0)
    state = at_fixed_point(0.0)
    assert float((system.step(state, {}, 0)["logits"] - state["logits"]).abs().max()) < 1e-15
    assert float(system.metrics["loss"](state)[0]) == pytest.approx(
        -(FRACTIONS * np.log(FRACTIONS)).sum(), rel=1e-14
    )
    assert float(system.metrics["loss"](state)[0]) == pytest.approx(1.0984, abs=5e-5)
    multipliers = np.linalg.eigvalsh(jacobian(system, state, {}, 0)[0].numpy())
    curvatures = np.sort((1 - multipliers) / 5)
    np.testing.assert_allclose(curvatures, [0, 0.328452, 0.338076], atol=5e-7)
    np.testing.assert_allclose(np.sort(np.log(np.abs(multipliers)))[::-1], [0, -0.3705, -0.4428], atol=5e-5)


def test_the_plateau_loses_its_stability_where_it_must() -> None:
    def grown(rate: float) -> float:
        end = followed(make(rate), at_fixed_point(1e-6), 1000)["logits"][0].numpy()
        return float(np.linalg.norm(end - np.log(FRACTIONS))) / 1e-6

    assert grown(5.9) < 0.01  # 2/.338076 = 5.9158
    assert grown(5.93) > 50
    # 0.338076 is the largest eigenvalue; between the two thresholds only one direction grows.
    assert 2 / 0.338076 < 5.93 < 2 / 0.328452


def test_a_saturated_network_follows_the_map() -> None:
    labels = np.repeat(np.arange(3), COUNTS)
    data = SimpleNamespace(
        train_inputs=np.random.default_rng(0).normal(size=(120, 4)),
        train_labels=labels,
        test_inputs=np.zeros((3, 4)),
        test_labels=np.arange(3),
        class_names=("a", "b", "c"),
    )
    rate = 5.0
    system = make_network(
        data=data,
        network={"kind": "mlp", "hidden": [10], "activation": "sigmoid"},
        initialisation={"kind": "normal"},
        optimizer={"kind": "sgd", "rate": rate},
        batches={"kind": "full"},
    )
    runs = Runs.product(tuple(range(6)))
    state = system.initial(runs)
    saturated = torch.full((6, 10), -2000.0, dtype=torch.float64)
    for run in range(6):
        saturated[run, :run] = 2000.0  # m = run hidden units at 1, the others at 0
    state["fc1.bias"] = saturated
    m = np.arange(6)
    hidden = (saturated > 0).to(torch.float64)
    logits = torch.einsum("rkj,rj->rk", state["fc2.weight"], hidden) + state["fc2.bias"]
    for run in m:
        reduced = make(rate * (1 + int(run)))
        z = {"logits": logits[run : run + 1]}
        own = {name: values[run : run + 1] for name, values in state.items()}
        one = Runs.product((int(run),))
        for t in range(20):
            own, byproducts = system.advance(own, system.batch(one, t), t)
            z, told = reduced.advance(z, {}, t)
            # Rounding grows like any perturbation, by a factor of less than 4 in a step.
            assert float(byproducts["loss"][0]) == pytest.approx(float(told["loss"][0]), rel=1e-6), (run, t)
        assert torch.equal(own["fc1.weight"], state["fc1.weight"][run : run + 1])


def test_wrong_settings_are_told() -> None:
    with pytest.raises(ValidationError, match="the system has 3"):
        make(5.0, start={"kind": "given", "points": [[0.0, 0.0]]})
    with pytest.raises(ValidationError, match="greater than 0"):
        make(5.0, fractions=[1.0, 0.0, 2.0])
