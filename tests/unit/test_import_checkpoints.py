"""Checkpoints of someone else's training become a trajectory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import orrery
from orrery.cli import main
from orrery.config.errors import OrreryError
from orrery.provenance.manifest import verify
from orrery.trajectory.importing import import_checkpoints
from orrery.trajectory.recorder import Recorder


def states(seed: int = 0) -> dict[int, dict[str, torch.Tensor]]:
    random = torch.Generator().manual_seed(seed)
    return {
        step: {"fc.weight": torch.randn(3, 2, generator=random), "fc.bias": torch.randn(3, generator=random)}
        for step in (0, 10, 200, 1000)
    }


def save(
    folder: Path, given: dict[int, dict[str, torch.Tensor]], wrap: Callable[[Any], Any] = lambda state: state
) -> Path:
    folder.mkdir()
    for step, state in given.items():
        torch.save(wrap(state), folder / f"model2_step_{step}.pt")
    return folder


def test_import_equals_recording(tmp_path: Path) -> None:
    given = [states(0), states(1)]
    folders = [save(tmp_path / f"seed{seed}", given[seed]) for seed in range(2)]
    import_checkpoints(folders, tmp_path / "imported.zarr", pattern=r"step_(\d+)")
    with Recorder(tmp_path / "recorded.zarr", steps=[0, 10, 200, 1000]) as recorder:
        for step in given[0]:
            recorder.record(step, [run[step] for run in given])
    files = sorted(path for path in (tmp_path / "recorded.zarr").rglob("*") if path.is_file())
    for path in files:
        twin = tmp_path / "imported.zarr" / path.relative_to(tmp_path / "recorded.zarr")
        assert twin.read_bytes() == path.read_bytes(), path
    trajectory = orrery.open(tmp_path / "imported.zarr")
    assert trajectory.steps == [0, 10, 200, 1000]
    assert trajectory.seeds == [0, 1]
    np.testing.assert_array_equal(
        trajectory.tensor("fc.weight").sel(run=1, step=200).values, given[1][200]["fc.weight"].numpy()
    )


def test_safetensors(tmp_path: Path) -> None:
    given = states()
    (tmp_path / "run").mkdir()
    for step, state in given.items():
        save_file({**state, "count": torch.tensor(step)}, tmp_path / "run" / f"{step:06d}.safetensors")
    import_checkpoints([tmp_path / "run"], tmp_path / "out.zarr", tensors=["*.bias"], seeds=[7])
    trajectory = orrery.open(tmp_path / "out.zarr")
    assert trajectory.seeds == [7]
    assert [entry.name for entry in trajectory.components] == ["fc.bias"]
    np.testing.assert_array_equal(trajectory.tensor("fc.bias").values[0, 2], given[200]["fc.bias"].numpy())


@pytest.mark.parametrize(
    ("wrap", "key"),
    [
        (lambda state: {"model": state, "step": 3, "optimizer": {"lr": 0.1}}, None),
        (lambda state: {"model": state, "ema": state}, "model"),
        (lambda state: {"train": {"net": state}}, "train.net"),
        (lambda state: {**state, "note": "text"}, None),
    ],
)
def test_nested_state(tmp_path: Path, wrap: Callable[[Any], Any], key: str | None) -> None:
    given = states()
    import_checkpoints([save(tmp_path / "run", given, wrap)], tmp_path / "out.zarr", key=key)
    found = orrery.open(tmp_path / "out.zarr").tensor("fc.weight").values
    np.testing.assert_array_equal(found[0, 3], given[1000]["fc.weight"].numpy())


class Evil:
    """What a pickle can do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/orrery-was-here",)


