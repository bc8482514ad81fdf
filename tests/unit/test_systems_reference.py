"""Reference maps and flows: plain formulas, tangents by complex steps, known determinants and exponents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems import quadratic_loss, reference_flow, reference_map
from orrery.systems.system import Runs, System
from orrery.systems.tangents import check_differentiable, jacobian

CPU = torch.device("cpu")
RUNS = Runs.product(tuple(range(40)))


def make(module: Any, streams: Streams | None = None, **settings: Any) -> System:
    model = module.Settings.model_validate(settings)
    again = module.Settings.model_validate(model.model_dump(mode="json"))
    assert again == model
    system: System = module.build(
        again, dataset=None, dtype=torch.float64, device=CPU, streams=streams or Streams()
    )
    return system


def of(kind: str, **parameters: Any) -> System:
    return make(reference_map, map={"kind": kind, **parameters})


def ikeda(x: Any, y: Any) -> Any:
    s = 0.4 - 6 / (1 + x * x + y * y)
    return 1 + 0.8 * (x * np.cos(s) - y * np.sin(s)), 0.8 * (x * np.sin(s) + y * np.cos(s))


# Plain formulas that hold for complex numbers too, so that Im f(x + i h v)/h is the derivative to rounding.
FORMULAS: dict[str, tuple[dict[str, Any], Any]] = {
    "logistic": ({"rate": 3.7}, lambda x: (3.7 * x * (1 - x),)),
    "tent": ({"slope": 1.9}, lambda x: (1.9 * np.where(x.real < 0.5, x, 1 - x),)),
    "cat": (
        {},
        lambda x, y: (2 * x + y - np.floor((2 * x + y).real), x + y - np.floor((x + y).real)),
    ),
    "henon": ({"a": 1.2, "b": 0.4}, lambda x, y: (1 - 1.2 * x * x + y, 0.4 * x)),
    "lozi": ({"a": 1.6, "b": 0.4}, lambda x, y: (1 - 1.6 * np.where(x.real < 0, -x, x) + y, 0.4 * x)),
    "ikeda": ({"u": 0.8}, ikeda),
    "standard": (
        {"strength": 1.3},
        lambda x, p: tuple(
            z - 2 * np.pi * np.floor(z.real / (2 * np.pi)) for z in (x + p + 1.3 * np.sin(x), p + 1.3 * np.sin(x))
        ),
    ),
    "linear": (
        {"matrix": [[0.5, 10.0, 0.1], [0.0, 0.4, 0.2], [1.0, 0.0, -0.3]]},
        lambda x, y, z: (0.5 * x + 10 * y + 0.1 * z, 0.4 * y + 0.2 * z, x - 0.3 * z),
    ),
    "rotation": (
        {"angle": 0.7},
        lambda x, y: (x * np.cos(0.7) - y * np.sin(0.7), x * np.sin(0.7) + y * np.cos(0.7)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMULAS)
def test_steps_and_tangents_are_those_of_the_formula(kind: str) -> None:
    parameters, formula = FORMULAS[kind]
    system = of(kind, **parameters)
    check_differentiable(system, "lyapunov")
    state = system.initial(RUNS)
    for _ in range(2):
        points = state["point"].numpy()
        dimension = points.shape[1]
        expected = np.stack(
            [np.asarray(c, dtype=complex).real for c in formula(*points.T.astype(complex))], -1
        )
        found = jacobian(system, state, {}, 0).numpy()
        for column in range(dimension):
            shifted = points.astype(complex)
            shifted[:, column] += 1e-40j
            slope = np.stack(formula(*shifted.T), axis=-1).imag / 1e-40
            np.testing.assert_allclose(found[:, :, column], slope, rtol=1e-13, atol=1e-13)
        state = system.step(state, system.batch(RUNS, 0), 0)
        np.testing.assert_allclose(state["point"].numpy(), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("kind", "parameters", "determinant"),
    [
        ("cat", {}, 1.0),
        ("henon", {}, -0.3),
        ("lozi", {}, -0.5),
        ("ikeda", {"u": 0.7}, 0.49),
        ("standard", {}, 1.0),
        ("rotation", {}, 1.0),
    ],
)
def test_determinants_are_the_same_everywhere(
    kind: str, parameters: dict[str, Any], determinant: float
) -> None:
    system = of(kind, **parameters)
    state = system.initial(RUNS)
    for t in range(50):
        found = torch.linalg.det(jacobian(system, state, {}, t))
        np.testing.assert_allclose(found, determinant, rtol=1e-12)
        state = system.step(state, {}, t)


def test_wrapping_keeps_the_derivative_and_the_range() -> None:
    system = make(
        reference_map,
        map={"kind": "cat"},
        start={"kind": "given", "points": [[0.9, 0.8], [0.0, 0.0], [0.1, 0.2]]},
    )
    state = system.initial(Runs.product((0, 1, 2)))
    after = system.step(state, {}, 0)["point"]
    np.testing.assert_allclose(after, [[0.6, 0.7], [0, 0], [0.4, 0.3]], rtol=1e-14)
    matrix = torch.tensor([[2.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    assert torch.equal(jacobian(system, state, {}, 0), matrix.expand(3, 2, 2))
    system = of("standard", strength=5.0)
    state = system.initial(RUNS)
    for t in range(200):
        state = system.step(state, {}, t)
        assert bool(((state["point"] >= 0) & (state["point"] <= 2 * math.pi)).all())


def exponents(system: System, runs: Runs, align: int, steps: int) -> np.ndarray:
    """Mean of ln R_ii over the steps after ``align``, of each run, by QR at every step: an independent, plain loop."""
    state = system.initial(runs)
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(runs.count, system.size, system.size)))[0]
    sums = np.zeros((runs.count, system.size))
    for t in range(align + steps):
        frame, right = np.linalg.qr(jacobian(system, state, {}, t).numpy() @ frame)
        if t >= align:
            sums += np.log(np.abs(np.diagonal(right, axis1=1, axis2=2)))
        state = system.step(state, {}, t)
    found: np.ndarray = sums / steps
    return found


def test_exponents_that_are_known_exactly() -> None:
    golden = math.log((3 + math.sqrt(5)) / 2)
    two = Runs.product((0, 1))
    np.testing.assert_allclose(exponents(of("cat"), two, 30, 100), [[golden, -golden]] * 2, atol=1e-12)
    # Past 55 steps the orbit lies in 0, where the slope is still 2.
    np.testing.assert_allclose(exponents(of("tent"), two, 0, 80), math.log(2), rtol=1e-14)
    np.testing.assert_allclose(exponents(of("rotation"), two, 0, 20), 0, atol=1e-13)
    diagonal = of("linear", matrix=[[1.1, 0.0], [0.0, 0.8]])
    np.testing.assert_allclose(
        exponents(diagonal, two, 60, 20), [[math.log(1.1), math.log(0.8)]] * 2, atol=1e-12
    )
    single = of("linear", matrix=[[0.9]])
    np.testing.assert_allclose(exponents(single, two, 0, 20), math.log(0.9), rtol=1e-14)
    # Not normal: stretched tenfold at first, and yet both exponents are negative.
    skew = of("linear", matrix=[[0.5, 10.0], [0.0, 0.4]])
    np.testing.assert_allclose(
        exponents(skew, two, 180, 20), [[math.log(0.5), math.log(0.4)]] * 2, atol=1e-12
    )
    assert np.linalg.norm(jacobian(skew, skew.initial(two), {}, 0)[0].numpy(), 2) > 10


def test_exponents_of_the_chaotic_maps() -> None:
    many = Runs.product(tuple(range(600)))
    assert exponents(of("logistic"), many, 40, 150).mean() == pytest.approx(math.log(2), abs=0.01)
    henon = exponents(of("henon"), many, 40, 150)
    np.testing.assert_allclose(henon.mean(axis=0), [0.4192, -1.6232], atol=0.005)
    np.testing.assert_allclose(henon.sum(axis=1), math.log(0.3), atol=1e-11)


FIELDS: dict[str, Any] = {
    "lorenz": lambda t, p: [10 * (p[1] - p[0]), p[0] * (28 - p[2]) - p[1], p[0] * p[1] - 8 / 3 * p[2]],
    "rossler": lambda t, p: [-p[1] - p[2], p[0] + 0.2 * p[1], 0.2 + p[2] * (p[0] - 5.7)],
}


@pytest.mark.parametrize("kind", FIELDS)
def test_a_flow_is_followed_to_fourth_order(kind: str) -> None:
    from scipy.integrate import solve_ivp

    errors = []
    for steps in (20, 40):
        system = make(reference_flow, flow={"kind": kind}, time_step=0.4 / steps)
        runs = Runs.product((0, 1, 2))
        state = start = system.initial(runs)
        for t in range(steps):
            state = system.step(state, {}, t)
        exact = [
            solve_ivp(FIELDS[kind], (0, 0.4), point, method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
            for point in start["point"].numpy()
        ]
        errors.append(np.abs(state["point"].numpy() - exact).max())
    assert errors[1] < 2e-3
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.35)


def test_flows_contract_volume_as_they_must() -> None:
    system = make(reference_flow, flow={"kind": "lorenz"}, time_step=0.002)
    state = system.initial(RUNS)
    for t in range(500):
        state = system.step(state, {}, t)
    rate = torch.linalg.slogdet(jacobian(system, state, {}, 0)).logabsdet / 0.002
    np.testing.assert_allclose(rate, -(10 + 1 + 8 / 3), rtol=1e-6)
    system = make(reference_flow, flow={"kind": "rossler"}, time_step=0.001)
    state = system.initial(RUNS)
    for t in range(50):
        state = system.step(state, {}, t)
    middle = (state["point"][:, 0] + system.step(state, {}, 0)["point"][:, 0]) / 2
    rate = torch.linalg.slogdet(jacobian(system, state, {}, 0)).logabsdet / 0.001
    np.testing.assert_allclose(rate, 0.2 + middle - 5.7, rtol=1e-5)


def test_orbits_stay_on_their_attractors() -> None:
    for kind, bound in (("henon", 1.5), ("lozi", 2.5), ("ikeda", 20.0), ("logistic", 1.0)):
        system = of(kind)
        state = system.initial(RUNS)
        for t in range(300):
            state = system.step(state, {}, t)
        assert float(state["point"].abs().max()) <= bound, kind
    for kind, bound in (("lorenz", 60.0), ("rossler", 30.0)):
        system = make(reference_flow, flow={"kind": kind}, time_step=0.02)
        state = system.initial(RUNS)
        for t in range(800):
            state = system.step(state, {}, t)
        assert float(state["point"].abs().max()) <= bound, kind
        assert float(state["point"].std(dim=0).min()) > 0.01, kind


HESSIAN = [0.3, 1.7, -0.2]
RATE, MOMENTUM = 0.4, 0.6


@pytest.mark.parametrize(
    ("optimizer", "polynomial"),
    [
        ({"kind": "sgd"}, lambda h: [1, -(1 - RATE * h)]),
        ({"kind": "momentum", "momentum": MOMENTUM}, lambda h: [1, -(1 + MOMENTUM - RATE * h), MOMENTUM]),
        (
            {"kind": "nesterov", "momentum": MOMENTUM},
            lambda h: [1, -(1 + MOMENTUM) * (1 - RATE * h), MOMENTUM * (1 - RATE * h)],
        ),
    ],
)
def test_multipliers_of_a_quadratic_loss(optimizer: dict[str, Any], polynomial: Any) -> None:
    system = make(quadratic_loss, curvatures=HESSIAN, optimizer={**optimizer, "rate": RATE})
    runs = Runs.product((0, 3))
    state = system.initial(runs)
    expected = np.sort_complex(np.concatenate([np.roots(polynomial(h)) for h in HESSIAN]))
    for t in range(3):
        for matrix in jacobian(system, state, {}, t).numpy():
            np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(matrix)), expected, atol=1e-12)
        after, byproducts = system.advance(state, system.batch(runs, t), t)
        w = state["w"].numpy()
        np.testing.assert_allclose(byproducts["loss"], (np.array(HESSIAN) * w**2).sum(axis=1) / 2, rtol=1e-14)
        state = after
    if optimizer["kind"] == "sgd":
        start = system.initial(runs)["w"].numpy()
        np.testing.assert_allclose(state["w"], start * (1 - RATE * np.array(HESSIAN)) ** 3, rtol=1e-14)


def test_starts_are_drawn_given_or_of_a_grid() -> None:
    box = {"kind": "box", "from": [0.2, -1.0], "to": [0.3, 2.0]}
    drawn = make(reference_map, map={"kind": "henon"}, start=box).initial(Runs.product((5, 6), 2))["point"]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[1], drawn[2])
    assert bool(((drawn >= torch.tensor([0.2, -1.0])) & (drawn <= torch.tensor([0.3, 2.0]))).all())
    given = {"kind": "given", "points": [[0.1, 0.2], [0.3, 0.4]]}
    held = make(reference_map, Streams({"init": {"hold": 1}}), map={"kind": "henon"}, start=given)
    np.testing.assert_allclose(held.initial(Runs.product((0, 7)))["point"], [[0.3, 0.4]] * 2)
    grid = {"kind": "grid", "from": [0.0, 0.0], "to": [1.0, 2.0], "points": 3}
    found = make(reference_map, map={"kind": "henon"}, start=grid).initial(Runs.product((1, 3)))["point"]
    np.testing.assert_allclose(found, [[0.5, 0.0], [0.0, 1.0]])
    with pytest.raises(
        OrreryError, match="seed 2 has no start; there are 2 points, so write seeds from 0 to 1"
    ):
        make(reference_map, map={"kind": "henon"}, start=given).initial(Runs.product((2,)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"map": {"kind": "henon"}, "start": {"kind": "given", "points": [[0.1]]}}, "the system has 2"),
        ({"map": {"kind": "linear", "matrix": [[1.0, 2.0]]}}, "write a square one"),
        ({"map": {"kind": "logistic", "rate": 4.5}}, "less than or equal to 4"),
        ({"map": {"kind": "henon", "c": 1.0}}, "Extra inputs"),
        ({"map": {"kind": "henom"}}, "henon"),
        (
            {"map": {"kind": "cat"}, "start": {"kind": "box", "from": [1.0, 0.0], "to": [0.0, 1.0]}},
            "write the lower corner first",
        ),
        (
            {"map": {"kind": "cat"}, "start": {"kind": "given", "points": [[1.0, 0.0], [0.0]]}},
            "as many coordinates",
        ),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        reference_map.Settings.model_validate(settings)
