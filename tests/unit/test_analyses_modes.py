"""Modes along recorded trajectories against networks and areas written here, and what cannot be asked in sentences."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score
from tests.unit.test_training_block import condition, iris, train

from orrery.analyses import modes_states
from orrery.analyses.api import Context
from orrery.analyses.modes import Settings, analyse, numbers, plot
from orrery.analyses.modes_layers import layers_of
from orrery.analyses.results import open_result, write_result
from orrery.config.errors import OrreryError
from orrery.data.store import open_dataset
from orrery.numerics.orders import bends
from orrery.numerics.rank_distributions import class_ranks, gradients
from orrery.stages.runner import build_system
from orrery.systems.activations import ACTIVATIONS
from orrery.trajectory.trajectory import Trajectory

__all__ = ["iris"]


def system_of(**network: object) -> dict:
    return {
        "kind": "network",
        "network": {"kind": "mlp", "hidden": [6, 5], "activation": "tanh", **network},
        "optimizer": {"kind": "adam", "rate": 0.02},
        "batches": {"kind": "shuffled", "size": 16},
    }


def trained(folder: Path, iris: Path, **network: object) -> tuple[Trajectory, Context]:
    given = condition(system=system_of(**network))
    train(folder, iris, given, last=20)
    source = Trajectory.open([folder / "data.zarr"])
    return source, Context("a", system=partial(build_system, given, iris))


@pytest.fixture(scope="module")
def tanh(tmp_path_factory: pytest.TempPathFactory, iris: Path) -> tuple[Trajectory, Context]:
    return trained(tmp_path_factory.mktemp("tanh"), iris)


def weights(source: Trajectory, seed: int, step: int) -> list[np.ndarray]:
    chosen = source.select(seeds=[seed], copies=[0])
    names = [f"fc{number}.{kind}" for number in (1, 2, 3) for kind in ("weight", "bias")]
    return [chosen.tensor(name).sel(step=step).values[0].astype(np.float64) for name in names]


def test_gradients_and_truncation_are_those_of_a_network_written_here(
    tanh: tuple[Trajectory, Context], iris: Path
) -> None:
    source, context = tanh
    found = analyse(source, Settings(every=7), context)
    assert found["moment_step"].values.tolist() == [0, 7, 14, 20]
    assert found["seed"].values.tolist() == [3, 5]
    data = open_dataset(iris)
    x, labels = data.train_inputs.astype(np.float64), data.train_labels
    for row, seed in enumerate((3, 5)):
        w1, b1, w2, b2, w3, b3 = weights(source, seed, 14)
        h1 = x @ w1.T + b1
        h2 = np.tanh(h1) @ w2.T + b2
        full = np.tanh(h2) @ w3.T + b3
        assert found["accuracy"][row, 2, 0] == pytest.approx((full.argmax(1) == labels).mean(), abs=1e-12)
        for layer, (h, m) in enumerate(((h1, w3 @ w2), (h2, w3))):
            expected = np.array(
                [
                    [
                        12
                        * (1 - (labels == k).mean())
                        * (roc_auc_score(labels == k, h[:, i] * np.sign(m[k, i])) - 0.5)
                        for i in range(h.shape[1])
                    ]
                    for k in range(3)
                ]
            )
            np.testing.assert_allclose(found["gradient"][row, 2, layer], expected.mean(axis=1), atol=1e-10)
            assert found["layer_gradient"][row, 2, layer] == pytest.approx(expected.mean(), abs=1e-10)
        above = {
            (0, "field"): (h1 @ w2.T + b2) @ w3.T + b3,
            (0, "activation"): h2 @ w3.T + b3,
            (1, "field"): h2 @ w3.T + b3,
            (1, "activation"): full,
        }
        for (layer, form), outputs in above.items():
            at = {"part": 0, "layer": layer, "form": found.attrs["forms"].index(form)}
            one = found.isel(seed=row, moment=2).isel(at)
            assert one["truncated_accuracy"] == pytest.approx((outputs.argmax(1) == labels).mean(), abs=1e-12)
            other = (outputs.argmax(1) != full.argmax(1)).mean()
            assert one["map_disagreement"] == pytest.approx(other, abs=1e-12)
            error = np.linalg.norm(outputs - full) / np.linalg.norm(full)
            assert one["map_error"] == pytest.approx(error, abs=1e-12)
    assert float(found["map_error"][..., -1, 1].max()) < 1e-14
    assert float(found["map_error"][..., 0, 1].min()) > 1e-3
    np.testing.assert_allclose(found["density"].mean("bin"), 1, atol=1e-12)
    np.testing.assert_allclose(
        found["slope"], found["layer_gradient"][..., 1] - found["layer_gradient"][..., 0], atol=1e-12
    )


def test_accuracies_are_those_that_training_measures(tanh: tuple[Trajectory, Context]) -> None:
    source, context = tanh
    found = analyse(source, Settings(every=20, samples=None, test_samples=None), context)
    assert context.system is not None
    system = context.system(dtype="float64")
    for place, part in enumerate(found.attrs["parts"]):
        state = {
            name: torch.from_numpy(source.select(copies=[0]).tensor(name).values[:, -1].astype(np.float64))
            for name in (component.name for component in system.components)
        }
        np.testing.assert_allclose(found["accuracy"][:, -1, place], system.metrics[f"{part}_accuracy"](state))


def test_both_forms_of_a_linear_network_are_the_network(tmp_path: Path, iris: Path) -> None:
    source, context = trained(tmp_path, iris, activation="identity", hidden=[6, 5, 4])
    found = analyse(source, Settings(every=10), context)
    assert float(found["map_error"].max()) < 1e-13
    assert float(found["map_disagreement"].max()) == 0
    for layer in range(3):
        for form in range(2):
            assert (found["truncated_accuracy"][:, :, :, layer, form] == found["accuracy"]).all()


NORMALISED = {"hidden": [6, 6, 6], "normalisation": {"kind": "batch", "momentum": 0.5}, "residual": True}


def negated(source: Trajectory) -> Trajectory:
    """The trajectory with every second gamma turned to its negative, as no short training does it."""
    states = source.dataset["state"].values.copy()
    for entry in source.components:
        if entry.name.startswith("bn") and entry.name.endswith(".weight"):
            states[:, :, entry.slice][:, :, ::2] *= -1
    changed = source.dataset.assign(state=(("run", "step", "component"), states))
    return Trajectory(changed, source.components, source.observables, source.attributes)


@pytest.mark.parametrize("activation", ["tanh", "identity"])
def test_maps_of_normalised_and_residual_networks(tmp_path: Path, iris: Path, activation: str) -> None:
    source, context = trained(tmp_path, iris, activation=activation, **NORMALISED)
    found = analyse(negated(source), Settings(every=10), context)
    assert float(found["map_error"][..., -1, 1].max()) < 1e-13
    if activation == "identity":
        assert float(found["map_error"].max()) < 1e-13
    else:
        assert float(found["map_error"][..., 0, :].min()) > 1e-3


def test_the_gradient_is_that_of_fields_behind_batch_normalisation_without_its_factor(
    tmp_path: Path, iris: Path
) -> None:
    source, context = trained(tmp_path, iris, **NORMALISED)
    found = analyse(negated(source), Settings(every=20), context)
    assert context.system is not None
    system = context.system(dtype="float64")
    layers = layers_of(system)
    reader = modes_states.recorded(negated(source), system, Settings(every=20))
    (state,) = reader.states(18, 100)
    last = {name: tensor[:, -1] for name, tensor in state.items()}
    part = modes_states.parts_of(system, Settings())["train"]
    behind = layers.arguments(last, layers.passed(last, part.inputs)[0])
    assert (last["bn1.weight"] < 0).any()
    for layer, (fields, above) in enumerate(zip(behind, layers.maps(last), strict=True)):
        means, _ = class_ranks(fields.numpy(), part.labels, 3, 10)
        expected = gradients(means, torch.sign(above.weight).transpose(1, 2).numpy()).mean(axis=1)
        np.testing.assert_allclose(found["gradient"][:, -1, layer], expected, rtol=1e-12, atol=1e-12)


def test_gaps_of_running_statistics_are_those_of_a_pass_in_training(tmp_path: Path, iris: Path) -> None:
    source, context = trained(tmp_path, iris, hidden=[6, 5], normalisation={"kind": "batch", "momentum": 0.5})
    found = analyse(source, Settings(every=20), context)
    assert context.system is not None
    inputs = modes_states.parts_of(context.system(dtype="float64"), Settings())["train"].inputs[0]
    run = source.select(seeds=[int(found["seed"][1])], copies=[0])
    last = {
        one.name: torch.tensor(run.tensor(one.name).isel(step=-1).values[0], dtype=torch.float64)
        for one in run.components
    }
    below = inputs
    for number in (1, 2):
        fields = below @ last[f"fc{number}.weight"].T + last[f"fc{number}.bias"]
        mean, deviation = fields.mean(dim=0), fields.std(dim=0, correction=0)
        gap = ((last[f"bn{number}.running_mean"] - mean).abs() / deviation).mean()
        assert float(found["mean_gap"][1, -1, number - 1]) == pytest.approx(float(gap), rel=1e-10)
        gap = ((last[f"bn{number}.running_var"].sqrt() - deviation).abs() / deviation).mean()
        assert float(found["deviation_gap"][1, -1, number - 1]) == pytest.approx(float(gap), rel=1e-10)
        unit = (fields - mean) / torch.sqrt(deviation**2 + 1e-5)
        below = torch.tanh(last[f"bn{number}.weight"] * unit + last[f"bn{number}.bias"])
    published = {number.name: number.value for number in numbers(None, {"a": found}, Settings())}
    expected = float(found["mean_gap"][:, -1, 1].mean())
    assert published["running-mean-gap[a,layer=2]"] == pytest.approx(expected)
    assert "statistics" in {figure.name for figure in plot(None, {"a": found}, Settings())}


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activations_that_are_called_monotone_do_not_bend(name: str) -> None:
    curve = ACTIVATIONS[name].forward(torch.linspace(-6, 6, 2001, dtype=torch.float64))
    assert bool(bends(curve.numpy())) != ACTIVATIONS[name].monotone


def test_no_neuron_with_a_monotone_activation_bends(tmp_path: Path, iris: Path, tanh: tuple) -> None:
    assert float(analyse(tanh[0], Settings(every=5), tanh[1])["bent"].max()) == 0
    source, context = trained(tmp_path, iris, activation="gelu")
    assert float(analyse(source, Settings(every=5), context)["bent"].max()) > 0


def test_portions_and_samples(tanh: tuple[Trajectory, Context], monkeypatch: pytest.MonkeyPatch) -> None:
    source, context = tanh
    whole = analyse(source, Settings(every=3), context)
    monkeypatch.setattr(modes_states, "ROOM", 10_000)
    parts = analyse(source, Settings(every=3), context)
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-10, atol=1e-12)
    few = analyse(source, Settings(samples=30, every=20, classes=(2, 0), truncation=False, bins=5), context)
    assert few.attrs["samples"] == 30
    assert few.attrs["training_samples"] > 30
    assert few.sizes["class"] == 2
    assert few.sizes["bin"] == 5
    assert few.attrs["classes"] == [2, 0]
    assert "map_error" not in few
    all_of_them = analyse(source, Settings(samples=30, every=20, bins=5), context)
    np.testing.assert_array_equal(few["gradient"], all_of_them["gradient"][..., [2, 0]])
    np.testing.assert_array_equal(few["layer_gradient"], all_of_them["layer_gradient"])


def test_a_run_that_diverged_is_left_out(tanh: tuple[Trajectory, Context]) -> None:
    source, context = tanh
    states = source.dataset["state"].values.copy()
    states[0, 10:] = np.nan  # seed 3, copy 0
    broken = Trajectory(
        source.dataset.assign(state=(("run", "step", "component"), states)),
        source.components,
        source.observables,
        source.attributes,
    )
    whole, found = (analyse(one, Settings(every=10), context) for one in (source, broken))
    assert found["diverged"].values.tolist() == [True, False]
    assert np.isnan(found["gradient"][0, 1:]).all()
    np.testing.assert_array_equal(found["gradient"][1], whole["gradient"][1])
    said = {number.name: number for number in numbers(None, {"a": found}, Settings())}
    assert said["diverged[a]"].value == 1
    assert said["final-gradient[a]"].n == 1
    assert plot(None, {"a": found}, Settings())


def test_every_condition_has_its_figures_and_numbers(
    tanh: tuple[Trajectory, Context], tmp_path: Path
) -> None:
    found = analyse(tanh[0], Settings(every=2), tanh[1])
    settings = Settings(pairs=(("a", "b"),))
    write_result(found, tmp_path)
    kept = open_result(tmp_path)
    published = numbers(None, {"a": kept, "b": kept}, settings)
    assert str(published) == str(numbers(None, {"a": found, "b": found}, settings))
    names = [number.name for number in published]
    assert len(set(names)) == len(names)
    assert {"final-gradient[a]", "flipped[b]", "linear-late-layers[a,test]", "test-gap[a,b]"} <= set(names)
    drawn = plot(None, {"a": kept, "b": kept}, settings)
    assert [one.name for one in drawn] == [
        "layers",
        "classes",
        "gradients",
        "phases",
        "truncation",
        "map-errors",
    ]
    assert all(len(one.data) and one.caption for one in drawn)


def test_random_starts_lie_within_four_deviations(tanh: tuple[Trajectory, Context]) -> None:
    found = analyse(tanh[0], Settings(every=20), tanh[1])
    said = {number.name: number for number in numbers(None, {"a": found}, Settings())}
    assert 0 < said["initial-deviations[a]"].value < 4


def test_a_class_that_the_data_have_not_is_one_sentence(tanh: tuple[Trajectory, Context]) -> None:
    with pytest.raises(OrreryError, match="classes names class 3, and the dataset has 3, from 0 to 2"):
        analyse(tanh[0], Settings(classes=(3,)), tanh[1])


def test_samples_of_one_class_are_one_sentence(tanh: tuple[Trajectory, Context]) -> None:
    source, context = tanh
    assert context.system is not None
    built = context.system(dtype="float64")
    assert built.whole is not None
    batch = built.whole()
    chosen = batch["targets"][0].argmax(dim=1) == 1
    one = {name: tensor[:, chosen] for name, tensor in batch.items()}
    alone = Context("a", system=lambda dtype: dataclasses.replace(built, whole=lambda: one))
    with pytest.raises(OrreryError, match="are all of class 1; name a dataset with two classes or more"):
        analyse(source, Settings(), alone)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"forward": None}, "local fields of hidden layers are told by the built-in"),
        ({"metrics": {}}, "this dataset has numbers as targets"),
    ],
)
def test_a_system_without_fields_or_classes_is_one_sentence(
    tanh: tuple[Trajectory, Context], change: dict, sentence: str
) -> None:
    source, context = tanh
    assert context.system is not None
    built = dataclasses.replace(context.system(dtype="float64"), **change)
    with pytest.raises(OrreryError, match=sentence):
        analyse(source, Settings(), Context("a", system=lambda dtype: built))


def test_weights_that_were_not_recorded_are_one_sentence(tmp_path: Path, iris: Path) -> None:
    given = condition(system=system_of(), record={**condition()["record"], "state": ["fc2.weight"]})
    train(tmp_path, iris, given, last=2)
    source = Trajectory.open([tmp_path / "data.zarr"])
    with pytest.raises(OrreryError, match=r"'fc1.weight' was not recorded.*write state: all"):
        analyse(source, Settings(), Context("a", system=partial(build_system, given, iris)))


def test_without_a_hidden_layer_there_is_no_field(tmp_path: Path, iris: Path) -> None:
    source, context = trained(tmp_path, iris, hidden=[])
    with pytest.raises(OrreryError, match=r"no hidden layer; write system.network.hidden"):
        analyse(source, Settings(), context)


def test_what_does_not_fit_a_condition_is_told_before_training() -> None:
    def given(state: object = "all", **network: object) -> SimpleNamespace:
        return SimpleNamespace(
            record=SimpleNamespace(state=state),
            training=SimpleNamespace(steps=100),
            system={"network": {"kind": "mlp", "hidden": [4], **network}},
        )

    assert list(Settings(early=(1, 100)).misfits(given())) == []
    assert "record.state is empty" in dict(Settings().misfits(given(())))["method"]
    assert "write system.network: {kind: mlp" in dict(Settings().misfits(given(kind="module")))["method"]
    assert "needs a hidden layer" in dict(Settings().misfits(given(hidden=())))["method"]
    assert (
        dict(Settings(early=(1, 101)).misfits(given()))["early"]
        == "ends at step 101, but training.steps is 100"
    )


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValidationError, match="the stage ends"):
        Settings(early=(5, 4))
    with pytest.raises(ValidationError, match="name at least one class, each once"):
        Settings(classes=(1, 1))
    with pytest.raises(ValidationError, match="name at least one class, each once"):
        Settings(classes=())
