"""Noise on inputs and weights against what is known exactly: prototypes, scales, duality, linear networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr
from tests.unit.noise_examples import classes, classifier, samples, trained

from orrery.data.api import Dataset
from orrery.numerics.crossings import amplitudes, first_crossings, within_brackets
from orrery.numerics.linearised_basins import linearised_basins, margin_deviations, margins
from orrery.numerics.streams import Streams
from orrery.systems import noise
from orrery.systems.logit_covariances import logit_covariances
from orrery.systems.noise import Kind, deviations, input_noise, noisy_weights, shares_right, weight_noise
from orrery.systems.system import System

GRID = amplitudes(1e-2, 20.0, 25)
HALF = np.array([0.5])


def prototypes(margin: float) -> tuple[System, dict[str, torch.Tensor]]:
    """Ten unit vectors, each the only sample of its class, and the linear network with logits margin x input."""
    eye = np.eye(10)
    data = Dataset(
        train_inputs=eye,
        train_labels=np.arange(10),
        test_inputs=eye,
        test_labels=np.arange(10),
        class_names=tuple("0123456789"),
    )
    system = classifier(data, hidden=(), bias=False, dtype=torch.float32)
    return system, {"fc1.weight": margin * torch.eye(10)[None]}


def constant() -> float:
    """A / s at which the right one of ten unit normals, shifted by A / s, is the largest with probability 1/2."""

    def right(ratio: float) -> float:
        return quad(lambda t: np.exp(-t * t / 2) / np.sqrt(2 * np.pi) * ndtr(t + ratio) ** 9, -12, 12)[0]

    return float(brentq(lambda ratio: right(ratio) - 0.5, 0.1, 10, xtol=1e-12))


@pytest.mark.parametrize("kind", ["inputs", "weights"])
def test_basin_of_ten_orthonormal_prototypes(kind: Kind) -> None:
    margin = 2.0
    system, state = prototypes(margin)
    inputs, labels = samples(system)

    def accuracy(at: np.ndarray, draws: int) -> np.ndarray:
        return shares_right(system, state, inputs, labels, at[None], kind, draws, [0]).mean(axis=2)

    coarse = first_crossings(GRID, accuracy(GRID, 1_000), np.ones(1), np.array([0.1]), HALF)
    fine = within_brackets(coarse.bracket, 25)[:, 0]
    # Ten samples, each with noise of its own: 1.5e5 draws at every amplitude, of which the size has an error of 0.3 %.
    size = first_crossings(fine, accuracy(fine[0], 15_000), np.ones(1), np.array([0.1]), HALF).size[0, 0]
    # Weight noise moves logit k by s std(W) xi_k, input noise by the margin x s xi_k.
    unit = float(state["fc1.weight"].std(correction=0)) if kind == "weights" else margin
    assert size * unit == pytest.approx(margin / constant(), rel=0.01)


@pytest.mark.parametrize("factors", [(4.0, 0.5, 1.0), (0.125, 64.0, 2.0)])
def test_scale_of_a_layer_changes_no_answer_under_weight_noise(factors: tuple[float, ...]) -> None:
    system = classifier(classes(4, 6, 60), (16, 12), "relu", bias=False, dtype=torch.float32)
    state = trained(system, (0, 1))
    inputs, labels = samples(system)
    at = np.tile(GRID, (2, 1))
    scaled = {name: tensor * factor for (name, tensor), factor in zip(state.items(), factors, strict=True)}
    plain, other = (
        shares_right(system, one, inputs, labels, at, "weights", 3, [0, 1]) for one in (state, scaled)
    )
    np.testing.assert_array_equal(plain, other)
    assert plain[:, 0].mean() > 0.9 > 0.5 > plain[:, -1].mean()


def test_input_noise_and_weight_noise_of_the_first_layer_are_dual() -> None:
    system = classifier(classes(4, 6, 60), (16,))
    assert system.forward is not None
    state = trained(system, (0,))
    inputs, _ = samples(system)
    x, dx = inputs[:1], torch.linspace(-0.5, 0.5, 6, dtype=torch.float64)[None]
    weight = state["fc1.weight"][0]
    # dW x = W dx.
    change = (weight @ dx[0])[:, None] * x / (x * x).sum()
    moved = {**state, "fc1.weight": (weight + change)[None]}
    by_input = system.forward.last_layer(state, (x + dx)[None])
    by_weight = system.forward.last_layer(moved, x[None])
    torch.testing.assert_close(by_input, by_weight, rtol=1e-12, atol=1e-12)
    assert (by_input - system.forward.last_layer(state, x[None])).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["inputs", "weights"])
@pytest.mark.parametrize("amplitude", [1e-3, 1e-2])
def test_deviation_of_the_margin_to_first_order(kind: Kind, amplitude: float) -> None:
    system = classifier(classes(4, 6, 40), (16, 16))
    assert system.forward is not None
    state = trained(system, (0,), 100)
    inputs, labels = (tensor[:5] for tensor in samples(system))
    found = logit_covariances(system, state, inputs)
    logits = found.logits[0].numpy()
    _, competitor = margins(logits, labels.numpy())
    predicted = amplitude * margin_deviations(getattr(found, kind)[0].numpy(), labels.numpy(), competitor)
    draws, rows = range(2000), torch.arange(5)
    if kind == "inputs":
        states = state
        shifted = inputs + amplitude * input_noise((5, 6), draws, torch.float64)
        last = system.forward.last_layer(states, shifted.reshape(1, -1, 6))[0].reshape(4, 2000, 5)
    else:
        moved = noisy_weights(system)
        spread = deviations(state, moved)
        states = {name: tensor.expand(2000, *tensor.shape[1:]) for name, tensor in state.items()}
        for one in moved:
            drawn = weight_noise(one, [0], draws, torch.float64)[0]
            states[one.name] = state[one.name] + amplitude * spread[one.name] * drawn
        last = system.forward.last_layer(states, inputs[None]).transpose(0, 1)
    margin = last[labels, :, rows] - last[torch.from_numpy(competitor), :, rows]
    np.testing.assert_allclose(margin.std(dim=1).numpy(), predicted, rtol=0.08)


def test_gradients_of_the_margin_are_those_of_a_network_written_here() -> None:
    system = classifier(classes(3, 5, 30), (7,), bias=True)
    state = trained(system, (0, 1), 50)
    inputs, _ = samples(system)
    found = logit_covariances(system, state, inputs[:4], room=300)
    for run in range(2):
        for sample in range(4):
            first, shift, second, end = (
                state[name][run] for name in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
            )
            x = inputs[sample]
            hidden = torch.tanh(first @ x + shift)
            torch.testing.assert_close(found.logits[run, sample], second @ hidden + end)
            slope = second * (1 - hidden**2)
            torch.testing.assert_close(found.inputs[run, sample], slope @ first @ (slope @ first).T)
            by_first = first.var(correction=0) * (x @ x) * (slope @ slope.T)
            by_second = second.var(correction=0) * (hidden @ hidden) * torch.eye(3, dtype=torch.float64)
            torch.testing.assert_close(found.weights[run, sample], by_first + by_second)


def test_linearised_basins_of_a_linear_network_are_exact_under_input_noise() -> None:
    system = classifier(classes(4, 6, 40), (), "identity")
    state = trained(system, (0,))
    inputs, labels = (tensor[:8] for tensor in samples(system))
    found = logit_covariances(system, state, inputs)
    normals = Streams().generator("probe", 0, "a test").standard_normal((40_000, 4))
    sizes = linearised_basins(found.logits[0].numpy(), found.inputs[0].numpy(), labels.numpy(), normals)
    assert (sizes > 0).all()
    shares = shares_right(system, state, inputs, labels, sizes[None], "inputs", 10_000, [0])[0]
    # Each sample at its own size; four standard errors of both sets of draws.
    assert np.abs(np.diagonal(shares) - 0.5).max() < 4 * np.sqrt(0.25 / 10_000 + 0.25 / 40_000)


def test_a_wrong_sample_has_no_basin_and_one_that_is_never_wrong_an_infinite_one() -> None:
    logits = np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0]])
    still = np.zeros((2, 3, 3))
    normals = np.random.default_rng(0).standard_normal((100, 3))
    found = linearised_basins(logits, still, np.zeros(2, dtype=int), normals)
    np.testing.assert_array_equal(found, [0.0, np.inf])


@pytest.mark.parametrize("kind", ["inputs", "weights"])
def test_portions_change_no_answer_and_no_noise_gives_those_without(kind: Kind) -> None:
    system = classifier(classes(3, 5, 40), (9,))
    state = trained(system, (0, 4), 30)
    inputs, labels = samples(system)
    at = np.array([[0.0, 0.3, 2.0, 50.0], [0.0, 0.5, 2.0, 50.0]])
    whole = shares_right(system, state, inputs, labels, at, kind, 5, [0, 4])
    for room in (1, 200, 3_000):
        parts = shares_right(system, state, inputs, labels, at, kind, 5, [0, 4], room=room)
        np.testing.assert_array_equal(whole, parts)
    assert system.forward is not None
    clean = (system.forward.last_layer(state, inputs[None]).argmax(dim=1) == labels).numpy()
    np.testing.assert_array_equal(whole[:, 0], clean)
    alone = {name: tensor[1:] for name, tensor in state.items()}
    np.testing.assert_array_equal(
        whole[1:], shares_right(system, alone, inputs, labels, at[1:], kind, 5, [4])
    )


def test_noise_of_the_weights_is_in_units_of_their_deviation_and_leaves_biases_alone() -> None:
    system = classifier(classes(3, 5, 40), (9,))
    moved = noisy_weights(system)
    assert [one.name for one in moved] == ["fc1.weight", "fc2.weight"]
    state = trained(system, (0, 4), 30)
    for one in moved:
        for run in range(2):
            expected = float(np.std(state[one.name][run].numpy()))
            assert float(deviations(state, moved)[one.name][run]) == pytest.approx(expected, rel=1e-12)
    first = weight_noise(moved[0], [0, 4], range(3), torch.float64)
    later = weight_noise(moved[0], [4], range(2, 3), torch.float64)
    torch.testing.assert_close(first[1:, 2:], later, rtol=0, atol=0)
    assert float((first[0] - first[1]).abs().min()) > 0


def test_what_overflows_in_single_precision_is_computed_in_double() -> None:
    system = classifier(classes(4, 6, 60), (8,) * 12, "relu", bias=False, dtype=torch.float32)
    state = trained(system, (0,), 0)
    inputs, labels = samples(system)
    at = np.array([[1e4]])
    found = shares_right(system, state, inputs, labels, at, "weights", 40, [0])
    double = classifier(classes(4, 6, 60), (8,) * 12, "relu", bias=False)
    again = {name: tensor.double() for name, tensor in state.items()}
    with pytest.MonkeyPatch.context() as patch:
        # The same draws, in the other precision.
        single = noise._normal
        patch.setattr(noise, "_normal", lambda k, s, d, t: single(k, s, d, torch.float32).double())
        exact = shares_right(double, again, inputs.double(), labels, at, "weights", 40, [0])
    np.testing.assert_array_equal(found, exact)
    assert 0.1 < found.mean() < 0.4
