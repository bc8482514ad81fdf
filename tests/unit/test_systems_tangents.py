"""The tangent map against finite differences, known determinants and a batch of its own."""

from __future__ import annotations

import math

import pytest
import torch
from tests.unit.test_systems_network import CPU, dataset, make

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems import bisection, tangents
from orrery.systems.system import Runs
from orrery.systems.tangents import check_differentiable, jacobian, packed, places, push, unpacked

RATE, MOMENTUM, BETAS, DECAY = 0.05, 0.8, (0.7, 0.9), 0.02


def after(system, runs: Runs, steps: int) -> dict[str, torch.Tensor]:
    state = system.initial(runs)
    for t in range(steps):
        state = system.step(state, system.batch(runs, t), t)
    return state


def test_vectors_are_states_in_the_order_of_the_components() -> None:
    system = make(optimizer={"kind": "adam", "rate": 0.1})
    runs = Runs.product((1, 2), 2)
    state = after(system, runs, 2)
    vectors = packed(state, system.components)
    assert vectors.shape == (4, system.size)
    again = unpacked(vectors, system.components)
    assert list(again) == [component.name for component in system.components]
    assert all(torch.equal(again[name], state[name]) for name in state)
    weights = places(system.components, ("weight",))
    assert torch.equal(
        vectors[:, weights][:, : state["fc1.weight"][0].numel()], state["fc1.weight"].flatten(1)
    )


def test_pushed_directions_are_central_differences() -> None:
    system = make(optimizer={"kind": "momentum", "rate": RATE})
    runs = Runs.product((1, 2), 2)
    state = after(system, runs, 3)
    batch = system.batch(runs, 3)
    vectors = torch.randn(
        (4, 3, system.size), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    found = push(system, state, batch, 3, vectors)
    assert torch.equal(found, push(system, state, batch, 3, vectors, together=2))
    at = packed(state, system.components)
    for k in range(3):
        one, other = (
            packed(
                system.step(unpacked(at + sign * 1e-6 * vectors[:, k], system.components), batch, 3),
                system.components,
            )
            for sign in (1, -1)
        )
        assert torch.allclose(found[:, k], (one - other) / 2e-6, atol=1e-7)
    assert torch.allclose(torch.einsum("rij,rkj->rki", jacobian(system, state, batch, 3), vectors), found)


@pytest.mark.parametrize("kind", ["sgd", "momentum", "nesterov", "adam", "adamw"])
@pytest.mark.parametrize("one_by_one", [0, 2**15])
def test_pushed_directions_are_single_products_in_forward_mode(
    kind: str, one_by_one: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tangents, "ONE_BY_ONE", one_by_one)
    system = make(optimizer={"kind": kind, "rate": RATE})
    runs = Runs.product((1, 2), 2)
    state = after(system, runs, 3)
    batch = system.batch(runs, 3)
    vectors = torch.randn(
        (4, 3, system.size), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    found = push(system, state, batch, 3, vectors)
    for k in range(3):
        direction = unpacked(vectors[:, k], system.components)
        moved = torch.func.jvp(lambda at: system.step(at, batch, 3), (state,), (direction,))[1]
        expected = packed(moved, system.components)
        assert (found[:, k] - expected).abs().max() <= 1e-14 * expected.abs().max()


@pytest.mark.parametrize(
    ("optimizer", "factor"),
    [
        ({"kind": "momentum", "rate": RATE, "momentum": MOMENTUM}, MOMENTUM),
        ({"kind": "adam", "rate": RATE, "betas": BETAS, "epsilon": 0.01}, BETAS[0] * BETAS[1]),
        (
            {"kind": "adamw", "rate": RATE, "betas": BETAS, "epsilon": 0.01, "weight_decay": DECAY},
            (1 - RATE * DECAY) * BETAS[0] * BETAS[1],
        ),
    ],
)
def test_the_determinant_on_the_full_state_does_not_depend_on_data(optimizer: dict, factor: float) -> None:
    system = make(optimizer=optimizer)
    runs = Runs.product((1, 2))
    state = after(system, runs, 4)
    found = torch.linalg.slogdet(jacobian(system, state, system.batch(runs, 4), 4))
    weights = len(places(system.components, ("weight", "bias")))
    assert found.logabsdet.tolist() == pytest.approx([weights * math.log(factor)] * 2, abs=1e-10)


def test_nesterov_has_the_determinant_of_plain_descent_beside_its_momentum() -> None:
    runs = Runs.product((1, 2))
    nesterov = make(optimizer={"kind": "nesterov", "rate": RATE, "momentum": MOMENTUM})
    plain = make(optimizer={"kind": "sgd", "rate": RATE})
    state = after(nesterov, runs, 4)
    batch = nesterov.batch(runs, 4)
    weights = {component.name: state[component.name] for component in plain.components}
    expected = torch.linalg.slogdet(jacobian(plain, weights, batch, 4)).logabsdet + plain.size * math.log(
        MOMENTUM
    )
    # J has I - eta (1 + mu) H and -eta mu^2, H and mu in its blocks: in its determinant the terms in mu H cancel.
    found = torch.linalg.slogdet(jacobian(nesterov, state, batch, 4)).logabsdet
    assert torch.allclose(found, expected, atol=1e-10)


def test_a_system_without_a_derivative_is_one_sentence() -> None:
    ends = {"from": [-1.0], "to": [-0.5], "points": 3}
    system = bisection.build(
        bisection.Settings.model_validate({"left": ends, "right": {"from": [0.5], "to": [1.0], "points": 3}}),
        dtype=torch.float64,
        device=CPU,
        streams=Streams(),
    )
    with pytest.raises(OrreryError, match="lyapunov: the step of this system has no derivative"):
        check_differentiable(system, "lyapunov")
    check_differentiable(make(data=dataset()), "lyapunov")
