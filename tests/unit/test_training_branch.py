"""A branch goes on from the states of another condition, bit for bit, with nothing changed but what it changes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.device_examples import SlowLane
from tests.unit.test_training_block import condition, files, iris

from orrery.config.errors import OrreryError
from orrery.systems.system import Runs
from orrery.systems.tangents import packed
from orrery.training import start
from orrery.training.block import train_block
from orrery.training.build import build_system
from orrery.training.progress import Progress
from orrery.training.replay import replay_of
from orrery.training.start import Leaves
from orrery.trajectory.trajectory import Trajectory

__all__ = ["iris"]

CPU = torch.device("cpu")
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"kind": "sgd", "rate": 0.1},
    "momentum": {"kind": "momentum", "rate": 0.05, "momentum": 0.9},
    "nesterov": {"kind": "nesterov", "rate": 0.05, "momentum": 0.9},
    "adam": {"kind": "adam", "rate": 0.01},
    "adamw": {"kind": "adamw", "rate": 0.01, "weight_decay": 0.1},
}
SEEDS = (3, 5)


def given(optimizer: str = "momentum", **more: Any) -> dict[str, Any]:
    """A condition in mini-batches, with a rate that changes on the way."""
    system = {
        "kind": "network",
        "network": {"kind": "mlp", "hidden": [6], "activation": "tanh"},
        "optimizer": OPTIMIZERS[optimizer],
        "schedule": {"kind": "step", "every": 8, "factor": 0.5},
        "batches": {"kind": "shuffled", "size": 16},
    }
    return condition(**{"system": system, "training": {"dtype": "float64", "device": "cpu"}, **more})


def train(
    out: Path,
    iris: Path | None,
    settings: dict[str, Any],
    first: int,
    last: int,
    previous: Path | None = None,
    leaves: Leaves | None = None,
    seeds: tuple[int, ...] = SEEDS,
    copies: tuple[int, ...] = (0, 1),
) -> Path:
    progress = Progress("test", stream=io.StringIO())
    train_block(settings, iris, seeds, copies, 0, first, last, previous, out, "cpu", progress, leaves)
    return out


def beginning(settings: dict[str, Any], at: int) -> dict[str, Any]:
    return {**settings, "branch": {"at": at}}


def read(folder: Path, at: int, seeds: tuple[int, ...] = SEEDS, copies: tuple[int, ...] = (0, 1)) -> Leaves:
    """Runs that are left at the end of a segment."""
    return Leaves([Runs.product(seeds, copies)], at, [folder])


def states(*folders: Path) -> np.ndarray:
    """State (run, step, component)."""
    return np.asarray(Trajectory.open([folder / "data.zarr" for folder in folders]).array().values)


def steps(*folders: Path) -> list[int]:
    return Trajectory.open([folder / "data.zarr" for folder in folders]).steps


def iterated(
    settings: dict[str, Any], iris: Path, start: dict[str, torch.Tensor], runs: Runs, steps: Iterable[int]
) -> np.ndarray:
    """The states (run, step, component) after each step of the plain map of a condition."""
    system = build_system(settings, iris, CPU)
    found, state = [packed(start, system.components)], start
    with torch.no_grad():
        for t in steps:
            state = system.step(state, system.batch(runs, t), t)
            found.append(packed(state, system.components))
    return torch.stack(found, dim=1).numpy()


@pytest.fixture(scope="module")
def parent(iris: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Momentum in two segments, 0-10 and 10-20, of a run and a copy for each of two seeds."""
    folder = tmp_path_factory.mktemp("parent")
    train(folder / "a", iris, given(), 0, 10)
    train(folder / "b", iris, given(), 10, 20, folder / "a")
    return folder


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_with_nothing_changed_it_is_the_condition_itself(
    tmp_path: Path, iris: Path, optimizer: str, dtype: str
) -> None:
    settings = given(optimizer, training={"dtype": dtype})
    a = train(tmp_path / "a", iris, settings, 0, 10, copies=(0,))
    b = train(tmp_path / "b", iris, settings, 10, 20, a, copies=(0,))
    branch = train(
        tmp_path / "c", iris, beginning(settings, 10), 10, 20, None, read(a, 10, copies=(0,)), copies=(0,)
    )
    assert steps(branch) == list(range(10, 21))
    assert np.array_equal(states(branch), states(a, b)[:, 10:])
    assert files(branch / "checkpoint.zarr") == files(b / "checkpoint.zarr")
    assert files(branch / "start.zarr") == files(a / "checkpoint.zarr")


