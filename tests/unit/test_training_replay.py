"""A replay has the bits of the training, from the start and from every checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.test_training_block import condition, iris, train

from orrery.config.errors import OrreryError
from orrery.systems.tangents import packed
from orrery.training import recorded
from orrery.training.replay import replay_of
from orrery.trajectory.trajectory import Trajectory

__all__ = ["iris"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_step_again_bit_for_bit(tmp_path: Path, iris: Path, dtype: str) -> None:
    given = condition(training={"dtype": dtype})
    train(tmp_path / "a", iris, given, last=10)
    train(tmp_path / "b", iris, given, first=10, last=20, previous=tmp_path / "a")
    stored = Trajectory.open([tmp_path / "a" / "data.zarr", tmp_path / "b" / "data.zarr"]).array()
    for folders, first in (([tmp_path / "a", tmp_path / "b"], 7), ([tmp_path / "b", tmp_path / "a"], 14)):
        (orbit,) = replay_of(given, iris, folders)
        assert (orbit.runs.seeds, orbit.runs.copies) == ((3, 3, 5, 5), (0, 1, 0, 1))
        steps = []
        for step, state in orbit.states(first, 18):
            steps.append(step)
            assert torch.equal(
                packed(state, orbit.system.components), torch.from_numpy(stored.sel(step=step).values)
            )
        assert steps == list(range(first, 19))


def test_a_replay_starts_at_the_last_checkpoint_before(tmp_path: Path, iris: Path) -> None:
    given = condition(training={"dtype": "float64"})
    train(tmp_path / "a", iris, given, last=10)
    (orbit,) = replay_of(given, iris, [tmp_path / "a"])
    called = []
    step = orbit.system.advance
    object.__setattr__(orbit.system, "advance", lambda *args: called.append(args[2]) or step(*args))
    orbit.state(12)
    assert called == [10, 11]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"steps": {"every": 4}}, [8, 9]),
        ({"steps": {"every": 1}}, []),
        ({"steps": {"every": 4}, "state": ["fc1.*"]}, list(range(10))),
    ],
)
def test_a_replay_starts_at_a_whole_state_that_was_recorded(
    tmp_path: Path, iris: Path, record: dict[str, object], expected: list[int]
) -> None:
    given = condition(training={"dtype": "float64"}, record=record)
    train(tmp_path / "a", iris, given, last=20)
    (orbit,) = replay_of(given, iris, [tmp_path / "a"])
    long_way = packed(replace(orbit, stores=()).state(10), orbit.system.components)
    called = []
    step = orbit.system.advance
    object.__setattr__(orbit.system, "advance", lambda *args: called.append(args[2]) or step(*args))
    assert torch.equal(packed(orbit.state(10), orbit.system.components), long_way)
    assert called == expected


def test_without_a_checkpoint_before_it_is_one_sentence(tmp_path: Path, iris: Path) -> None:
    given = condition(training={"dtype": "float64"})
    train(tmp_path / "a", iris, given, last=10)
    (orbit,) = replay_of(given, iris, [tmp_path / "a"])
    orbit = replace(orbit, starts={10: None}, stores=())
    with pytest.raises(OrreryError, match="needs a checkpoint at or before it; there is none before step 10"):
        orbit.state(4)


def stepped(orbit: Any, first: int, last: int) -> tuple[list[int], list[int], torch.Tensor]:
    """Steps that a replay takes, steps that it gives, and its states."""
    called: list[int] = []
    step = orbit.system.advance
    object.__setattr__(orbit.system, "advance", lambda *args: called.append(args[2]) or step(*args))
    found = list(orbit.states(first, last))
    object.__setattr__(orbit.system, "advance", step)
    return called, [t for t, _ in found], torch.stack([packed(s, orbit.system.components) for _, s in found])


def test_what_was_recorded_whole_is_read_with_the_same_bits(
    tmp_path: Path, iris: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = condition(training={"dtype": "float64"})
    train(tmp_path / "a", iris, given, last=10)
    train(tmp_path / "b", iris, given, first=10, last=20, previous=tmp_path / "a")
    (orbit,) = replay_of(given, iris, [tmp_path / "b", tmp_path / "a"])
    again = stepped(orbit, 7, 18)
    assert again[0] == list(range(7, 18))
    monkeypatch.setattr(recorded, "WORTH_READING", 1)
    read = stepped(orbit, 7, 18)
    assert read[0] == []
    assert read[1] == again[1] == list(range(7, 19))
    assert torch.equal(read[2], again[2])


@pytest.mark.parametrize(
    "record",
    [{"steps": {"every": 2}}, {"state": ["*.weight"]}, {"state": []}],
    ids=["steps missing", "tensors missing", "no state"],
)
def test_what_was_not_recorded_whole_is_iterated_again(
    tmp_path: Path, iris: Path, monkeypatch: pytest.MonkeyPatch, record: dict
) -> None:
    monkeypatch.setattr(recorded, "WORTH_READING", 1)
    given = condition(training={"dtype": "float64"}, record={**condition()["record"], **record})
    train(tmp_path / "a", iris, given, last=10)
    (orbit,) = replay_of(given, iris, [tmp_path / "a"])
    assert stepped(orbit, 0, 4)[0] == [0, 1, 2, 3]


def test_a_run_that_diverged_goes_on_as_it_comes(
    tmp_path: Path, iris: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "WORTH_READING", 1)
    system = {
        **condition()["system"],
        "network": {"kind": "mlp", "hidden": [6], "activation": "relu"},
        "optimizer": {"kind": "sgd", "rate": 1e200},
    }
    given = condition(training={"dtype": "float64"}, system=system)
    trained = train(tmp_path / "a", iris, given, last=10)
    assert bool(trained["state"].isnull().any())
    (orbit,) = replay_of(given, iris, [tmp_path / "a"])
    assert stepped(orbit, 0, 4)[0] == [0, 1, 2, 3]
