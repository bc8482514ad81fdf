"""The plane of the last layer of recorded networks: exact coordinates, stale statistics, refusals, figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from tests.unit.network_examples import classes, described, points, recorded, system_of, trained

from orrery.analyses.last_layer_plane import Settings, analyse, numbers, plot
from orrery.config.errors import OrreryError
from orrery.data.api import Dataset
from orrery.numerics.singular_plane import leading_plane
from orrery.systems.system import Runs
from orrery.systems.tangents import packed

STEPS = (0, 2, 4, 10, 30)
NORMAL = {"kind": "batch", "momentum": 0.02}


def clusters(count: int, key: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % 4
    centres = np.random.default_rng(0).standard_normal((4, 6))[labels]
    return 2 * centres + np.random.default_rng(key).standard_normal((count, 6)), labels


def dataset() -> Dataset:
    (train, train_labels), (test, test_labels) = clusters(80, 1), clusters(60, 2)
    return Dataset(
        train_inputs=train,
        train_labels=train_labels,
        test_inputs=test,
        test_labels=test_labels,
        class_names=tuple("abcd"),
    )


def network(**changes: Any) -> dict[str, Any]:
    given = {"kind": "mlp", "hidden": [16, 12], "activation": "relu", "normalisation": NORMAL, **changes}
    return described(network=given, loss={"kind": "cross-entropy"}, optimizer={"kind": "adam", "rate": 0.02})


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    source, context = trained(network(), dataset(), STEPS)
    return analyse(source, Settings(moments=(4, 30, 0)), context)


def test_coordinates_are_those_of_what_enters_the_last_layer(found: xr.Dataset) -> None:
    """Beside torch.nn layer by layer, by both statistics."""
    data, system = dataset(), system_of(network(), dataset())
    runs = Runs.product((0, 1, 2))
    state = system.initial(runs)
    for t in range(30):
        state = system.advance(state, system.batch(runs, t), t)[0]
    own = {name: tensor[0] for name, tensor in state.items()}
    for row, training in enumerate((False, True)):
        below = torch.from_numpy(data.test_inputs)
        for layer in ("1", "2"):
            fields = below @ own[f"fc{layer}.weight"].T + own[f"fc{layer}.bias"]
            running = [own[f"bn{layer}.running_{name}"].clone() for name in ("mean", "var")]
            below = torch.nn.functional.batch_norm(
                fields, *running, own[f"bn{layer}.weight"], own[f"bn{layer}.bias"], training=training
            ).relu()
        weight = own["fc3.weight"].numpy()
        plane = leading_plane(weight[None])
        expected = below.numpy() @ plane.directions[0].T
        np.testing.assert_allclose(found["test_position"].values[-1, row], expected, atol=1e-9)
        logits = below.numpy() @ weight.T + own["fc3.bias"].numpy()
        right = (logits.argmax(axis=1) == data.test_labels).mean()
        assert found["accuracy"].values[0, -1, 1, row] == pytest.approx(right)
        assert np.abs(expected @ np.diag(plane.values[0]) @ plane.outputs[0].T).max() > 1


def test_two_units_are_the_plane_and_give_the_logits() -> None:
    """W h = U S (V^T h): with two hidden units the coordinates and the weights give the network."""
    data, given = dataset(), network(hidden=[8, 2], normalisation=None, residual=False)
    source, context = trained(given, data, (0, 9))
    result = analyse(source, Settings(moments=1), context)
    assert result["share"].values == pytest.approx(np.ones((3, 1)), abs=1e-14)
    assert result.attrs["statistics"] == ["running"]
    assert "shift" not in result
    system = system_of(given, data)
    state = {
        name: torch.from_numpy(np.asarray(source.tensor(name).values[:, -1]))
        for name in (component.name for component in system.components)
        if name.startswith("fc")
    }
    plane = leading_plane(state["fc3.weight"].numpy())
    coordinates = result["test_position"].values[0, 0]
    logits = coordinates * plane.values[0] @ plane.outputs[0].T + state["fc3.bias"][0].numpy()
    assert system.forward is not None
    whole = system.forward.last_layer(state, torch.from_numpy(data.test_inputs)[None])[0].T.numpy()
    np.testing.assert_allclose(logits, whole, atol=1e-12)


def test_rotated_hidden_units_lie_at_the_same_places() -> None:
    """Q in W Q and Q^T h: orthogonal for a linear network, whose next to last layer may be turned."""
    given = network(activation="identity", normalisation=None)
    data = dataset()
    source, context = trained(given, data, (0, 9))
    system = system_of(given, data)
    states = np.array(source.array([one.name for one in system.components]).values)
    turn = torch.from_numpy(np.linalg.qr(np.random.default_rng(3).standard_normal((12, 12)))[0])
    state = {
        name: torch.from_numpy(np.array(source.tensor(name).values[:, -1]))
        for name in (one.name for one in system.components)
    }
    state["fc3.weight"] = state["fc3.weight"] @ turn
    state["fc2.weight"] = turn.T @ state["fc2.weight"]
    state["fc2.bias"] = state["fc2.bias"] @ turn
    turned = states.copy()
    turned[:, -1] = packed(state, system.components).numpy()
    one = analyse(source, Settings(moments=1), context)
    other = analyse(recorded(given, data, turned, (0, 9))[0], Settings(moments=1), context)
    np.testing.assert_allclose(other["test_position"].values, one["test_position"].values, atol=1e-10)
    np.testing.assert_allclose(other["share"].values, one["share"].values, atol=1e-12)


def test_stale_statistics_lie_elsewhere(found: xr.Dataset) -> None:
    assert found["moment_step"].values.tolist() == [0, 4, 30]
    shifts = found["shift"].values.mean(axis=0)
    assert (shifts[1] > 0.3).all()
    published = {number.name: number for number in numbers(None, {"bn": found}, Settings())}
    running, batch = (published[f"offset[bn,{one},step=4]"] for one in ("running", "batch"))
    assert running.value > 2 * batch.value
    assert batch.floor is not None
    assert 0 < batch.value < 2 * batch.floor < running.value
    assert published["shift[bn,test,step=4]"].value == pytest.approx(shifts[1, 1])
    assert published["in-place[bn,test,step=4]"].value < published["separation[bn,test,batch,step=4]"].value
    assert 0.3 < published["share-of-weights[bn,step=30]"].value < 1


def test_statistics_of_the_samples_as_running_ones_shift_nothing() -> None:
    source, context = trained(network(), dataset(), (0, 4))
    system = system_of(network(), dataset())
    state = {
        one.name: torch.from_numpy(np.array(source.tensor(one.name).values[:, -1]))
        for one in system.components
    }
    assert system.forward is not None
    assert system.forward.local_fields_batch is not None
    for layer, fields in enumerate(
        system.forward.local_fields_batch(state, torch.from_numpy(dataset().train_inputs)[None]), start=1
    ):
        state[f"bn{layer}.running_var"], state[f"bn{layer}.running_mean"] = torch.var_mean(
            fields, dim=2, correction=0
        )
    states = np.array(source.array([one.name for one in system.components]).values)
    states[:, -1] = packed(state, system.components).numpy()
    settings = Settings(moments=1)
    fresh = analyse(recorded(network(), dataset(), states, (0, 4))[0], settings, context)
    assert fresh["shift"].values[:, 0, 0].max() < 1e-10
    assert (fresh["in_place"].values[:, 0, 0] == fresh["separation"].values[:, 0, 0, 1]).all()


def test_one_state_that_is_not_finite_is_left_out() -> None:
    source, context = trained(network(), dataset(), (0, 4))
    system = system_of(network(), dataset())
    states = np.array(source.array([one.name for one in system.components]).values)
    states[1, -1, 3] = np.inf
    result = analyse(recorded(network(), dataset(), states, (0, 4))[0], Settings(moments=2), context)
    assert np.isnan(result["separation"].values[1, 1]).all()
    published = {number.name: number for number in numbers(None, {"a": result}, Settings())}
    assert published["share-of-weights[a,step=4]"].n == 2


def test_figures_of_two_conditions(found: xr.Dataset) -> None:
    figures = plot(None, {"bn": found, "other": found}, Settings())
    assert [figure.name for figure in figures] == ["plane-1", "plane-2"]
    single = plot(None, {"bn": found, "other": found}, Settings(drawn={"conditions": ["o*"]}))
    assert [(figure.name, figure.title) for figure in single] == [
        ("plane", "Plane of the last layer (other)")
    ]
    with pytest.raises(OrreryError, match="'x' fits no condition of the analysis; write one of bn, other"):
        plot(None, {"bn": found, "other": found}, Settings(drawn={"conditions": ["x"]}))
    assert len(figures[0].figure.axes) == 6
    data = figures[0].data
    assert len(data) == 3 * 2 * (80 + 60)
    chosen = data[(data["step"] == 30) & (data["statistic"] == "batch") & (data["part"] == "test samples")]
    assert chosen["first"].to_numpy() == pytest.approx(found["test_position"].values[2, 1, :, 0])


@pytest.mark.parametrize(
    ("given", "data", "settings", "said"),
    [
        (network(), dataset(), {"moments": (3,)}, "names step 3, .* write 2, the nearest one"),
        (network(hidden=[4, 1]), dataset(), {}, "needs two outputs and two units below them"),
        (
            described(network={"kind": "mlp", "hidden": [4]}, loss={"kind": "mse"}),
            points(np.zeros((4, 2)), np.linspace(0, 0.7, 8).reshape(4, 2)),
            {},
            "the targets are numbers",
        ),
    ],
)
def test_what_has_no_plane_is_refused(
    given: dict[str, Any], data: Dataset, settings: dict[str, Any], said: str
) -> None:
    source, context = trained(given, data, STEPS)
    with pytest.raises(OrreryError, match=said):
        analyse(source, Settings.model_validate(settings), context)


def test_what_does_not_fit_is_told_before_anything_runs() -> None:
    condition = SimpleNamespace(
        system={"network": {"kind": "torch"}},
        record=SimpleNamespace(state=()),
        training=SimpleNamespace(steps=20),
    )
    told = list(Settings(moments=(0, 30)).misfits(condition))
    assert [key for key, _ in told] == ["method", "method", "moments"]
    assert told[2][1] == "names step 30, but training.steps is 20"
    assert not list(
        Settings(moments=(0, 20)).misfits(
            SimpleNamespace(
                system={"network": {"kind": "mlp"}},
                record=SimpleNamespace(state="all"),
                training=SimpleNamespace(steps=20),
            )
        )
    )


def test_two_classes_are_enough() -> None:
    inputs, labels = clusters(40, 1)
    source, context = trained(network(), classes(inputs, labels % 2), (0, 4))
    result = analyse(source, Settings(moments=1), context)
    assert result["share"].values == pytest.approx(np.ones((3, 1)))
