"""A training loop of anyone's own is recorded as if Orrery had trained."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from tests.unit.trajectory_examples import Part
from torch import nn

import orrery
from orrery.config.errors import OrreryError
from orrery.trajectory.check import complete
from orrery.trajectory.writer import Writer


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def train(model: nn.Module, steps: int) -> list[tuple[int, float]]:
    """Yield nothing but change the model in place, as a usual loop does."""
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    inputs, targets = torch.randn(8, 3), torch.randn(8, 2)
    losses = []
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss = ((model(inputs) - targets) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append((step, float(loss.detach())))
    return losses


def test_records_a_loop_of_unknown_length(tmp_path: Path) -> None:
    path, model = tmp_path / "run.zarr", network()
    kept = []
    with orrery.Recorder(path) as recorder:
        recorder.record(0, model)
        for step in range(1, 8):
            ((_, loss),) = train(model, 1)
            recorder.record(step, model, loss=loss)
            kept.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        assert not path.exists()
    trajectory = orrery.open(path)
    assert trajectory.steps == list(range(8))
    assert [entry.name for entry in trajectory.components] == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "2.weight", "2.bias",
    ]  # fmt: skip
    roles = {entry.name: entry.role for entry in trajectory.components}
    assert roles["0.bias"] == "bias"
    assert roles["1.running_mean"] == "statistic"
    for name in roles:
        expected = torch.stack([state[name] for state in kept]).numpy()
        np.testing.assert_array_equal(trajectory.tensor(name).values[0, 1:], expected)
    assert trajectory.tensor("0.weight").dims == ("run", "step", "output", "input")
    assert trajectory.metric("loss")["training_step"].values.tolist() == list(range(1, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert xr.open_zarr(path)["state"].shape == (1, 8, 42)


def test_many_chunks_of_unknown_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orrery.trajectory.layout.MEBIBYTE", 500)
    monkeypatch.setattr("orrery.trajectory.layout.LONGEST_CHUNK", 8)
    path = tmp_path / "run.zarr"
    with orrery.Recorder(path) as recorder:
        for step in range(0, 60, 2):
            recorder.record(step, {"w": torch.full((100,), float(step)), "count": torch.tensor(step)})
    assert complete(path) == []
    trajectory = orrery.open(path)
    assert trajectory.steps == list(range(0, 60, 2))
    assert [entry.name for entry in trajectory.components] == ["w"]
    np.testing.assert_array_equal(trajectory.tensor("w").values[0, :, 7], np.arange(0, 60, 2))
    assert len(list((path / "state" / "c").rglob("*"))) > 8


def test_with_declared_steps_the_bytes_are_those_of_the_writer(tmp_path: Path) -> None:
    values = torch.randn(5, 3, 4)
    writer = Writer(
        tmp_path / "a.zarr", components=[Part("w", (4,))], steps=range(5), seeds=[0, 1, 2], copies=[0, 0, 0],
        metrics={"loss": range(5)}, attributes={"settings": {"rate": 1}},
    )  # fmt: skip
    for step in range(5):
        writer.record(step, {"w": values[step]})
        writer.record_metric("loss", step, values[step, :, 0])
    writer.close()
    attributes = {"settings": {"rate": 1}}
    with orrery.Recorder(tmp_path / "b.zarr", steps=range(5), attributes=attributes) as recorder:
        for step in range(5):
            recorder.record(step, [{"w": row} for row in values[step]], loss=values[step, :, 0])
    files = sorted(
        file.relative_to(tmp_path / "a.zarr") for file in (tmp_path / "a.zarr").rglob("*") if file.is_file()
    )
    assert files == sorted(
        file.relative_to(tmp_path / "b.zarr") for file in (tmp_path / "b.zarr").rglob("*") if file.is_file()
    )
    for file in files:
        assert (tmp_path / "a.zarr" / file).read_bytes() == (tmp_path / "b.zarr" / file).read_bytes(), file


def test_an_ensemble_and_patterns(tmp_path: Path) -> None:
    models = [network(seed) for seed in range(3)]
    with orrery.Recorder(tmp_path / "run.zarr", ["*.weight"], seeds=[4, 5, 6]) as recorder:
        recorder.record(0, models, loss=[1.0, 2.0, 3.0])
        recorder.record(10, models, loss=torch.tensor([1.0, 2.0, 4.0]))
    trajectory = orrery.open(tmp_path / "run.zarr", seeds=[5, 6])
    assert trajectory.seeds == [5, 6]
    assert [entry.name for entry in trajectory.components] == ["0.weight", "1.weight", "2.weight"]
    np.testing.assert_array_equal(
        trajectory.tensor("2.weight").values[0, 1], models[1].state_dict()["2.weight"].numpy()
    )
    assert trajectory.metric("loss").values[:, 1].tolist() == [2.0, 4.0]


def test_metrics_may_come_and_go(tmp_path: Path) -> None:
    with orrery.Recorder(tmp_path / "run.zarr") as recorder:
        for step in range(6):
            recorder.record(step, {"w": torch.zeros(2)}, loss=step)
            if step % 3 == 0:
                recorder.record(step, accuracy=step / 10)
    metrics = orrery.open(tmp_path / "run.zarr").dataset.compute()
    assert metrics["loss"].values.tolist() == [[0, 1, 2, 3, 4, 5]]
    np.testing.assert_array_equal(metrics["accuracy"].values[0, [0, 3]], [0, 0.3])
    assert np.isnan(metrics["accuracy"].values[0, [1, 2, 4, 5]]).all()


@pytest.mark.parametrize("steps", [None, range(100)])
def test_an_interrupted_loop_keeps_what_it_had(tmp_path: Path, steps: range | None) -> None:
    path = tmp_path / "run.zarr"

    def loop() -> None:
        with orrery.Recorder(path, steps=steps) as recorder:
            for step in range(10):
                recorder.record(step, {"w": torch.full((3,), float(step))}, loss=1.0)
                if step == 6:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        loop()
    assert not path.exists()
    kept = tmp_path / "run.zarr.interrupted"
    assert any(str(kept) in note for note in caught.value.__notes__)
    trajectory = orrery.open(kept)
    assert trajectory.steps == list(range(7))
    assert trajectory.tensor("w").values[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert trajectory.attributes["interrupted"] is True
    assert not list(tmp_path.glob("*.partial"))


def test_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    recorder = orrery.Recorder(path)
    with pytest.raises(OrreryError, match="first call of record needs a model"):
        recorder.record(0, loss=1.0)
    with pytest.raises(OrreryError, match="an object of type int cannot be recorded"):
        recorder.record(0, 3)  # type: ignore[arg-type]
    with pytest.raises(OrreryError, match="entry 'w' is a float, not a tensor"):
        recorder.record(0, {"w": 1.0})
    recorder.record(3, {"w": torch.zeros(2)})
    with pytest.raises(OrreryError, match="step 3 comes after step 3"):
        recorder.record(3, {"w": torch.zeros(2)})
    with pytest.raises(OrreryError, match=r"shape \(3,\) in run 0 but \(2,\) was recorded before"):
        recorder.record(4, {"w": torch.zeros(3)})
    with pytest.raises(OrreryError, match="2 runs were given at step 4 but 1 before"):
        recorder.record(4, [{"w": torch.zeros(2)}] * 2)
    with pytest.raises(OrreryError, match="run 0 has no tensor 'w'"):
        recorder.record(4, {"v": torch.zeros(2)})
    with pytest.raises(OrreryError, match=r"no floating-point tensor of the model matches 'v\*'"):
        orrery.Recorder(tmp_path / "b.zarr", ["v*"]).record(0, {"w": torch.zeros(2)})
    with pytest.raises(OrreryError, match="nothing was recorded"):
        orrery.Recorder(tmp_path / "b.zarr").close()
    recorder.close()
    with pytest.raises(OrreryError, match="exists already"):
        orrery.Recorder(path)