@pytest.mark.parametrize("at", [0, 1, 7, 10, 13, 19])
def test_it_may_leave_at_any_step(tmp_path: Path, iris: Path, parent: Path, at: int) -> None:
    """Where no checkpoint lies the runs are iterated again, from the one before or from their start."""
    runs = [Runs.product(SEEDS, (0, 1))]
    folders, begin = ([parent / "a"], 10) if at >= 10 else ([], 0)
    leaves = Leaves(runs, begin, folders, given(), iris)
    branch = train(tmp_path / "c", iris, beginning(given(), at), at, 20, None, leaves)
    whole = states(parent / "a", parent / "b")
    # Runs have equal bits where as many copies are trained together.
    assert np.array_equal(states(branch)[::2], whole[::2, at:])
    # Its copy is one of the original there, and not what the copy of the condition has become.
    assert np.array_equal(states(branch)[1::2], whole[1::2, at:]) == (at == 0)


def test_runs_are_iterated_again_with_a_device_of_its_own_in_the_same_bits(
    tmp_path: Path, iris: Path, parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "lane_from", lambda place: SlowLane())
    leaves = Leaves([Runs.product(SEEDS, (0, 1))], 0, [], given(), iris)
    branch = train(tmp_path / "c", iris, beginning(given(), 7), 7, 10, None, leaves)
    assert np.array_equal(states(branch)[::2], states(parent / "a")[::2, 7:])


def test_copies_are_perturbed_where_it_begins(tmp_path: Path, iris: Path, parent: Path) -> None:
    """Of the condition only the originals go on; copy 0 stays one, and copy 1 differs by the perturbation alone."""
    copies = {"amplitude": 1e-6, "kind": "absolute", "distribution": "normal", "tensors": ["fc2.weight"]}
    settings = beginning(given(copies=copies), 10)
    branch = train(tmp_path / "c", iris, settings, 10, 20, None, read(parent / "a", 10), copies=(0, 1, 2))
    found, whole = states(branch), states(parent / "a", parent / "b")
    assert np.array_equal(found[::3], whole[::2, 10:])
    changes = found[1::3, 0] - found[::3, 0]
    trajectory = Trajectory.open(branch / "data.zarr")
    (entry,) = [entry for entry in trajectory.components if entry.name == "fc2.weight"]
    assert not changes[:, : entry.offset].any()
    assert not changes[:, entry.offset + entry.size :].any()
    system = build_system(settings, iris, CPU)
    (component,) = [one for one in system.components if one.name == "fc2.weight"]
    from orrery.numerics.streams import Streams

    generator = Streams().generator("copy", 1, component.name, component.shape)
    expected = 1e-6 * generator.standard_normal(component.shape).ravel()
    np.testing.assert_allclose(changes[:, entry.slice], np.stack([expected] * 2), rtol=1e-7, atol=1e-15)
    assert not np.array_equal(found[1::3, -1], found[2::3, -1])


def test_another_rate(tmp_path: Path, iris: Path, parent: Path) -> None:
    faster = given()
    faster["system"] = {**faster["system"], "optimizer": {**OPTIMIZERS["momentum"], "rate": 0.2}}
    branch = train(
        tmp_path / "c", iris, beginning(faster, 10), 10, 20, None, read(parent / "a", 10), copies=(0,)
    )
    runs = Runs.product(SEEDS)
    (orbit,) = replay_of(given(), iris, [parent / "a"])
    begun = {name: tensor[::2].clone() for name, tensor in orbit.state(10).items()}
    assert np.array_equal(states(branch), iterated(faster, iris, begun, runs, range(10, 20)))
    assert not np.array_equal(states(branch)[:, 1], states(parent / "b")[::2, 0])


