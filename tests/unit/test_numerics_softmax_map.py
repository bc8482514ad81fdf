"""The reduced map against what is known of it in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from orrery.numerics import softmax_map
from orrery.systems.system import Runs
from orrery.training.build import build_system

FRACTIONS = np.array([39, 40, 41]) / 120


def test_the_fixed_point_and_its_loss() -> None:
    fixed = softmax_map.fixed_point(FRACTIONS)
    assert softmax_map.step(fixed, 7.0, FRACTIONS) == pytest.approx(fixed, abs=1e-14)
    entropy = -float(FRACTIONS @ np.log(FRACTIONS))
    assert float(softmax_map.loss(fixed + 300, FRACTIONS)) == pytest.approx(entropy, abs=1e-13)
    assert round(entropy, 4) == 1.0984


def test_curvatures_and_the_bound_of_stability() -> None:
    assert softmax_map.curvatures(FRACTIONS) == pytest.approx([0, 0.328452, 0.338076], abs=5e-7)
    assert softmax_map.stability_bound(FRACTIONS) == pytest.approx(5.9158, abs=5e-5)
    assert softmax_map.stability_bound(np.full(3, 1 / 3)) == pytest.approx(6)


def test_exponents_at_the_fixed_point() -> None:
    path = np.broadcast_to(softmax_map.fixed_point(FRACTIONS), (1, 400, 3))
    found, residual = softmax_map.exponents_along(path, 5.0)
    exact = np.sort(np.log(np.abs(1 - 5 * softmax_map.curvatures(FRACTIONS))))[::-1]
    assert found[0] == pytest.approx(exact, abs=2e-3)
    assert found[0] == pytest.approx([0, -0.3705, -0.4428], abs=2e-3)
    assert residual[0] < 1e-12


@pytest.mark.parametrize(("rate", "stable"), [(5.9, True), (5.93, False)])
def test_the_plateau_loses_its_stability_at_the_bound(rate: float, stable: bool) -> None:
    generator = np.random.default_rng(0)
    away = generator.standard_normal((8, 3))
    away -= away.mean(axis=1, keepdims=True)
    away *= 1e-6 / np.linalg.norm(away, axis=1, keepdims=True)
    fixed = softmax_map.fixed_point(FRACTIONS)
    ends = softmax_map.after(fixed + away, rate, FRACTIONS, 5000)
    distances = np.linalg.norm(ends - fixed, axis=1)
    assert (distances < 1e-12).all() if stable else (distances > 1e-2).all()


def test_the_jacobian_is_the_derivative_and_leaves_the_neutral_direction() -> None:
    generator = np.random.default_rng(1)
    logits, change = generator.standard_normal((2, 5, 3)) * 2
    moved = softmax_map.step(logits + 1e-6 * change, 15.0, FRACTIONS) - softmax_map.step(
        logits - 1e-6 * change, 15.0, FRACTIONS
    )
    jacobians = softmax_map.jacobian(logits, 15.0)
    assert np.einsum("rij,rj->ri", jacobians, change) == pytest.approx(moved / 2e-6, abs=1e-8)
    assert jacobians @ np.ones(3) == pytest.approx(np.ones((5, 3)), abs=1e-14)


def test_sums_are_conserved_and_exponents_obey_the_sum_rule() -> None:
    generator = np.random.default_rng(2)
    rates = np.array([[10.0], [15.0], [20.0], [25.0]])
    starts = softmax_map.after(generator.standard_normal((4, 3)), rates, FRACTIONS, 500)
    path = softmax_map.iterate(starts, rates, FRACTIONS, 1000)
    assert path.sum(axis=2) == pytest.approx(np.repeat(path[:, :1].sum(axis=2), 1001, axis=1), abs=1e-11)
    found, residual = softmax_map.exponents_along(path, rates)
    assert residual.max() < 1e-11
    assert (np.abs(found) == 0).any(axis=1).all()


def test_two_classes_are_a_map_of_one_difference() -> None:
    """d = z_1 - z_2 obeys d' = d - 2 r (sigmoid d - f_1): its derivative along the path is the exponent."""
    fractions, rate = np.array([0.4, 0.6]), 12.0
    path = softmax_map.iterate(np.array([[0.7, -0.7]]), rate, fractions, 2000)
    share = 1 / (1 + np.exp(-(path[0, :-1, 0] - path[0, :-1, 1])))
    exact = np.log(np.abs(1 - 2 * rate * share * (1 - share))).mean()
    found, _ = softmax_map.exponents_along(path, rate)
    assert sorted(found[0]) == pytest.approx(sorted([0.0, exact]), abs=1e-10)


def test_periods() -> None:
    time = np.arange(120)
    series = np.array(
        [np.zeros(120), time % 3, np.where(time % 6 < 5, time % 3, 2.1), np.sin(time), time % 40]
    )
    assert softmax_map.periods(series, 32, 1e-6).tolist() == [1, 3, 6, 0, 0]


def test_it_is_the_map_that_is_a_system() -> None:
    condition = {
        "system": {"kind": "softmax-map", "effective_rate": 15.0, "fractions": [39, 40, 41]},
        "training": {"dtype": "float64"},
    }
    system = build_system(condition, None, torch.device("cpu"))
    runs = Runs((0, 1, 2), (0, 0, 0))
    state = system.initial(runs)
    for step in range(10):
        logits = state["logits"].numpy()
        state, found = system.advance(state, system.batch(runs, step), step)
        assert softmax_map.step(logits, 15.0, FRACTIONS) == pytest.approx(state["logits"].numpy(), abs=1e-12)
        assert softmax_map.loss(logits, FRACTIONS) == pytest.approx(found["loss"].numpy(), abs=1e-12)
