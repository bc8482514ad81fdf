"""Decision regions of a linear classifier, which are convex, and of a network that is built to have a torn one."""

from __future__ import annotations

import math
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError
from tests.unit.network_examples import classes, described, points, recorded, system_of, trained

from orrery.analyses.api import Context
from orrery.analyses.decision_regions import Settings, analyse, numbers, plot
from orrery.analyses.decision_regions_probes import directions
from orrery.config.errors import OrreryError
from orrery.data.api import Dataset
from orrery.numerics.decision_regions import last_above
from orrery.numerics.leading_components import leading_components
from orrery.trajectory.trajectory import Trajectory

FEW: dict[str, Any] = {"rays": 40, "count": 25, "drawn": {"classes": (0, 1), "points": 30}}


def samples() -> Dataset:
    labels = np.arange(120) % 3
    centres = np.random.default_rng(0).standard_normal((3, 8))[labels]
    return classes(1.5 * centres + np.random.default_rng(1).standard_normal((120, 8)), labels)


def network(**changes: Any) -> dict[str, Any]:
    given = {"kind": "mlp", "hidden": [], **changes}
    return described(network=given, loss={"kind": "cross-entropy"}, optimizer={"kind": "sgd", "rate": 0.3})


@pytest.fixture(scope="module")
def convex() -> xr.Dataset:
    source, context = trained(network(), samples(), (0, 60))
    return analyse(source, Settings.model_validate(FEW), context)


def torn(weights: tuple[float, float]) -> tuple[Trajectory, Context]:
    """Class 1 where |x| > 1 of the first of two inputs, for weights (1, 1); each half alone for one of them."""
    labels = np.array([1, 1, 0, 0, 1, 1])
    inputs = np.stack([[-3.0, -2.0, -0.5, 0.5, 2.0, 3.0], np.linspace(-1, 1, 6)], axis=1)
    given, data = network(hidden=[2]), classes(inputs, labels)
    components = system_of(given, data).components
    values = {
        "fc1.weight": [1.0, 0.0, -1.0, 0.0],
        "fc1.bias": [0.0, 0.0],
        "fc2.weight": [0.0, 0.0, *weights],
        "fc2.bias": [1.0, 0.0],
    }
    state = np.concatenate([values[component.name] for component in components])
    return recorded(given, data, np.stack([state, state])[None], (0, 1), seeds=(0,))


def test_regions_of_a_linear_classifier_are_convex(convex: xr.Dataset) -> None:
    published = {number.name: number.value for number in numbers(None, {"linear": convex}, Settings())}
    assert published["connected[linear]"] == published["joined[linear]"] == 1
    assert published["returning[linear]"] == 0
    # A ray crosses each of the three boundaries between two classes at most once, and meets no class twice.
    assert 0.3 < published["changes[linear]"] <= 2
    assert 0.5 < published["entropy[linear]"] <= np.log2(3)
    assert convex["right"].values[:, 0] == pytest.approx(np.ones(3))
    assert (np.diff(convex["right"].values, axis=1) <= 0).all()


def test_a_deep_linear_network_is_a_linear_classifier() -> None:
    source, context = trained(network(hidden=[5, 5], activation="identity"), samples(), (0, 60))
    found = analyse(source, Settings.model_validate(FEW), context)
    assert np.nanmin(found["connected"].values) == 1
    assert found["returning"].values.max() == 0


def test_a_torn_region_is_not_connected() -> None:
    """Of six pairs of class 1 the two on one side are connected, and no chain leads to the other side."""
    source, context = torn((1.0, 1.0))
    found = analyse(source, Settings(drawn={"classes": (1,)}, rays=200, count=80, per_class=4), context)
    assert found["connected"].values[0] == pytest.approx([1.0, 1 / 3])
    assert found["joined"].values[0] == pytest.approx([1.0, 1 / 3])
    # Rays from class 0 leave it once. Those from |x| = 2 and 3 come back to class 1 where they reach the other side
    # at s < 20, with probability Phi(-3/20) and Phi(-4/20).
    reached = np.mean([0.5 * math.erfc(distance / 20 / math.sqrt(2)) for distance in (3, 4)])
    assert found["returning"].values[0] == pytest.approx(4 / 6 * reached, abs=0.03)
    single = analyse(
        torn((1.0, 0.0))[0], Settings(drawn={"classes": (1,)}, rays=200, count=80, per_class=4), context
    )
    assert single["connected"].values[0] == pytest.approx([1.0, 1.0])
    assert single["returning"].values[0] == 0


def test_a_bent_region_is_joined_by_a_chain() -> None:
    """Class 1 where |x| > 1 or |y| > 1: the line between two sides leads through class 0, a chain goes round."""
    labels = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0, 0])
    corner = [[3, 0], [3, 3], [0, 3], [-3, 3], [-3, 0], [-3, -3], [0, -3], [3, -3], [0.1, 0], [-0.1, 0]]
    given, data = network(hidden=[4]), classes(np.array(corner, dtype=float), labels)
    values = {
        "fc1.weight": [1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0],
        "fc1.bias": [-1.0] * 4,
        "fc2.weight": [0.0] * 4 + [1.0] * 4,
        "fc2.bias": [0.1, 0.0],
    }
    state = np.concatenate([values[one.name] for one in system_of(given, data).components])
    source, context = recorded(given, data, np.stack([state, state])[None], (0, 1), seeds=(0,))
    found = analyse(source, Settings(drawn={"classes": (0,)}), context)
    assert found["joined"].values[0] == pytest.approx([1.0, 1.0])
    assert 0.4 < found["connected"].values[0, 1] < 0.9


