from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from orrery.config.errors import OrreryError
from orrery.data.store import write_dataset
from orrery.training.block import train_block
from orrery.training.build import build_system
from orrery.training.progress import Progress
from orrery.training.states import read_state
from orrery.trajectory.trajectory import Trajectory

CPU = torch.device("cpu")
SYSTEM = {
    "kind": "network",
    "network": {"kind": "mlp", "hidden": [6], "activation": "tanh"},
    "optimizer": {"kind": "adam", "rate": 0.01},
    "batches": {"kind": "shuffled", "size": 16},
}
RECORD = {"state": "all", "steps": {"every": 1}, "metrics": ["loss"]}


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("iris")
    write_dataset({"name": "iris"}, out, out / "cache")
    return out


def condition(**more: object) -> dict:
    return {
        "system": SYSTEM,
        "training": {"dtype": "float32"},
        "streams": {},
        "copies": {"amplitude": 0.01},
        "record": RECORD,
        **more,
    }


def train(
    out: Path,
    iris: Path | None,
    given: dict,
    seeds: tuple[int, ...] = (3, 5),
    copies: tuple[int, ...] = (0, 1),
    first: int = 0,
    last: int = 20,
    previous: Path | None = None,
    device: str = "cpu",
) -> xr.Dataset:
    train_block(
        given,
        iris,
        seeds,
        copies,
        4,
        first,
        last,
        previous,
        out,
        device,
        Progress("test", stream=io.StringIO()),
    )
    return xr.open_zarr(out / "data.zarr").load()


def group(out: Path, name: str) -> xr.Dataset:
    return xr.open_zarr(out / "data.zarr", group=name).load()


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_recorded_states_are_the_iterated_map(tmp_path: Path, iris: Path) -> None:
    given = condition()
    data = train(tmp_path / "a", iris, given, copies=(0,))
    assert list(data.step.values) == list(range(21))
    assert list(data.run.values) == [4, 5]
    assert list(data.seed.values) == [3, 5]
    system = build_system(given, iris, CPU)
    from orrery.systems.system import Runs

    runs = Runs.product((3, 5))
    state = system.initial(runs)
    losses = group(tmp_path / "a", "metrics")["loss"]
    assert list(losses.training_step.values) == list(range(20))
    for t in range(20):
        flat = torch.cat([state[component.name].flatten(1) for component in system.components], dim=1)
        assert (data["state"].values[:, t] == flat.numpy()).all()
        state, byproducts = system.advance(state, system.batch(runs, t), t)
        assert (losses.values[:, t] == byproducts["loss"].numpy()).all()
    names = [component.name for component in system.components]
    assert names[:2] == ["fc1.weight", "fc1.bias"]
    assert "fc2.bias.second-moment" in names


def test_segments_give_the_bits_of_one_go(tmp_path: Path, iris: Path) -> None:
    given = condition(
        record={**RECORD, "evaluate": {"every": 5, "metrics": ["test_loss"]}, "observables": ["outputs"]}
    )
    whole = train(tmp_path / "whole", iris, given, last=30)
    train(tmp_path / "one", iris, given, last=13)
    train(tmp_path / "two", iris, given, first=13, last=30, previous=tmp_path / "one")
    joined = Trajectory.open([tmp_path / "one" / "data.zarr", tmp_path / "two" / "data.zarr"])
    assert (joined.dataset["state"].values == whole["state"].values).all()
    assert (joined.dataset["outputs"].values == whole["outputs"].values).all()
    for metric in ("loss", "test_loss"):
        assert (
            joined.metric(metric).values
            == Trajectory.open([tmp_path / "whole" / "data.zarr"]).metric(metric).values
        ).all()
    ends = [read_state(tmp_path / name / "checkpoint.zarr", 30, CPU) for name in ("whole", "two")]
    for name, tensor in ends[0][0].items():
        assert torch.equal(tensor, ends[1][0][name])
    assert (ends[0][2] == 30).all()
    with pytest.raises(OrreryError, match="of step 13, not 14"):
        read_state(tmp_path / "one" / "checkpoint.zarr", 14, CPU)


