"""Networks that are saturated by construction obey the reduced map; others are told apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from orrery.analyses.api import Context
from orrery.analyses.saturation import Settings, analyse, numbers, plot
from orrery.config.errors import OrreryError
from orrery.data.api import Dataset
from orrery.numerics import softmax_map
from orrery.systems.network import Settings as NetworkSettings
from orrery.systems.system import Runs, System
from orrery.training.build import build_system
from orrery.trajectory.trajectory import Trajectory
from orrery.trajectory.writer import Writer

COUNTS = (39, 40, 41)
FRACTIONS = np.array(COUNTS) / 120
UNITS = 4
STEPS = 260
ONES = (0, 1, 2, 3)
"""Hidden units at one, by seed."""
SMALL: dict[str, Any] = {"window": 200, "starts": 20, "transient": 500, "moments": 20}


def condition(rate: float = 5.0, **changes: Any) -> dict[str, Any]:
    system = {
        "kind": "network",
        "network": {"kind": "mlp", "hidden": [UNITS], "activation": "sigmoid", "bias": True},
        "initialisation": {"kind": "normal", "biases": "zero"},
        "loss": {"kind": "cross-entropy"},
        "optimizer": {"kind": "sgd", "rate": rate},
        "batches": {"kind": "full"},
        **changes,
    }
    return {
        "system": NetworkSettings.model_validate(system).model_dump(mode="json"),
        "training": {"dtype": "float64"},
    }


def flowers() -> Dataset:
    generator = np.random.default_rng(0)

    def part(counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        labels = np.repeat(np.arange(3), counts)
        points = generator.standard_normal((len(labels), 2)) + labels[:, None]
        return points.astype(np.float32), labels

    (train, train_labels), (test, test_labels) = part(COUNTS), part((11, 10, 9))
    return Dataset(
        train_inputs=train,
        train_labels=train_labels,
        test_inputs=test,
        test_labels=test_labels,
        class_names=("a", "b", "c"),
    )


def saturated(system: System) -> dict[str, torch.Tensor]:
    """One run for each of ``ONES``: first weights zero, hidden biases so large that the logistic rounds to 0 or 1."""
    runs = Runs(tuple(range(len(ONES))), (0,) * len(ONES))
    state = system.initial(runs)
    state["fc1.weight"] = torch.zeros_like(state["fc1.weight"])
    state["fc1.bias"] = torch.tensor(
        [[60.0 if unit < ones else -60.0 for unit in range(UNITS)] for ones in ONES], dtype=torch.float64
    )
    return state


def recorded(
    path: Path,
    state: dict[str, torch.Tensor],
    system: System,
    described: dict[str, Any],
    disturb: Callable[[int, dict[str, torch.Tensor]], None] = lambda step, state: None,
) -> Trajectory:
    runs = len(state["fc1.bias"])
    writer = Writer(
        path,
        components=system.components,
        steps=range(STEPS + 1),
        seeds=range(runs),
        copies=[0] * runs,
        dtype="float64",
        metrics={"loss": range(STEPS)},
        attributes={"condition": described},
    )
    batch = system.batch(Runs(tuple(range(runs)), (0,) * runs), 0)
    for step in range(STEPS + 1):
        disturb(step, state)
        writer.record(step, state)
        state, found = system.advance(state, batch, step)
        if step < STEPS:
            writer.record_metric("loss", step, found["loss"])
    writer.close(status=np.zeros(runs, int), last_step=np.full(runs, STEPS))
    return Trajectory.open(path)


def context(system: System) -> Context:
    return Context("large-rate", system=lambda: system)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    described = condition()
    system = build_system(described, flowers(), torch.device("cpu"))
    source = recorded(tmp_path_factory.mktemp("runs") / "data.zarr", saturated(system), system, described)
    settings = Settings.model_validate({**SMALL, "near_bound": [5.9, 5.93]})
    return analyse(source, settings, context(system))


def test_saturated_runs_and_their_effective_rates(found: xr.Dataset) -> None:
    assert found["saturated"].values.all()
    assert found["deviation"].values.max() < 1e-12
    assert found["ones"].values.tolist() == list(ONES)
    assert found["effective_rate"].values == pytest.approx([5.0, 10.0, 15.0, 20.0], abs=1e-12)
    assert found["fractions"].values == pytest.approx(FRACTIONS, abs=1e-15)
    assert found["constant_class"].values.all()
    accuracies = found["train_accuracy"].values * 120
    assert set(np.round(accuracies, 9)) <= set(COUNTS)
    assert found["sum_drift"].values.max() < 1e-10


def test_the_reduced_map_is_the_network(found: xr.Dataset) -> None:
    # Rounding differs, and what moves without a period lets it grow; twenty steps are too few for that to show.
    assert found["error"].values.max() < 1e-9
    assert found["reduced_loss"].values[0] == pytest.approx(found["loss"].values[0], abs=1e-10)
    published = {one.name: one.value for one in numbers(None, {"eta": found}, Settings())}
    assert published["matched[eta]"] == 1
    assert published["saturated-constant-class[eta]"] == 1
    assert published["following-error-largest[eta]"] < 1e-9
    assert published["runs[eta,m=2]"] == 1


def test_the_plateau_is_where_no_unit_is_at_one(found: xr.Dataset) -> None:
    published = {
        one.name: one.value for one in numbers(None, {"eta": found}, Settings(near_bound=(5.9, 5.93)))
    }
    entropy = -float(FRACTIONS @ np.log(FRACTIONS))
    assert found["period"].values[0] == 1
    assert published["entropy[eta]"] == pytest.approx(entropy, abs=1e-14)
    assert published["plateau-loss[eta]"] == pytest.approx(entropy, abs=1e-8)
    exact = np.log(np.abs(1 - 5 * softmax_map.curvatures(FRACTIONS)))
    assert found["exponent"].values[0] == pytest.approx(np.sort(exact)[::-1], abs=5e-3)
    assert published["neutral-exponent[eta]"] == 0
    assert published["sum-rule[eta]"] < 1e-10
    assert published["largest-distance[eta,rate=5.9]"] < 1e-6 < published["least-distance[eta,rate=5.93]"]


def test_exponents_are_those_of_the_whole_network(tmp_path: Path) -> None:
    """The tangent map of all 27 weights has the two exponents of the map and is neutral elsewhere."""
    described = condition()
    system = build_system(described, flowers(), torch.device("cpu"))
    source = recorded(tmp_path / "data.zarr", saturated(system), system, described)
    settings = Settings.model_validate({**SMALL, "tangents": {"align": 60, "steps": 40}})
    result = analyse(source, settings, context(system))
    published = {one.name: one.value for one in numbers(None, {"eta": result}, settings)}
    assert result.sizes["direction"] == 27
    # Between neutral directions and the map's the frame turns by what they differ in, 60 steps of it.
    assert published["exponent-difference-any[eta]"] < 1e-3
    for run in range(len(ONES)):
        whole, of_map = (result[name].values[run] for name in ("network_exponent", "map_exponent"))
        assert whole[[0, -1]] == pytest.approx(np.sort(np.append(of_map, 0))[[-1, 0]], abs=1e-3)
        assert np.sum(np.abs(whole) > 1e-3) == 2
    assert 0 < published["network-sum-rule[eta]"] < 1e-10
    wrong = result.assign(map_exponent=result["map_exponent"] * 0.9)
    published = {one.name: one.value for one in numbers(None, {"eta": wrong}, settings)}
    assert published["exponent-difference-any[eta]"] > 0.02


def test_what_is_not_saturated_and_what_changes_is_told_apart(tmp_path: Path) -> None:
    described = condition()
    system = build_system(described, flowers(), torch.device("cpu"))
    state = saturated(system)
    # The last run sees its samples; in the run before a unit falls from one to zero late in the window.
    state["fc1.weight"][3] = torch.tensor([[1.0, -1.0]] * UNITS, dtype=torch.float64)
    state["fc1.bias"][3] = 0

    def disturb(step: int, state: dict[str, torch.Tensor]) -> None:
        if step == STEPS - 40:
            state["fc1.bias"][2, 0] = -60.0

    source = recorded(tmp_path / "data.zarr", state, system, described, disturb)
    settings = Settings.model_validate(SMALL)
    result = analyse(source, settings, context(system))
    assert result["saturated"].values.tolist() == [True, True, True, False]
    assert result["changes"].values.tolist()[:3] == [0, 0, 1]
    assert result["ones"].values.tolist()[:3] == [0, 1, 1]
    published = {one.name: one for one in numbers(None, {"eta": result}, settings)}
    assert published["saturated[eta]"].value == 0.75
    assert published["changed[eta]"].value == 1
    assert published["matched[eta]"].n == 2
    assert 0 < published["unsaturated-accuracy[eta,seed=3]"].value <= 1
    assert published["unsaturated-loss[eta,seed=3]"].value == pytest.approx(
        float(source.metric("loss").values[3, -1]), rel=0.5
    )
    assert "unsaturated-accuracy[eta,seed=0]" not in published
    drawn = plot(None, {"eta": result}, settings)
    assert [figure.name for figure in drawn] == ["losses", "attractors", "following", "course"]
    assert drawn[1].data["seed"].tolist() == [0, 1]


def test_a_pattern_of_another_map_does_not_match(found: xr.Dataset) -> None:
    ends = found["end"].copy(data=found["end"].values + 0.012)
    published = {one.name: one.value for one in numbers(None, {"eta": found.assign(end=ends)}, Settings())}
    assert published["matched-own[eta]"] == 0


def test_the_loss_of_the_recorded_weights_is_that_of_the_training(found: xr.Dataset, tmp_path: Path) -> None:
    described = condition()
    system = build_system(described, flowers(), torch.device("cpu"))
    source = recorded(tmp_path / "data.zarr", saturated(system), system, described)
    trained = source.metric("loss").values[:, -(SMALL["window"] - 1) :]
    assert found["loss"].values[:, :-1] == pytest.approx(trained, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizer": {"kind": "momentum", "rate": 5.0}}, "system.optimizer: sgd without weight decay"),
        ({"loss": {"kind": "mse"}}, "system.loss: cross-entropy, reduction mean, factor 1"),
        ({"batches": {"kind": "shuffled", "size": 10}}, "system.batches: full"),
        ({"schedule": {"kind": "cosine", "steps": 9}}, "system.schedule: constant"),
    ],
)
def test_other_training_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    described = condition(**changes)
    system = build_system(described, flowers(), torch.device("cpu"))
    state = system.initial(Runs((0,), (0,)))
    source = recorded(tmp_path / "data.zarr", state, system, described)
    with pytest.raises(OrreryError, match=said):
        analyse(source, Settings.model_validate(SMALL), context(system))


def test_too_few_steps_are_refused(tmp_path: Path) -> None:
    described = condition()
    system = build_system(described, flowers(), torch.device("cpu"))
    source = recorded(tmp_path / "data.zarr", saturated(system), system, described)
    with pytest.raises(
        OrreryError, match="window: 1000 steps were asked for, but 261 recorded ones are read"
    ):
        analyse(source, Settings(), context(system))
    with pytest.raises(OrreryError, match="horizon: 20 is not less than window: 20"):
        analyse(source, Settings(window=20), context(system))
