"""Trajectories are found by the names of study and condition."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.trajectory_examples import PARTS, values, write

import orrery
from orrery.cli import main
from orrery.config.errors import OrreryError
from orrery.trajectory.checkpoint import read_checkpoint, write_checkpoint


@pytest.fixture
def results(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    folders = ["width/width=40@0a", "width/width=40@0b"]
    for folder, runs, seeds in zip(folders, ((0, 1), (2, 3)), ((5, 7), (1, 2)), strict=True):
        write(root / "store" / "trajectories" / folder / "data.zarr", runs=runs, seeds=seeds, copies=(0, 0))
    write(
        root / "store" / "trajectories" / "width/width=5@0c" / "data.zarr",
        runs=(4, 5),
        seeds=(5, 7),
        copies=(1, 1),
    )
    (root / "width").mkdir()
    bounds = {"seeds": [5, 7, 1], "steps": 8}
    conditions = {
        "width=40": {"stores": folders, **bounds},
        "width=5": {"stores": [folders[0], "width/width=5@0c"], "copies": [0], "seeds": [5, 7], "steps": 8},
    }
    (root / "width" / "trajectories.json").write_text(
        json.dumps({"study": "width", "conditions": conditions})
    )
    return root


def test_open_by_study_and_condition(results: Path) -> None:
    trajectory = orrery.open("width", "width=40", results=results)
    assert trajectory.seeds == [5, 7, 1]
    assert trajectory.steps == list(range(9))
    np.testing.assert_array_equal(trajectory.tensor("fc1.bias").values[2, 4], values(PARTS[1], (2,), 4)[0])
    assert orrery.open("width", "width=40", results=results, seeds=[7], steps=(1, 2)).steps == [1, 2]


def test_the_study_bounds_the_copies(results: Path) -> None:
    trajectory = orrery.open("width", "width=5", results=results)
    assert (trajectory.seeds, trajectory.copies) == ([5, 7], [0])
    with pytest.raises(OrreryError, match="copy 1 was not recorded"):
        orrery.open("width", "width=5", results=results, copies=[1])


def test_open_by_path(results: Path) -> None:
    folder = results / "store" / "trajectories" / "width" / "width=40@0b"
    assert orrery.open(folder).seeds == [1, 2]
    assert orrery.open(str(folder / "data.zarr"), steps=(0, 3)).steps == [0, 1, 2, 3]


def test_unknown_names(results: Path) -> None:
    with pytest.raises(
        OrreryError, match=r"study 'width' has no condition 'width=4'; did you mean 'width=40'\?"
    ):
        orrery.open("width", "width=4", results=results)
    with pytest.raises(
        OrreryError, match="study 'width' has 2 conditions; name one; known are width=40, width=5"
    ):
        orrery.open("width", results=results)
    with pytest.raises(OrreryError, match=r"no published study of that name; did you mean 'width'\?"):
        orrery.open("widht", "width=40", results=results)


def test_a_published_store_that_is_gone(results: Path) -> None:
    (results / "store" / "trajectories" / "width" / "width=40@0b" / "data.zarr").rename(results / "elsewhere")
    with pytest.raises(OrreryError, match=r"width=40@0b/data\.zarr does not exist"):
        orrery.open("width", "width=40", results=results)


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_the_package_imports_nothing_heavy() -> None:
    heavy = {"torch", "xarray", "zarr", "dask", "numpy", "pandas", "pydantic"}
    assert not modules_after("import orrery, orrery.cli") & heavy
    assert not modules_after("import orrery.trajectory.check") & heavy
    assert "torch" not in modules_after("import orrery; orrery.open; orrery.Trajectory")
    assert set(dir(orrery)) >= {"Recorder", "Trajectory", "open"}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        orrery.nothing  # noqa: B018


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    state = {
        "fc1.weight": torch.randn(3, 4, 2, dtype=torch.float64),
        "flag": torch.tensor([True, False, True]),
        "count": torch.tensor([1, 2, 3]),
        "w": torch.randn(3, 5),
    }
    write_checkpoint(tmp_path / "checkpoint.zarr", 700, state)
    step, found = read_checkpoint(tmp_path / "checkpoint.zarr")
    assert step == 700
    assert list(found) == list(state)
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    with pytest.raises(OrreryError, match="exists already"):
        write_checkpoint(tmp_path / "checkpoint.zarr", 700, state)


def test_checkpoint_damage(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="is not a checkpoint"):
        read_checkpoint(tmp_path / "none.zarr")
    path = tmp_path / "checkpoint.zarr"
    write_checkpoint(path, 1, {"w": torch.randn(2, 300)})
    (file,) = (path / "tensor_0" / "c").rglob("0/0")
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(OrreryError, match="tensor 'w' cannot be read"):
        read_checkpoint(path)
    file.unlink()
    with pytest.raises(OrreryError, match="chunk 0/0 is the first that is missing"):
        read_checkpoint(path)


def test_schema_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "config"]) == 0
    assert json.loads(capsys.readouterr().out)["title"]


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["nothing"], ["import"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        assert "usage: orrery" in capsys.readouterr().err
