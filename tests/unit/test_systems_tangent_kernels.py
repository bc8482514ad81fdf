"""Tangent kernels: the closed form against automatic differentiation, the wide limit, symmetry, and the flow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.response_examples import BINARY, LINEAR, MSE, started, system_of

from orrery.config.errors import OrreryError
from orrery.systems.system import Runs
from orrery.systems.tangent_kernels import applied, by_jacobians, closed_form, jacobians, wide_limit

GRID = torch.linspace(-1, 1, 17, dtype=torch.float64)[None, :, None]
X0 = torch.tensor([[[0.3]]], dtype=torch.float64)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["relu", "elu", "tanh", "identity", "gelu", "sigmoid"])
def test_the_closed_form_is_that_of_the_derivatives(activation: str, bias: bool) -> None:
    system = system_of(40, activation, MSE, bias=bias)
    state = started(system, 3)
    closed, differentiated = closed_form(system, state, GRID), by_jacobians(system, state, GRID)
    assert float(((closed - differentiated).abs() / differentiated.abs().amax()).max()) < 1e-12
    assert closed.shape == (3, 17, 1, 17, 1)


def test_blocks_of_several_outputs_and_features_with_other_inputs_for_each_run() -> None:
    generator = np.random.default_rng(2)
    system = system_of(
        11, "tanh", MSE, inputs=generator.standard_normal((4, 3)), targets=generator.random((4, 2))
    )
    state = started(system, 3)
    inputs = torch.from_numpy(generator.standard_normal((3, 5, 3)))
    others = torch.from_numpy(generator.standard_normal((1, 4, 3)))
    closed = closed_form(system, state, inputs, others)
    assert closed.shape == (3, 5, 2, 4, 2)
    torch.testing.assert_close(closed, by_jacobians(system, state, inputs, others), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("loss", [MSE, BINARY, LINEAR], ids=["mse", "binary", "linear"])
def test_the_kernel_of_one_output_is_that_of_the_last_layer_times_two_slopes(loss: dict[str, Any]) -> None:
    system = system_of(25, "elu", loss)
    state = started(system, 2)
    forward = system.forward
    assert forward is not None
    output = forward.loss.outputs(forward.last_layer(state, GRID), axis=1)[:, 0]
    factor = output * (1 - output) if forward.loss.link == "sigmoid" else torch.ones_like(output)
    expected = factor[:, :, None] * factor[:, None, :] * closed_form(system, state, GRID)[:, :, 0, :, 0]
    found = by_jacobians(system, state, GRID, link=True)[:, :, 0, :, 0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_gram_matrices_are_symmetric_and_positive_semidefinite(outputs: int, link: bool) -> None:
    system = system_of(8, "tanh", MSE, hidden=[6, 5], targets=np.full((1, outputs), 0.5))
    state = system.initial(Runs.product(range(2)))
    gram = by_jacobians(system, state, GRID, link=link).flatten(3, 4).flatten(1, 2)
    torch.testing.assert_close(gram, gram.transpose(1, 2), rtol=0, atol=1e-13)
    values = torch.linalg.eigvalsh(gram)
    assert float(values.min()) > -1e-12 * float(values.max())


def test_derivatives_are_those_of_torch_func_for_a_deep_network() -> None:
    system = system_of(0, "elu", BINARY, hidden=[5, 4, 3], targets=np.array([[1.0, 0.0]]))
    state = system.initial(Runs.product(range(2)))
    forward = system.forward
    assert forward is not None
    for run in range(2):
        own = {name: tensor[run : run + 1] for name, tensor in state.items()}
        expected = torch.func.jacrev(lambda at: torch.sigmoid(forward.last_layer(at, GRID)))(own)
        flat = torch.cat([expected[name][0, :, :, 0].flatten(2) for name in own], dim=2).transpose(0, 1)
        found = jacobians(system, state, GRID, link=True)[run]
        torch.testing.assert_close(found, flat, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("link", [False, True])
def test_a_kernel_is_applied_without_being_formed(link: bool) -> None:
    system = system_of(0, "tanh", MSE, hidden=[6, 5], targets=np.array([[1.0, 0.0, 0.0]]))
    state = system.initial(Runs.product(range(3)))
    direction = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 3)))
    block = by_jacobians(system, state, GRID, X0, link=link)[:, :, :, 0, :]
    expected = torch.einsum("rskl,rl->rks", block, direction)
    found = applied(system, state, GRID, X0, direction, link=link)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-13)


def test_the_wide_limit() -> None:
    # Method note, section 4.3: s = 0.5, x = 0.4, x' = -0.7.
    pair = torch.tensor([[[0.4], [-0.7]]], dtype=torch.float64)
    generator = np.random.default_rng(3)

    def drawn(units: int, runs: int) -> np.ndarray:
        system = system_of(units, "relu", LINEAR)
        state = {
            "fc1.weight": torch.from_numpy(generator.standard_normal((runs, units, 1))),
            "fc1.bias": torch.from_numpy(generator.standard_normal((runs, units))),
            "fc2.weight": torch.from_numpy(0.5 * generator.standard_normal((runs, 1, units))),
            "fc2.bias": torch.zeros((runs, 1), dtype=torch.float64),
        }
        found = closed_form(system, state, pair[:, :1], pair[:, 1:])[:, 0, 0, 0, 0].numpy()
        limit = float(wide_limit(pair[0, 0], pair[0, 1], units, 0.5))
        return found / limit - 1

    assert abs(drawn(100_000, 1)[0]) < 0.01
    many = drawn(1000, 200)
    assert abs(many.mean()) < 4 * many.std(ddof=1) / np.sqrt(200)
    # One draw at 1,000 units deviates by several per cent at times; the spread itself falls with the width.
    assert many.std() < 0.1


def test_gradient_flow_follows_the_kernel() -> None:
    # df(x)/dt = -sum_i Theta(x, x_i) dl_i/df(x_i), at a state in the middle of training.
    generator = np.random.default_rng(5)
    x, y = generator.uniform(-1, 1, (6, 1)), generator.random((6, 1))
    system = system_of(15, "tanh", MSE, inputs=x, targets=y, rate=0.05)
    state = started(system, 2)
    assert system.whole is not None
    whole = system.whole()
    for t in range(20):
        state = system.step(state, whole, t)
    assert system.gradient is not None
    slope = system.gradient(state, whole, 0)
    forward = system.forward
    assert forward is not None
    values = lambda at: torch.sigmoid(forward.last_layer(at, GRID))  # noqa: E731
    flow = torch.func.jvp(values, (state,), ({name: -slope[name] for name in state},))[1][:, 0]
    error = torch.sigmoid(forward.last_layer(state, whole["inputs"]))[:, 0] - whole["targets"][:, :, 0]
    theta = by_jacobians(system, state, GRID, whole["inputs"], link=True)[:, :, 0, :, 0]
    torch.testing.assert_close(flow, -torch.einsum("rsi,ri->rs", theta, 2 * error), rtol=1e-10, atol=1e-12)


def test_a_deep_network_has_no_closed_form() -> None:
    system = system_of(0, "tanh", MSE, hidden=[3, 3])
    with pytest.raises(OrreryError, match="one hidden layer"):
        closed_form(system, system.initial(Runs.product([0])), GRID)