def broken(path: Path, problem: str) -> None:
    given = states()
    if problem == "shapes":
        given[200]["fc.bias"] = torch.zeros(4)
    if problem == "missing":
        del given[1000]["fc.bias"]
    folder = save(path, given)
    if problem == "pickle":
        torch.save({"fc.weight": Evil()}, folder / "model2_step_1.pt")
    if problem == "module":
        torch.save(torch.nn.Linear(2, 2), folder / "model2_step_1.pt")
    if problem == "number":
        (folder / "model2_step_1000.pt").rename(folder / "final.pt")
    if problem == "duplicate":
        torch.save(given[10], folder / "old_step_10.pt")
    if problem == "garbage":
        (folder / "model2_step_3.pt").write_bytes(b"not a checkpoint")
    if problem == "safetensors":
        (folder / "model2_step_3.safetensors").write_bytes(b"\x08")
    if problem == "tensor":
        torch.save(torch.zeros(3), folder / "model2_step_3.pt")
    if problem == "deep":
        torch.save({"a": {"b": {"c": given[10]}}}, folder / "model2_step_3.pt")


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (
            "shapes",
            r"step_200\.pt: tensor 'fc.bias' has shape \(4,\) in run 0 but \(3,\) was recorded before",
        ),
        ("missing", r"step_1000\.pt: run 0 has no tensor 'fc.bias'"),
        ("pickle", r"step_1\.pt holds more than weights, and reading it could run code"),
        ("module", r"step_1\.pt holds more than weights"),
        ("number", r"final\.pt has no step number that .* finds; say how with --pattern"),
        ("duplicate", r"step_10\.pt and .*step_10\.pt are both of step 10"),
        ("garbage", r"step_3\.pt (cannot be read|holds more than weights)"),
        ("safetensors", r"step_3\.safetensors cannot be read as safetensors"),
        ("tensor", r"step_3\.pt holds a Tensor, not a state dictionary"),
        ("deep", r"step_3\.pt holds no tensors at its top; say with --key"),
    ],
)
def test_one_sentence_and_nothing_left(tmp_path: Path, problem: str, message: str) -> None:
    broken(tmp_path / "run", problem)
    with pytest.raises(OrreryError, match=message) as caught:
        import_checkpoints([tmp_path / "run"], tmp_path / "out.zarr")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out*"))
    assert not Path("/tmp/orrery-was-here").exists()


def test_folders_that_do_not_fit(tmp_path: Path) -> None:
    first, second = save(tmp_path / "a", states(0)), save(tmp_path / "b", states(1))
    (second / "model2_step_10.pt").unlink()
    with pytest.raises(OrreryError, match="step 10 is in one only"):
        import_checkpoints([first, second], tmp_path / "out.zarr")
    with pytest.raises(OrreryError, match="is not a folder"):
        import_checkpoints([tmp_path / "none"], tmp_path / "out.zarr")
    (tmp_path / "empty").mkdir()
    with pytest.raises(OrreryError, match="holds no checkpoints"):
        import_checkpoints([tmp_path / "empty"], tmp_path / "out.zarr")
    with pytest.raises(OrreryError, match="not a regular expression"):
        import_checkpoints([first], tmp_path / "out.zarr", pattern="(")
    with pytest.raises(OrreryError, match="has no group for the step"):
        import_checkpoints([first], tmp_path / "out.zarr", pattern="step")
    with pytest.raises(OrreryError, match="1 seeds were named but 2 runs"):
        import_checkpoints([first, first], tmp_path / "out.zarr", seeds=[1])
    with pytest.raises(OrreryError, match=r"has no entry 'ema'; known are fc.bias, fc.weight"):
        import_checkpoints([first], tmp_path / "out.zarr", key="ema")


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save(tmp_path / "run", states())
    output = tmp_path / "out.zarr"
    assert (
        main(["import", str(folder), "--output", str(output), "--pattern", r"step_(\d+)", "--seeds", "3"])
        == 0
    )
    shown = capsys.readouterr().out
    assert f"wrote {output} and its manifest {output}.json" in shown
    assert verify(tmp_path / "out.zarr.json") == []
    assert "1 seeds x 1 copies), 4 steps from 0 to 1000, 9 components" in shown
    assert main(["import", str(folder), "--output", str(output)]) == 1
    assert capsys.readouterr().err == (
        f"orrery import: {output} exists already; remove it or record somewhere else\n"
    )
