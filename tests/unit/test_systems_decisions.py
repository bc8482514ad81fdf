"""Decisions and the direction that flips them: linear classifiers have their margin in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.network_examples import SIGMOID, classes, described, points, system_of

from orrery.analyses.fragility import Attack, Search
from orrery.analyses.fragility_search import attacked, largest_slope, nearest_flips
from orrery.config.errors import OrreryError
from orrery.systems.decisions import ascent, decisions, labels_of
from orrery.systems.forward import Forward
from orrery.systems.system import Runs

LINEAR = {"kind": "mlp", "hidden": [], "activation": "identity"}
WEIGHTS = torch.tensor([[0.5, -2.0, 1.0], [3.0, 0.2, -0.4]], dtype=torch.float64)
BIASES = torch.tensor([0.3, -0.1], dtype=torch.float64)


def linear(
    link: str = "sigmoid", inputs: np.ndarray | None = None
) -> tuple[Forward, dict[str, torch.Tensor]]:
    """Two linear classifiers of three features."""
    x = np.zeros((2, 3)) if inputs is None else inputs
    loss = {"kind": "mse", "link": link}
    forward = system_of(described(network=LINEAR, loss=loss), points(x, np.arange(len(x)) % 2)).forward
    assert forward is not None
    return forward, {"fc1.weight": WEIGHTS[:, None, :], "fc1.bias": BIASES[:, None]}


def test_the_attack_on_a_linear_classifier_needs_margin_over_sum_of_moduli() -> None:
    inputs = torch.from_numpy(np.random.default_rng(0).standard_normal((40, 3)))
    forward, state = linear()
    margins = inputs @ WEIGHTS.T + BIASES
    labels = (margins[:, 0] > 0).long()
    attack = Attack(sizes=(1e-3, 1.0), count=20)
    found = attacked(forward, state, inputs, labels[:, None].double(), labels, attack)
    sizes = np.geomspace(1e-3, 1, 20)
    for run in range(2):
        exact = (margins[:, run].abs() / WEIGHTS[run].abs().sum()).numpy()
        place = np.searchsorted(sizes, exact)
        expected = np.r_[sizes, np.inf][place]
        right = ((margins[:, run] > 0).long() == labels).numpy()
        np.testing.assert_array_equal(found[run, right], expected[right])
        assert np.isnan(found[run, ~right]).all()
    assert np.isinf(found).any()
    assert (~right).any()


def test_a_saturated_output_does_not_hide_the_direction() -> None:
    forward, state = linear()
    inputs = torch.tensor([[400.0, 0.0, 0.0]], dtype=torch.float64)
    targets = torch.ones(1, 1, dtype=torch.float64)
    assert float(forward.loss.outputs(forward.last_layer(state, inputs[None]), axis=1)[1]) == 1.0
    slope = ascent(forward, state, inputs[None], targets, targets[:, 0].long())
    np.testing.assert_array_equal(slope.sign()[:, 0], -WEIGHTS.sign())


@pytest.mark.parametrize(
    "loss",
    [
        SIGMOID,
        {"kind": "mse", "link": "identity"},
        {"kind": "mse", "link": "tanh"},
        {"kind": "cross-entropy"},
        {"kind": "mse", "link": "softmax"},
        {"kind": "mse", "link": "identity", "reduction": "sum"},
    ],
)
@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_the_direction_has_the_signs_of_the_gradient_of_the_loss(loss: dict[str, Any], outputs: int) -> None:
    if outputs == 1 and (loss["kind"] == "cross-entropy" or loss["link"] == "softmax"):
        return
    rng = np.random.default_rng(outputs)
    x, labels = rng.standard_normal((9, 4)), np.arange(9) % max(outputs, 2)
    dataset = points(x, labels) if outputs == 1 else classes(x, labels)
    system = system_of(
        described(loss=loss, network={"kind": "mlp", "hidden": [8], "activation": "tanh"}), dataset
    )
    assert system.forward is not None
    assert system.whole is not None
    whole = system.whole()
    targets = whole["targets"][0]
    state = system.initial(Runs.product((0, 1)))
    classes_of = labels_of(targets, "test")
    assert classes_of.tolist() == labels.tolist()
    found = ascent(system.forward, state, whole["inputs"], targets, classes_of)
    for run in range(2):
        own = {name: tensor[run : run + 1] for name, tensor in state.items()}
        for sample in range(9):
            at = whole["inputs"][0, sample].clone().requires_grad_()
            layer = system.forward.last_layer(own, at[None, None])[0].T
            (slope,) = torch.autograd.grad(system.forward.loss.value(layer, targets[sample : sample + 1]), at)
            np.testing.assert_array_equal(found[run, sample].sign(), slope.sign())


def test_one_output_decides_at_one_half_behind_its_link() -> None:
    layer = torch.tensor([[[0.4, 0.6, -0.1]]], dtype=torch.float64)
    for link, expected in (("identity", [0, 1, 0]), ("sigmoid", [1, 1, 0])):
        assert decisions(linear(link)[0], layer)[0].tolist() == expected
    many = torch.tensor([[[0.1, 3.0], [0.2, -1.0], [0.15, 2.0]]], dtype=torch.float64)
    assert decisions(linear()[0], many)[0].tolist() == [1, 0]


def test_numbers_as_targets_have_no_classes() -> None:
    assert labels_of(torch.tensor([[0.0], [1.0]]), "fragility").tolist() == [0, 1]
    for targets in (torch.tensor([[0.0], [0.5]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])):
        with pytest.raises(OrreryError, match="the targets are numbers, and a decision needs classes"):
            labels_of(targets, "fragility")


def test_the_nearest_flip_of_a_line_is_at_its_root() -> None:
    x = np.array([[-0.9], [-0.2], [0.6]])
    system = system_of(described(network=LINEAR), points(x, np.array([0, 0, 1])))
    assert system.forward is not None
    state = {
        "fc1.weight": torch.tensor([[[2.0]], [[1.0]], [[0.0]]], dtype=torch.float64),
        "fc1.bias": torch.tensor([[0.1], [-0.7], [-1.0]], dtype=torch.float64),
    }
    labels = torch.tensor([0, 0, 1])
    found = nearest_flips(system.forward, state, torch.from_numpy(x), labels, Search())
    np.testing.assert_allclose(found[0], [0.85, 0.15, 0.65], atol=1e-6)
    # The root of the second, 0.7, lies beyond the last sample, which it misses; the third never changes its mind.
    np.testing.assert_allclose(found[1], [1.6, 0.9, np.nan], atol=1e-6)
    np.testing.assert_array_equal(found[2], [np.inf, np.inf, np.nan])
    # The largest slope of a logistic function of w x + b on the grid is |w| f (1 - f) where it is steepest.
    grid = torch.linspace(-1, 1, 41, dtype=torch.float64)[:, None]
    f = torch.sigmoid(state["fc1.weight"][:, 0] * grid[:, 0] + state["fc1.bias"])
    expected = (state["fc1.weight"][:, 0] * f * (1 - f)).amax(dim=1)
    np.testing.assert_allclose(largest_slope(system.forward, state, grid), expected, rtol=1e-12)


def test_the_slope_of_several_outputs_and_features_is_the_largest_norm() -> None:
    x = np.random.default_rng(1).standard_normal((6, 3))
    system = system_of(described(network=LINEAR, loss={"kind": "mse"}), classes(x, np.arange(6) % 2))
    assert system.forward is not None
    state = {"fc1.weight": WEIGHTS[None], "fc1.bias": BIASES[None]}
    found = largest_slope(system.forward, state, torch.from_numpy(x))
    np.testing.assert_allclose(found, [float(WEIGHTS.norm(dim=1).max())], rtol=1e-12)
