"""Conditions that train together: each is what it is alone, up to rounding, whatever the others do."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from tests.unit.device_examples import Redone, SlowLane

from orrery.config.errors import OrreryError
from orrery.data.store import write_dataset
from orrery.systems.network import Settings
from orrery.systems.system import Runs
from orrery.training.block import train_block
from orrery.training.joint import join_groups, joint_system, members_of
from orrery.training.progress import Progress
from orrery.training.states import read_state
from orrery.training.together import train_together

CPU = torch.device("cpu")
SEEDS, COPIES, STEPS = (3, 5), (0, 1), 12
SINGLE = {"kind": "with-replacement", "size": 1}
RECORD = {
    "state": "all",
    "steps": {"every": 3},
    "metrics": ["loss"],
    "observables": ["outputs"],
    "evaluate": {"every": 4, "metrics": ["test_loss", "train_accuracy"]},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for labels in ("step", "random"):
        found[labels] = tmp_path_factory.mktemp(labels)
        settings = {"name": "labelled-points", "count": 20, "labels": labels}
        write_dataset(settings, found[labels], found[labels] / "cache")
    return found


def condition(**system: Any) -> dict[str, Any]:
    given = {
        "network": {"kind": "mlp", "hidden": [6], "activation": "tanh"},
        "loss": {"kind": "mse", "link": "sigmoid", "reduction": "sum"},
        "optimizer": {"kind": "sgd", "rate": 0.1},
        "batches": {"kind": "full"},
        **system,
    }
    return {
        "system": Settings.model_validate(given).model_dump(mode="json"),
        "training": {"dtype": "float64", "together": "all"},
        "streams": {},
        "copies": {"amplitude": 0.01},
        "record": RECORD,
    }


def told() -> Progress:
    return Progress("test", stream=io.StringIO())


def together(
    out: Path,
    conditions: dict[str, dict],
    datasets: dict[str, Path],
    first: int = 0,
    last: int = STEPS,
    previous: Path | None = None,
) -> None:
    before = {name: previous / name for name in conditions} if previous else {}
    train_together(conditions, datasets, SEEDS, COPIES, 4, first, last, before, out, "cpu", told())


def alone(out: Path, given: dict, dataset: Path) -> None:
    train_block(given, dataset, SEEDS, COPIES, 4, 0, STEPS, None, out, "cpu", told())


def stored(folder: Path) -> xr.DataTree:
    return xr.open_datatree(folder / "data.zarr", engine="zarr").load()


def assert_equal_to_rounding(ours: Path, theirs: Path) -> None:
    one, other = stored(ours), stored(theirs)
    assert one.attrs == other.attrs
    assert {node.path for node in one.subtree} == {node.path for node in other.subtree}
    for node in one.subtree:
        assert set(node.data_vars) == set(other[node.path].data_vars)
        for name, values in node.data_vars.items():
            np.testing.assert_allclose(
                values.values, other[node.path][name].values, rtol=1e-12, atol=1e-15, err_msg=str(name)
            )
        for name, values in node.coords.items():
            assert (values.values == other[node.path][name].values).all()
    states = [read_state(folder / "checkpoint.zarr", STEPS, CPU) for folder in (ours, theirs)]
    for name, tensor in states[0][0].items():
        torch.testing.assert_close(tensor, states[1][0][name], rtol=1e-12, atol=1e-15)
    assert (states[0][2] == states[1][2]).all()


@pytest.mark.parametrize(
    ("optimizer", "batches"),
    [
        ({"kind": "sgd", "weight_decay": 0.01}, {"kind": "full"}),
        ({"kind": "momentum", "momentum": 0.9}, SINGLE),
        ({"kind": "adam"}, {"kind": "shuffled", "size": 8}),
    ],
)
@pytest.mark.parametrize("rates", [(0.1, 0.1, 0.1), (0.1, 0.03, 0.2)])
def test_each_is_what_it_is_alone(
    tmp_path: Path, data: dict[str, Path], batches: dict, optimizer: dict, rates: tuple[float, ...]
) -> None:
    schedule = {"kind": "step", "every": 5, "factor": 0.5}
    shared = {"batches": batches, "schedule": schedule}
    conditions = {
        name: condition(**shared, **own, optimizer={**optimizer, "rate": rate})
        for (name, own), rate in zip(
            {
                "plain": {},
                "noise": {"label_noise": 0.1},
                "random": {"initialisation": {"scale": 1.5}},
            }.items(),
            rates,
            strict=True,
        )
    }
    datasets = {"plain": data["step"], "noise": data["step"], "random": data["random"]}
    together(tmp_path / "group", conditions, datasets)
    for name, given in conditions.items():
        alone(tmp_path / name, given, datasets[name])
        assert_equal_to_rounding(tmp_path / "group" / name, tmp_path / name)


@pytest.mark.parametrize("batches", [{"kind": "full"}, SINGLE, {"kind": "fixed-order", "size": 3}])
def test_starts_and_batches_have_the_bits_of_each_alone(data: dict[str, Path], batches: dict) -> None:
    conditions = {
        "a": condition(batches=batches),
        "b": condition(batches=batches, label_noise=0.3, optimizer={"kind": "sgd", "rate": 0.2}),
        "c": condition(batches=batches, initialisation={"scale": 2.0}),
    }
    conditions["c"]["streams"] = {"order": {"shift": 7}}
    datasets = {"a": data["step"], "b": data["step"], "c": data["random"]}
    runs = Runs.product(SEEDS, COPIES)
    members = members_of(conditions, datasets, runs, CPU)
    system = joint_system(members, datasets, CPU)
    state = system.initial(runs)
    for member in members:
        start = member.system.initial(runs)
        assert all(torch.equal(part, start[name]) for name, part in member.part(state).items())
    for t in (0, 1, 5, 300):
        joint = {name: each(tensor, 12) for name, tensor in system.batch(runs, t).items()}
        for member in members:
            own = member.system.batch(runs, t)
            assert own.keys() == joint.keys()
            assert all(torch.equal(joint[name][member.rows], each(own[name], 4)) for name in own)


def each(tensor: torch.Tensor, runs: int) -> torch.Tensor:
    """What each run has of groups."""
    return tensor.repeat_interleave(runs // len(tensor), dim=0)


def test_what_all_share_stays_one_group(data: dict[str, Path]) -> None:
    conditions = {"a": condition(), "b": condition(optimizer={"kind": "sgd", "rate": 0.2})}
    runs = Runs.product(SEEDS, COPIES)
    same = dict.fromkeys(conditions, data["step"])
    system = joint_system(members_of(conditions, same, runs, CPU), same, CPU)
    batch = system.batch(runs, 0)
    assert [len(tensor) for tensor in batch.values()] == [1, 1]
    assert system.batch(runs, 1)["inputs"] is batch["inputs"]
    other = {"a": data["step"], "b": data["random"]}
    found = joint_system(members_of(conditions, other, runs, CPU), other, CPU).batch(runs, 0)
    assert len(found["targets"]) == 2


def test_groups_of_several_lengths_are_cut_to_a_common_one() -> None:
    one, two, six = (torch.arange(count)[:, None] for count in (1, 2, 6))
    found = join_groups([one, two + 10, one + 20], 6)
    assert found[:, 0].tolist() == [0, 0, 10, 11, 20, 20]
    assert join_groups([one, six + 10], 6)[:, 0].tolist() == [0] * 6 + [10, 11, 12, 13, 14, 15]
    with pytest.raises(OrreryError, match=r"training\.together: .* batches of other shapes"):
        join_groups([torch.zeros(1, 3), torch.zeros(1, 4)], 6)


def test_segments_give_the_bits_of_one_go(tmp_path: Path, data: dict[str, Path]) -> None:
    optimizer = {"kind": "adam", "rate": 0.1}
    conditions = {
        "a": condition(batches=SINGLE, optimizer=optimizer),
        "b": condition(batches=SINGLE, optimizer={**optimizer, "rate": 0.2}, label_noise=0.2),
    }
    datasets = {"a": data["step"], "b": data["random"]}
    together(tmp_path / "whole", conditions, datasets)
    together(tmp_path / "one", conditions, datasets, last=6)
    together(tmp_path / "two", conditions, datasets, first=6, previous=tmp_path / "one")
    for name in conditions:
        whole, late = stored(tmp_path / "whole" / name), stored(tmp_path / "two" / name)
        assert (whole["state"].sel(step=late.step).values == late["state"].values).all()
        assert (whole["metrics/loss"].values[:, 6:] == late["metrics/loss"].values).all()
        ends = [
            read_state(tmp_path / part / name / "checkpoint.zarr", STEPS, CPU) for part in ("whole", "two")
        ]
        assert all(torch.equal(tensor, ends[1][0][key]) for key, tensor in ends[0][0].items())


def test_the_order_in_which_they_are_named_says_nothing(tmp_path: Path, data: dict[str, Path]) -> None:
    conditions = {"a": condition(), "b": condition(label_noise=0.2)}
    for out, names in (("one", ("a", "b")), ("two", ("b", "a"))):
        together(
            tmp_path / out, {name: conditions[name] for name in names}, dict.fromkeys(names, data["step"])
        )
    for path in sorted((tmp_path / "one").rglob("*")):
        if path.is_file() and path.name != "provenance.json":
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


@pytest.mark.parametrize("metrics", [["loss"], []])
def test_one_that_diverges_leaves_the_others_as_they_are(
    tmp_path: Path, data: dict[str, Path], metrics: list[str]
) -> None:
    shared = {"loss": {"kind": "mse", "link": "identity", "reduction": "sum"}}
    shared["network"] = {"kind": "mlp", "hidden": [6], "activation": "identity"}
    conditions = {
        name: condition(**shared, optimizer={"kind": "sgd", "rate": rate})
        for name, rate in {"a": 0.001, "lost": 1e9, "z": 0.002}.items()
    }
    for given in conditions.values():
        given["record"] = {**RECORD, "evaluate": None, "metrics": metrics}
    datasets = dict.fromkeys(conditions, data["step"])
    together(tmp_path / "group", conditions, datasets)
    lost = stored(tmp_path / "group" / "lost")
    assert (lost["runs/status"].values == 1).all()
    assert (lost["runs/last_step"].values < STEPS).all()
    assert np.isnan(lost["state"].values[:, -1]).all()
    for name, given in conditions.items():
        alone(tmp_path / name, given, datasets[name])
        if name != "lost":
            assert_equal_to_rounding(tmp_path / "group" / name, tmp_path / name)
    again = stored(tmp_path / "lost")
    assert (again["runs/last_step"].values == lost["runs/last_step"].values).all()


def test_a_device_that_replays_steps_and_sends_states_gives_the_same_bytes(
    tmp_path: Path, data: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = {
        name: condition(
            batches=SINGLE,
            network={"kind": "mlp", "hidden": [6], "activation": "identity"},
            loss={"kind": "mse", "link": "identity", "reduction": "sum"},
            optimizer={"kind": "momentum", "momentum": 0.9, "rate": rate},
        )
        for name, rate in {"a": 0.001, "lost": 1e9, "z": 0.002}.items()
    }
    for given in conditions.values():
        given["record"] = {**RECORD, "evaluate": {"every": 4, "metrics": ["test_loss"]}}
    datasets = dict.fromkeys(conditions, data["step"])
    together(tmp_path / "plain", conditions, datasets, last=40)
    assert [stored(tmp_path / "plain" / name)["runs/status"].values.max() for name in conditions] == [0, 1, 0]
    captures = Redone()
    monkeypatch.setattr("orrery.training.together.captures_of", lambda device: captures)
    monkeypatch.setattr("orrery.training.together.lane_from", lambda device: SlowLane())
    monkeypatch.setattr("orrery.training.stepper.WORTH", 1)
    monkeypatch.setattr("orrery.training.stepper.FASTER", 1e9)
    together(tmp_path / "device", conditions, datasets, last=40)
    assert captures.replayed >= 40
    for path in sorted((tmp_path / "plain").rglob("*")):
        if path.is_file() and path.name != "provenance.json":
            assert (
                path.read_bytes() == (tmp_path / "device" / path.relative_to(tmp_path / "plain")).read_bytes()
            )


def test_other_shapes_are_told(tmp_path: Path, data: dict[str, Path]) -> None:
    conditions = {
        "a": condition(),
        "b": condition(network={"kind": "mlp", "hidden": [5], "activation": "tanh"}),
    }
    with pytest.raises(OrreryError, match="the tensors of 'b' have other shapes than those of 'a'"):
        together(tmp_path / "group", conditions, dict.fromkeys(conditions, data["step"]))