def test_equal_specs_give_equal_bytes(tmp_path: Path, iris: Path) -> None:
    torch.set_num_threads(2)
    for name in ("a", "b"):
        train(tmp_path / name, iris, condition())
    assert torch.get_num_threads() == 1
    assert files(tmp_path / "a" / "data.zarr") == files(tmp_path / "b" / "data.zarr")
    assert files(tmp_path / "a" / "checkpoint.zarr") == files(tmp_path / "b" / "checkpoint.zarr")
    assert (tmp_path / "a" / "provenance.json").is_file()


def test_copies_are_perturbed_and_share_their_batches(tmp_path: Path, iris: Path) -> None:
    data = train(tmp_path / "a", iris, condition())
    assert list(data["copy"].values) == [0, 1, 0, 1]
    weights = data["state"].values[:, :, :24]
    ratio = weights[1, 0] / weights[0, 0] - 1
    assert 0 < np.abs(ratio).max() <= 0.0100001
    np.testing.assert_allclose(weights[3, 0] / weights[2, 0] - 1, ratio, atol=1e-6)
    alone = train(tmp_path / "b", iris, condition(), copies=(0,))
    np.testing.assert_allclose(alone["state"].values[0], data["state"].values[0], rtol=1e-4, atol=1e-5)


def test_a_copy_starts_alike_whichever_copies_are_trained_with_it(tmp_path: Path, iris: Path) -> None:
    whole = train(tmp_path / "a", iris, condition(), copies=(0, 1, 2, 3))
    later = train(tmp_path / "b", iris, condition(), copies=(2, 3))
    assert list(later["seed"].values) == [3, 3, 5, 5]
    assert list(later["copy"].values) == [2, 3, 2, 3]
    same = whole["state"].values[[2, 3, 6, 7]]
    np.testing.assert_array_equal(later["state"].values[:, 0], same[:, 0])
    # They see the same batches; bits may differ with the number of runs in a batch.
    np.testing.assert_allclose(later["state"].values, same, rtol=1e-4, atol=1e-5)


def test_a_run_that_diverges_stops_and_spoils_no_other(tmp_path: Path, iris: Path) -> None:
    quiet = condition(
        system={
            **SYSTEM,
            "network": {"kind": "mlp", "hidden": [6], "activation": "relu"},
            "optimizer": {"kind": "sgd", "rate": 0.05},
            "loss": {"kind": "mse"},
        },
        record={**RECORD, "evaluate": {"every": 4, "metrics": ["train_loss"]}, "observables": ["outputs"]},
    )
    three = (0, 1, 2)
    train(tmp_path / "start", iris, quiet, copies=three, last=6)
    clean = train(
        tmp_path / "clean", iris, quiet, copies=three, first=6, last=20, previous=tmp_path / "start"
    )

    # Poison the state of one run in the checkpoint: huge weights, an overflow some steps later.
    from orrery.trajectory.checkpoint import read_checkpoint, write_checkpoint

    step, state = read_checkpoint(tmp_path / "start" / "checkpoint.zarr")
    state["fc1.weight"][1] *= 1e12
    write_checkpoint(tmp_path / "poisoned" / "checkpoint.zarr", step, state)
    data = train(
        tmp_path / "sick", iris, quiet, copies=three, first=6, last=20, previous=tmp_path / "poisoned"
    )
    outcome = group(tmp_path / "sick", "runs")
    assert list(outcome["status"].values) == [0, 1, 0, 0, 0, 0]
    end = int(outcome["last_step"].values[1])
    assert 6 <= end < 20
    assert list(np.delete(outcome["last_step"].values, 1)) == [20] * 5
    others = [0, 2, 3, 4, 5]
    assert (data["state"].values[others] == clean["state"].values[others]).all()
    assert (data["outputs"].values[others] == clean["outputs"].values[others]).all()
    row = data["state"].sel(step=data.step > end).values[1]
    assert np.isnan(row).all()
    assert np.isfinite(data["state"].sel(step=data.step <= end).values[1]).all()
    losses = group(tmp_path / "sick", "metrics")["loss"]
    assert np.isfinite(losses.sel(training_step=slice(6, end)).values[1]).all()
    assert np.isnan(losses.sel(training_step=slice(end + 1, None)).values[1]).all()
    assert np.isnan(group(tmp_path / "sick", "evaluations")["train_loss"].values[1, -1])
    # The next segment knows.
    train(tmp_path / "later", iris, quiet, copies=three, first=20, last=25, previous=tmp_path / "sick")
    later = group(tmp_path / "later", "runs")
    assert list(later["status"].values) == [0, 1, 0, 0, 0, 0]
    assert int(later["last_step"].values[1]) == end