@pytest.mark.parametrize(
    ("before", "after"),
    [("momentum", "sgd"), ("sgd", "adam"), ("adam", "momentum"), ("momentum", "nesterov")],
)
def test_another_optimizer(tmp_path: Path, iris: Path, before: str, after: str) -> None:
    """What both carry is taken over, what the new one lacks starts as in a new run; its clock is that of the run."""
    a = train(tmp_path / "a", iris, given(before), 0, 10, copies=(0,))
    leaves = read(a, 10, copies=(0,))
    branch = train(tmp_path / "c", iris, beginning(given(after), 10), 10, 20, None, leaves, copies=(0,))
    (orbit,) = replay_of(given(before), iris, [a])
    left, runs = orbit.state(10), Runs.product(SEEDS)
    system = build_system(given(after), iris, CPU)
    begun = {name: left.get(name, tensor).clone() for name, tensor in system.initial(runs).items()}
    carried = [name for name in begun if name.endswith("momentum")]
    assert (before, after) != ("momentum", "nesterov") or any(begun[name].any() for name in carried)
    assert np.array_equal(states(branch), iterated(given(after), iris, begun, runs, range(10, 20)))


def test_other_batches(tmp_path: Path, iris: Path, parent: Path) -> None:
    other = given(streams={"order": {"shift": 1000}})
    branch = train(
        tmp_path / "c", iris, beginning(other, 10), 10, 20, None, read(parent / "a", 10), copies=(0,)
    )
    whole = states(parent / "a", parent / "b")[::2, 10:]
    assert np.array_equal(states(branch)[:, 0], whole[:, 0])
    assert not np.array_equal(states(branch)[:, 1], whole[:, 1])


def test_a_branch_in_segments_is_that_in_one(tmp_path: Path, iris: Path, parent: Path) -> None:
    settings = beginning(given(), 10)
    whole = train(tmp_path / "whole", iris, settings, 10, 20, None, read(parent / "a", 10))
    one = train(tmp_path / "one", iris, settings, 10, 14, None, read(parent / "a", 10))
    two = train(tmp_path / "two", iris, settings, 14, 20, one)
    assert np.array_equal(states(one, two), states(whole))
    assert steps(one, two) == list(range(10, 21))
    assert files(two / "checkpoint.zarr") == files(whole / "checkpoint.zarr")
    assert not (two / "start.zarr").exists()


@pytest.mark.parametrize("at", [10, 12, 14, 16])
def test_a_branch_of_a_branch(tmp_path: Path, iris: Path, parent: Path, at: int) -> None:
    """It leaves at the start of the first, inside its first segment, at the end of that, and beyond."""
    settings = beginning(given(), 10)
    one = train(tmp_path / "one", iris, settings, 10, 14, None, read(parent / "a", 10))
    folder, begin = (one, 14) if at >= 14 else (one, 10)
    leaves = Leaves([Runs.product(SEEDS, (0, 1))], begin, [folder], None if at == begin else settings, iris)
    again = train(tmp_path / "again", iris, beginning(given(), at), at, 20, None, leaves)
    assert np.array_equal(states(again)[::2], states(parent / "a", parent / "b")[::2, at:])


def test_it_reads_seeds_from_several_blocks(tmp_path: Path, iris: Path) -> None:
    one = train(tmp_path / "a", iris, given(), 0, 10, seeds=(3, 5), copies=(0,))
    two = train(tmp_path / "b", iris, given(), 0, 10, seeds=(7, 9), copies=(0, 1))
    leaves = Leaves([Runs.product((3, 5)), Runs.product((7, 9), (0, 1))], 10, [one, two])
    settings = beginning(given(), 10)
    branch = train(tmp_path / "c", iris, settings, 10, 12, None, leaves, seeds=(9, 5), copies=(0, 1))
    assert np.array_equal(states(branch)[::2, 0], np.stack([states(two)[2, 10], states(one)[1, 10]]))


