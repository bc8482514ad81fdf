"""Training on a GPU: the same bytes each time and in both ways of stepping, and the numbers of the CPU."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from orrery.data.store import write_dataset
from orrery.training import block, stepper
from orrery.training.block import train_block
from orrery.training.progress import Progress

pytestmark = pytest.mark.gpu

GPU = "cuda"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("digits")
    write_dataset({"name": "digits"}, out, out / "cache")
    return out


def train(out: Path, dataset: Path, device: str = GPU, last: int = 200, **optimizer: Any) -> dict[str, bytes]:
    """Train and return the bytes of all but the provenance."""
    condition = {
        "system": {
            "kind": "network",
            "network": {"kind": "mlp", "hidden": [32], "activation": "tanh"},
            "loss": {"kind": "cross-entropy"},
            "optimizer": optimizer or {"kind": "momentum", "rate": 0.05, "momentum": 0.9},
            "batches": {"kind": "shuffled", "size": 64},
        },
        "training": {"dtype": "float32"},
        "streams": {},
        "copies": {"amplitude": 0.01},
        "record": {
            "state": "all",
            "steps": {"every": 1},
            "metrics": ["loss"],
            "observables": ["outputs"],
            "evaluate": {"every": 20, "metrics": ["test_loss"]},
        },
    }
    progress = Progress("test", stream=io.StringIO())
    train_block(condition, dataset, (3, 5, 7), (0, 1), 0, 0, last, None, out, device, progress)
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "provenance.json"
    }


def provenance(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "provenance.json").read_text())
    return content


@pytest.mark.parametrize("optimizer", [{}, {"kind": "adam", "rate": 0.01}])
def test_the_same_spec_gives_the_same_bytes(tmp_path: Path, digits: Path, optimizer: dict) -> None:
    one, other = (train(tmp_path / name, digits, **optimizer) for name in ("one", "other"))
    assert one == other
    assert provenance(tmp_path / "one")["device"].startswith(GPU)


def test_replayed_steps_give_the_bytes_of_called_ones(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepper, "WORTH", 1)
    monkeypatch.setattr(stepper, "_seconds", lambda *arguments: (2e-6, 1e-6))
    replayed = train(tmp_path / "replayed", digits)
    assert provenance(tmp_path / "replayed")["step"].startswith("graph")
    monkeypatch.setattr(block, "captures_of", lambda place: None)
    called = train(tmp_path / "called", digits)
    assert provenance(tmp_path / "called")["step"].startswith("eager")
    assert replayed == called


def test_portions_on_a_side_stream_give_the_bytes_of_waiting_at_every_step(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = train(tmp_path / "beside", digits)
    monkeypatch.setattr(block, "lane_from", lambda place: None)
    monkeypatch.setattr(block, "captures_of", lambda place: None)
    recorder = block.Recorder

    class Waiting(recorder):  # type: ignore[misc, valid-type]
        def _take(self, pending: Any) -> bool:
            return bool(
                super()._take([staged.mapped(lambda key, tensor: tensor.cpu()) for staged in pending])
            )

    monkeypatch.setattr(block, "Recorder", Waiting)
    assert train(tmp_path / "waiting", digits) == beside


@pytest.mark.parametrize("optimizer", [{}, {"kind": "adam", "rate": 0.001}])
def test_the_cpu_gives_the_same_numbers(tmp_path: Path, digits: Path, optimizer: dict) -> None:
    for device in ("cpu", GPU):
        train(tmp_path / device, digits, device, last=50, **optimizer)
    paths = [xr.open_zarr(tmp_path / device / "data.zarr")["state"].values for device in ("cpu", GPU)]
    assert abs(paths[0] - paths[1]).max() <= 1e-5