def test_all_runs_may_diverge(tmp_path: Path, iris: Path) -> None:
    wild = condition(
        system={
            **SYSTEM,
            "network": {"kind": "mlp", "hidden": [6], "activation": "identity"},
            "optimizer": {"kind": "sgd", "rate": 1e6},
            "loss": {"kind": "mse", "reduction": "sum"},
        }
    )
    data = train(tmp_path / "a", iris, wild)
    outcome = group(tmp_path / "a", "runs")
    assert (outcome["status"].values == 1).all()
    assert (outcome["last_step"].values < 19).all()
    assert np.isfinite(data["state"].values[:, 0]).all()
    assert np.isnan(data["state"].values[:, -1]).all()


def test_what_is_recorded_can_be_chosen(tmp_path: Path, iris: Path) -> None:
    record = {
        "state": ["fc2.*"],
        "steps": {"logarithmic": 3},
        "metrics": [],
        "evaluate": {"every": 10, "metrics": ["test_accuracy", "train_loss"]},
        "projection": {"dimension": 5},
    }
    system = {**SYSTEM, "optimizer": {"kind": "sgd", "rate": 0.1}}
    data = train(tmp_path / "a", iris, condition(record=record, system=system))
    assert list(data.step.values) == [0, 1, 2, 5, 10]
    assert data.sizes["component"] == 21
    assert data["projection"].shape == (4, 5, 5)
    assert list(group(tmp_path / "a", "evaluations").evaluation_step.values) == [0, 10, 20]
    none = condition(record={"state": [], "projection": {"dimension": 2}}, system=system)
    assert "projection" in train(tmp_path / "b", iris, none)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"record": {"state": ["fc9.*"]}}, "record.state: 'fc9"),
        ({"record": {"metrics": ["los"]}}, "did you mean 'loss'"),
        ({"record": {"observables": ["logit"]}}, "record.observables"),
        ({"record": {"evaluate": {"every": 1, "metrics": ["test_acc"]}}}, "record.evaluate.metrics"),
        ({"copies": {"tensors": ["fc3.weight"]}}, "copies.tensors"),
        ({"training": {"dtype": "float16"}}, "write float32 or float64"),
    ],
)
def test_bad_settings_are_one_sentence(tmp_path: Path, iris: Path, more: dict, text: str) -> None:
    with pytest.raises(OrreryError, match=text):
        train(tmp_path / "a", iris, condition(**more))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_without_cuda_is_one_sentence(tmp_path: Path, iris: Path) -> None:
    with pytest.raises(OrreryError, match="cuda was asked for") as caught:
        train(tmp_path / "a", iris, condition(), device="cuda")
    assert "\n" not in str(caught.value)
    told = io.StringIO()
    train_block(
        condition(), iris, [1], [0], 0, 0, 2, None, tmp_path / "b", "auto", Progress("job", stream=told)
    )
    assert told.getvalue().count("runs on the CPU") == 1
    assert '"device": "cpu"' in (tmp_path / "b" / "provenance.json").read_text()