@pytest.mark.parametrize("first", [10, 12, 14, 17])
def test_a_replay_of_it_has_its_bits(tmp_path: Path, iris: Path, parent: Path, first: int) -> None:
    settings = beginning(given(copies={"amplitude": 0.01}), 10)
    one = train(tmp_path / "one", iris, settings, 10, 14, None, read(parent / "a", 10))
    two = train(tmp_path / "two", iris, settings, 14, 20, one)
    stored = states(one, two)
    (orbit,) = replay_of(settings, iris, [two, one])
    assert sorted(orbit.starts) == [10, 14, 20]
    found = {step: packed(state, orbit.system.components).numpy() for step, state in orbit.states(first, 19)}
    assert list(found) == list(range(first, 20))
    assert all(np.array_equal(state, stored[:, step - 10]) for step, state in found.items())
    with pytest.raises(OrreryError, match="there is none before step 10"):
        orbit.state(9)


def test_steps_are_recorded_by_their_number_and_where_it_begins(
    tmp_path: Path, iris: Path, parent: Path
) -> None:
    record = {
        "state": "all",
        "steps": {"every": 4},
        "metrics": ["loss"],
        "evaluate": {"every": 5, "metrics": ["test_loss"]},
    }
    settings = beginning(given(record=record), 10)
    one = train(tmp_path / "one", iris, settings, 10, 14, None, read(parent / "a", 10))
    two = train(tmp_path / "two", iris, settings, 14, 20, one)
    trajectory = Trajectory.open([one / "data.zarr", two / "data.zarr"])
    assert trajectory.steps == [10, 12, 16, 20]
    assert trajectory.metric("loss").training_step.values.tolist() == list(range(10, 20))
    assert trajectory.metric("test_loss").evaluation_step.values.tolist() == [10, 15, 20]
    assert trajectory.attributes["condition"]["branch"] == {"at": 10}


@pytest.mark.parametrize("at", [10, 13])
def test_a_run_that_diverged_stays_so(tmp_path: Path, iris: Path, at: int) -> None:
    wild = given("sgd")
    network = {"kind": "mlp", "hidden": [6], "activation": "identity"}
    wild["system"] = {**wild["system"], "network": network, "optimizer": {"kind": "sgd", "rate": 1e200}}
    a = train(tmp_path / "a", iris, wild, 0, 10)
    final = Trajectory.open(a / "data.zarr").dataset["last_step"].values
    assert (final < 10).all()
    leaves = replace(read(a, 10), condition=wild if at > 10 else None, dataset=iris)
    adam = beginning(given("adam"), at)
    branch = Trajectory.open(train(tmp_path / "c", iris, adam, at, 16, None, leaves) / "data.zarr")
    assert np.isnan(branch.array().values).all()
    assert branch.dataset["status"].values.tolist() == [1] * 4
    assert branch.dataset["last_step"].values.tolist() == final[[0, 0, 2, 2]].tolist()


def test_what_does_not_fit_is_one_sentence(tmp_path: Path, iris: Path, parent: Path) -> None:
    wider = given()
    wider["system"] = {**wider["system"], "network": {"kind": "mlp", "hidden": [7], "activation": "tanh"}}
    single = given(training={"dtype": "float32"})
    for number, (settings, words) in enumerate(
        ((wider, r"branch\.of: tensor 'fc1\.weight' has the shape \(7, 4\)"), (single, r"training\.dtype: "))
    ):
        with pytest.raises(OrreryError, match=words) as caught:
            train(tmp_path / str(number), iris, beginning(settings, 10), 10, 20, None, read(parent / "a", 10))
        assert "\n" not in str(caught.value)
    with pytest.raises(OrreryError, match="is of step 10, not 12"):
        train(tmp_path / "c", iris, beginning(given(), 12), 12, 20, None, read(parent / "a", 12))