def test_points_are_right_and_in_their_components(convex: xr.Dataset) -> None:
    inputs, where = samples().train_inputs, convex["point_sample"].values
    scores, at = convex["point"].values, convex["point_amplitude"].values
    tips = at == 0
    assert set(convex["point_class"].values.tolist()) == {0, 1}
    assert tips.sum() == len(set(where.tolist())) == 4
    # Up to the amplitude at which half of the rays are right; a projection makes no distance longer.
    half = last_above(convex["right"].values[:1], convex["amplitude"].values, 0.5)[0]
    assert np.unique(at) == pytest.approx(np.linspace(0, half, 6))
    for sample, tip in zip(where[tips], scores[tips], strict=True):
        near = (where == sample) & (at > 0) & (at < 0.3 * half)
        assert 20 <= near.sum() <= 30
        assert np.linalg.norm(scores[near] - tip, axis=1).max() < half / 5 * 6
    kept = [np.isclose(at, amplitude).sum() for amplitude in np.unique(at)[1:]]
    assert kept[0] > kept[-1] > 0
    for one, other in combinations(range(4), 2):
        apart = np.linalg.norm(inputs[where[tips][one]] - inputs[where[tips][other]])
        assert np.linalg.norm(scores[tips][one] - scores[tips][other]) <= apart + 1e-9
    assert 0.5 < convex["variance_share"].values.sum() < 1
    assert directions(3, 2, 8).tolist() == directions(3, 9, 8)[:2].tolist()


def test_components_do_not_depend_on_which_side_is_smaller() -> None:
    wide = np.random.default_rng(0).standard_normal((6, 9)) * np.linspace(3, 1, 9)
    scores, shares = leading_components(wide, 3)
    padded = np.concatenate([wide, np.repeat(wide.mean(axis=0)[None], 20, axis=0)])
    again, same = leading_components(padded, 3)
    np.testing.assert_allclose(again[:6], scores, atol=1e-10)
    assert same == pytest.approx(shares)
    expected = np.linalg.svd(wide - wide.mean(axis=0), compute_uv=False) ** 2
    assert shares == pytest.approx(expected[:3] / expected.sum())
    np.testing.assert_allclose(leading_components(-wide, 3)[0], -scores, atol=1e-10)
    assert leading_components(wide[:2], 3)[1].tolist() == [pytest.approx(1.0), 0.0, 0.0]
    assert leading_components(wide[:0], 3)[0].shape == (0, 3)


def test_one_run_that_is_not_finite_is_left_out(convex: xr.Dataset) -> None:
    source, context = trained(network(), samples(), (0, 60))
    states = np.array(source.dataset["state"].values)
    states[0, -1, 0] = np.nan
    found = analyse(recorded(network(), samples(), states, (0, 60))[0], Settings.model_validate(FEW), context)
    assert np.isnan(found["changes"].values[0]).all()
    assert found["changes"].values[1:] == pytest.approx(convex["changes"].values[1:])
    assert found.sizes["kept"] == 0
    published = {number.name: number for number in numbers(None, {"a": found}, Settings())}
    assert published["connected[a,class=1]"].n == 2
    assert len(plot(None, {"a": found}, Settings())) == 2


def test_figures(convex: xr.Dataset) -> None:
    figures = plot(None, {"one": convex, "other": convex}, Settings())
    assert [figure.name for figure in figures] == ["points-1", "points-2", "regions"]
    assert len(figures[0].data) == convex.sizes["kept"]
    data = figures[2].data
    assert len(data) == 2 * 3 * (2 * 25 + 2 * 3)
    assert set(data[data["quantity"].isin(["connected", "joined"])]["value"]) == {1.0}


@pytest.mark.parametrize(
    ("data", "settings", "said"),
    [
        (
            samples(),
            {"drawn": {"classes": (5,)}},
            "drawn.classes names class 5, and the dataset has 3, from 0 to 2",
        ),
        (points(np.zeros((4, 2)), np.linspace(0, 0.7, 8).reshape(4, 2)), {}, "the targets are numbers"),
        (classes(np.eye(3), np.arange(3)), {"drawn": {"classes": (0,)}}, "no class has two training samples"),
    ],
)
def test_what_has_no_regions_is_refused(data: Dataset, settings: dict[str, Any], said: str) -> None:
    given = network() if data.train_labels is not None else described(loss={"kind": "mse"})
    source, context = trained(given, data, (0, 1))
    with pytest.raises(OrreryError, match=said):
        analyse(source, Settings.model_validate(settings), context)


def test_what_does_not_fit_is_told_before_anything_runs() -> None:
    condition = SimpleNamespace(system={}, record=SimpleNamespace(state=()))
    assert len(list(Settings().misfits(condition))) == 2
    with pytest.raises(ValidationError, match="write the smaller first"):
        Settings(amplitudes=(2.0, 1.0))
