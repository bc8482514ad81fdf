"""Every misuse of the store gives one sentence that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.trajectory_examples import PARTS, Part, state, write

from orrery.config.errors import OrreryError
from orrery.trajectory.trajectory import Trajectory
from orrery.trajectory.writer import Writer


def start(path: Path, **settings: Any) -> Writer:
    given: dict[str, Any] = {"components": PARTS, "steps": [0, 1, 2], "seeds": [0, 1], "copies": [0, 0]}
    return Writer(path, **{**given, **settings})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": [0, 2, 1]}, "do not increase"),
        ({"steps": []}, "no step was declared"),
        ({"copies": [0]}, "2 seeds and 1 copies"),
        ({"dtype": "int64"}, "float32 or float64, not int64"),
        ({"components": [PARTS[0], PARTS[0]]}, "'fc1.weight' is named twice"),
        ({"components": [Part("w", (2, 3), dims=("a",))]}, "2 axes but 1 names"),
        ({"metrics": {"run": [0]}}, "'run' cannot name a metric"),
        ({"metrics": {"a/b": [0]}}, "'a/b' cannot name a metric"),
        ({"metrics": {"x": [0]}, "observables": {"x": ((), "float32")}}, "'x' names two"),
        ({"attributes": {"schema": 1}}, "attribute 'schema'"),
    ],
)
def test_declarations(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OrreryError, match=message):
        start(tmp_path / "data.zarr", **settings)
    assert not (tmp_path / "data.zarr").exists()


def test_recording(tmp_path: Path) -> None:
    writer = start(tmp_path / "data.zarr", metrics={"loss": [0, 1]}, observables={"x": ((2,), "float32")})
    with pytest.raises(OrreryError, match="step 1 was given; the next declared step is 0"):
        writer.record(1, state((0, 1), 1))
    with pytest.raises(OrreryError, match=r"tensor 'fc1.bias' is declared but was not given"):
        writer.record(0, {"fc1.weight": torch.zeros(2, 4, 3)})
    with pytest.raises(OrreryError, match=r"shape \(1, 4, 3\) but \(2, 4, 3\) was declared"):
        writer.record(0, {name: tensor[:1] for name, tensor in state((0, 1), 0).items()})
    with pytest.raises(OrreryError, match="observable 'y' was not declared; declared are x"):
        writer.record_observable("y", 0, np.zeros((2, 2)))
    with pytest.raises(OrreryError, match="its next declared step is 0"):
        writer.record_observable("x", 2, np.zeros((2, 2)))
    with pytest.raises(OrreryError, match="metric 'lost' was not declared; declared are loss"):
        writer.record_metric("lost", 0, torch.zeros(2))
    with pytest.raises(OrreryError, match="not among its declared steps"):
        writer.record_metric("loss", 2, torch.zeros(2))
    with pytest.raises(OrreryError, match="one value per run"):
        writer.record_metric("loss", 0, torch.zeros(3))


def test_a_step_that_failed_can_be_given_again(tmp_path: Path) -> None:
    writer = start(tmp_path / "data.zarr")
    with pytest.raises(OrreryError):
        writer.record(0, {})
    for step in range(3):
        writer.record(step, state((0, 1), step))
    writer.close()
    assert Trajectory.open(tmp_path / "data.zarr").steps == [0, 1, 2]


def test_an_unrecorded_metric_is_noticed(tmp_path: Path) -> None:
    writer = start(tmp_path / "data.zarr", metrics={"loss": [0, 1]})
    for step in range(3):
        writer.record(step, state((0, 1), step))
    writer.record_metric("loss", 0, torch.zeros(2))
    with pytest.raises(OrreryError, match="metric 'loss' was not recorded at step 1"):
        writer.close()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "data.zarr")
    with pytest.raises(OrreryError, match="exists already"):
        start(tmp_path / "data.zarr")


def test_an_exception_leaves_no_store(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="next declared"), start(tmp_path / "data.zarr") as writer:
        writer.record(2, state((0, 1), 0))
    assert not (tmp_path / "data.zarr").exists()


def test_unknown_names_come_with_the_nearest(tmp_path: Path) -> None:
    trajectory = Trajectory.open(write(tmp_path / "data.zarr"))
    with pytest.raises(OrreryError, match=r"'fc1.wieght' was not recorded; did you mean 'fc1.weight'\?"):
        trajectory.tensor("fc1.wieght")
    with pytest.raises(OrreryError, match=r"'fc2\.\*' was not recorded"):
        trajectory.array(["fc2.*"])
    with pytest.raises(OrreryError, match=r"metric 'losss' was not recorded; did you mean 'loss'\?"):
        trajectory.metric("losss")


def test_stores_that_do_not_belong_together(tmp_path: Path) -> None:
    first = write(tmp_path / "0.zarr")
    overlapping = write(tmp_path / "1.zarr", steps=range(5, 16))
    with pytest.raises(OrreryError, match=r"ends at step 10 but .* starts at step 5"):
        Trajectory.open([first, overlapping])
    shared = write(tmp_path / "2.zarr", runs=(1, 2))
    with pytest.raises(OrreryError, match="both hold run 1"):
        Trajectory.open([first, shared])
    shorter = write(tmp_path / "3.zarr", runs=(2, 3), steps=range(9))
    with pytest.raises(OrreryError, match="holds other steps than"):
        Trajectory.open([first, shorter])
    other = write(tmp_path / "4.zarr", runs=(2, 3), parts=[Part("w", (3,))])
    with pytest.raises(OrreryError, match="records other tensors"):
        Trajectory.open([first, other])
    with pytest.raises(OrreryError, match="no store was given"):
        Trajectory.open([])
