"""What is written is what is read, by Orrery and by plain xarray."""

from __future__ import annotations

import warnings
from pathlib import Path

import dask
import numpy as np
import pytest
import torch
import xarray as xr
from tests.unit.trajectory_examples import PARTS, Part, loss, state, values, write

from orrery.config.errors import OrreryError
from orrery.trajectory.trajectory import Trajectory
from orrery.trajectory.writer import Writer


def test_round_trip(tmp_path: Path) -> None:
    trajectory = Trajectory.open(write(tmp_path / "data.zarr"))
    for part in PARTS:
        found = trajectory.tensor(part.name).values
        for step in range(11):
            np.testing.assert_array_equal(found[:, step], values(part, (0, 1), step))
    logits = trajectory.tensor("logits")
    assert logits.dims[:2] == ("run", "step")
    assert logits.shape == (2, 11, 2, 2)
    np.testing.assert_array_equal(logits.values[1, 3], values(Part("logits", (2, 2)), (0, 1), 3)[1])
    np.testing.assert_array_equal(trajectory.metric("loss").values[:, 4], loss((0, 1), 4))
    assert trajectory.metric("loss").dims == ("run", "training_step")
    assert trajectory.metric("accuracy").dims == ("run", "evaluation_step")
    assert trajectory.metric("accuracy")["evaluation_step"].values.tolist() == [0, 5, 10]
    assert trajectory.seeds == [5, 7]
    assert trajectory.copies == [0]
    assert trajectory.steps == list(range(11))
    assert trajectory.dataset["status"].values.tolist() == [0, 0]
    assert trajectory.dataset["last_step"].values.tolist() == [10, 10]


def test_named_dimensions(tmp_path: Path) -> None:
    trajectory = Trajectory.open(write(tmp_path / "data.zarr"))
    weight = trajectory.tensor("fc1.weight")
    assert weight.dims == ("run", "step", "output", "input")
    assert trajectory.tensor("fc1.bias").dims == ("run", "step", "output")
    assert weight.sel(step=3, run=1, output=2, input=1).values == pytest.approx(
        float(values(PARTS[0], (0, 1), 3)[1, 2, 1])
    )


def test_array_joins_tensors_and_observables(tmp_path: Path) -> None:
    trajectory = Trajectory.open(write(tmp_path / "data.zarr"))
    joined = trajectory.array(["logits", "fc1.bias"])
    assert joined.dims == ("run", "step", "component")
    assert joined.shape == (2, 11, 8)
    np.testing.assert_array_equal(joined.values[..., 4:], trajectory.tensor("fc1.bias").values)
    np.testing.assert_array_equal(
        joined.values[..., :4].reshape(2, 11, 2, 2), trajectory.tensor("logits").values
    )
    assert trajectory.array("fc1.*").shape == (2, 11, 16)
    np.testing.assert_array_equal(trajectory.array().values, trajectory.dataset["state"].values)
    assert joined["seed"].values.tolist() == [5, 7]


def test_opens_with_plain_xarray_without_warnings(tmp_path: Path) -> None:
    path = write(tmp_path / "data.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = xr.open_zarr(path)
        metrics = xr.open_zarr(path, group="metrics")
        outcome = xr.open_zarr(path, group="runs")
        tensors = xr.open_zarr(path, group="tensors")
    assert plain["state"].dims == ("run", "step", "component")
    assert set(plain.coords) == {"run", "step", "seed", "copy"}
    assert plain["seed"].values.tolist() == [5, 7]
    np.testing.assert_array_equal(metrics["loss"].values[1], [100.0 + step for step in range(10)])
    assert outcome["status"].values.tolist() == [0, 0]
    assert tensors["offset"].values.tolist() == [0, 12]
    assert plain.attrs["components"][1] == {
        "name": "fc1.bias", "offset": 12, "shape": [4], "size": 4, "role": "bias", "dims": ["output"],
    }  # fmt: skip
    assert plain.attrs["settings"] == {"rate": 0.1, "batch": 3}
    assert plain["state"].attrs["units"] == "1"


def test_blocks_and_segments_join_here_and_in_xarray(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{block}-{segment}.zarr", runs=runs, seeds=seeds, steps=steps)
        for block, (runs, seeds) in enumerate((((0, 1), (5, 7)), ((2, 3), (1, 2))))
        for segment, steps in enumerate((range(11), range(11, 21)))
    ]
    trajectory = Trajectory.open([paths[3], paths[0], paths[2], paths[1]])
    assert trajectory.seeds == [5, 7, 1, 2]
    assert trajectory.steps == list(range(21))
    assert trajectory.dataset["run"].values.tolist() == [0, 1, 2, 3]
    found = trajectory.tensor("fc1.weight").values
    for step in range(21):
        np.testing.assert_array_equal(found[:2, step], values(PARTS[0], (0, 1), step))
        np.testing.assert_array_equal(found[2:, step], values(PARTS[0], (2, 3), step))
    assert trajectory.metric("loss").shape == (4, 19)
    joined = xr.open_mfdataset(
        paths,
        engine="zarr",
        combine="by_coords",
        chunks={},
        data_vars="all",
        compat="no_conflicts",
        join="outer",
    )
    np.testing.assert_array_equal(joined["state"].values, trajectory.dataset["state"].values)
    assert joined["state"].dims == ("run", "step", "component")
    metrics = xr.open_mfdataset(
        paths, engine="zarr", combine="by_coords", chunks={}, group="metrics", data_vars="all", join="outer"
    )
    np.testing.assert_array_equal(metrics["loss"].values, trajectory.metric("loss").values)


def tiles_of_copies(folder: Path) -> list[Path]:
    """Copies 0, 1 and 2, 3 of the seeds 5, 7 and 3, 2, in two segments; run numbers as the plan gives them."""
    from orrery.plan.tiles import Segment, Tile, blocks, copy_blocks

    tiles = [
        Tile(block, copies, Segment(0, 10))
        for block in blocks((5, 7, 3, 2), 4, 2)
        for copies in copy_blocks(4, 2)
    ]
    return [
        write(
            folder / f"{place}-{segment}.zarr",
            runs=range(tile.first_run, tile.first_run + 4),
            seeds=[seed for seed in tile.block.seeds for _ in tile.copies.copies],
            copies=tile.copies.copies * 2,
            steps=steps,
        )
        for place, tile in enumerate(tiles)
        for segment, steps in enumerate((range(11), range(11, 21)))
    ]


def test_tiles_of_copies_join_by_seed_and_copy(tmp_path: Path) -> None:
    paths = tiles_of_copies(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trajectory = Trajectory.open(paths[::-1])
        found = trajectory.tensor("fc1.bias").values
    data = trajectory.dataset
    assert data["seed"].values.tolist() == [5] * 4 + [7] * 4 + [3] * 4 + [2] * 4
    assert data["copy"].values.tolist() == [0, 1, 2, 3] * 4
    assert trajectory.seeds == [5, 7, 3, 2]
    assert trajectory.copies == [0, 1, 2, 3]
    numbers = data["run"].values.tolist()
    for step in (0, 10, 11, 20):
        np.testing.assert_array_equal(found[:, step], values(PARTS[1], numbers, step))
    np.testing.assert_array_equal(trajectory.metric("loss").values[:, 4], loss(numbers, 4))

    read = trajectory.select(seeds=[7, 3], copies=[0, 1, 2], steps=(0, 12))
    assert read.dataset["copy"].values.tolist() == [0, 1, 2] * 2
    chosen = [number for number, at in zip(numbers, range(16), strict=True) if at in (4, 5, 6, 8, 9, 10)]
    np.testing.assert_array_equal(read.tensor("fc1.bias").values[:, 12], values(PARTS[1], chosen, 12))
    with pytest.raises(OrreryError, match="copy 4 was not recorded; recorded are 0, 1, 2, 3"):
        trajectory.select(copies=[0, 4])


def test_tiles_of_copies_join_in_plain_xarray(tmp_path: Path) -> None:
    paths = tiles_of_copies(tmp_path)
    joined = xr.open_mfdataset(paths, engine="zarr", combine="by_coords", chunks={})
    ours = Trajectory.open(paths).dataset.sortby("run")
    assert joined["state"].shape == (16, 21, 16)
    for name in ("run", "step", "seed", "copy", "state"):
        np.testing.assert_array_equal(joined[name].values, ours[name].values)


def test_plain_mfdataset_joins_as_documented(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{number}.zarr", runs=runs, seeds=seeds)
        for number, (runs, seeds) in enumerate((((0, 1), (5, 7)), ((2, 3), (1, 2))))
    ]
    joined = xr.open_mfdataset(paths, engine="zarr", combine="by_coords", chunks={})
    assert joined["state"].shape == (4, 11, 16)
    assert joined["seed"].values.tolist() == [5, 7, 1, 2]


def test_select_bounds_seeds_and_steps(tmp_path: Path) -> None:
    trajectory = Trajectory.open(write(tmp_path / "data.zarr"), seeds=[7], steps=(2, 6))
    assert trajectory.seeds == [7]
    assert trajectory.steps == [2, 3, 4, 5, 6]
    np.testing.assert_array_equal(trajectory.tensor("fc1.bias").values[0, 1], values(PARTS[1], (0, 1), 3)[1])
    assert trajectory.metric("loss")["training_step"].values.tolist() == [2, 3, 4, 5]
    assert trajectory.metric("accuracy")["evaluation_step"].values.tolist() == [5]
    assert trajectory.dataset["last_step"].values.tolist() == [6]
    with pytest.raises(OrreryError, match="seed 9 was not recorded; recorded are 7"):
        trajectory.select(seeds=[9])
    with pytest.raises(OrreryError, match="no recorded step lies between 20 and 30"):
        trajectory.select(steps=(20, 30))


def test_what_a_bound_reads_does_not_depend_on_how_far_was_trained(tmp_path: Path) -> None:
    short = Trajectory.open(write(tmp_path / "short.zarr", steps=range(11)), steps=(0, 10))
    long = Trajectory.open(write(tmp_path / "long.zarr", steps=range(21)), steps=(0, 10))
    xr.testing.assert_identical(short.dataset.compute(), long.dataset.compute())


def test_a_run_that_diverges(tmp_path: Path) -> None:
    first = Writer(
        tmp_path / "0.zarr",
        components=PARTS,
        steps=range(4),
        seeds=[1, 2],
        copies=[0, 0],
        metrics={"loss": range(3)},
    )
    for step in range(4):
        first.record(step, state((0, 1), step))
        if step < 3:
            first.record_metric("loss", step, loss((0, 1), step))
    first.close(status=np.array([0, 1]), last_step=np.array([3, 2]))
    second = Writer(
        tmp_path / "1.zarr", components=PARTS, steps=range(4, 8), seeds=[1, 2], copies=[0, 0],
        metrics={"loss": range(3, 7)},
    )  # fmt: skip
    second.record(4, state((0, 1), 4))
    second.record_metric("loss", 3, loss((0, 1), 3))
    second.record_metric("loss", 4, loss((0, 1), 4))
    with pytest.raises(OrreryError, match=r"recorded at 1 of 4 declared steps; step 5 is the first"):
        second.close(status=np.array([0, 1]), last_step=np.array([7, 2]))
    second.close(status=np.array([1, 1]), last_step=np.array([4, 2]))
    trajectory = Trajectory.open([tmp_path / "0.zarr", tmp_path / "1.zarr"])
    assert trajectory.dataset["status"].values.tolist() == [1, 1]
    assert trajectory.dataset["last_step"].values.tolist() == [4, 2]
    assert np.isnan(trajectory.dataset["state"].values[:, 5:]).all()
    until = trajectory.select(steps=(0, 3)).dataset
    assert until["status"].values.tolist() == [0, 1]
    assert until["last_step"].values.tolist() == [3, 2]


def test_only_observables(tmp_path: Path) -> None:
    writer = Writer(
        tmp_path / "data.zarr", components=(), steps=[0, 1], seeds=[0], copies=[0],
        observables={"x": ((), "float64")},
    )  # fmt: skip
    for step in (0, 1):
        writer.record(step, {})
        writer.record_observable("x", step, np.array([float(step)]))
    writer.close()
    trajectory = Trajectory.open(tmp_path / "data.zarr")
    assert trajectory.array("x").values.tolist() == [[[0.0], [1.0]]]
    assert trajectory.tensor("x").dims == ("run", "step")
    assert "observables: x" in repr(trajectory)


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(("runs", "size", "steps"), [(3, 700, 50), (1, 5, 300), (7, 40, 33)])
def test_any_shape_survives_small_buffers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, background: bool, runs: int, size: int, steps: int
) -> None:
    parts = (Part("a", (size // 3,)), Part("b", (size - size // 3,)), Part("c", ()))
    path = tmp_path / "data.zarr"
    writer = Writer(
        path, components=parts, steps=range(steps), seeds=range(runs), copies=[0] * runs, dtype="float64",
        buffer_bytes=20_000, background=background,
    )  # fmt: skip
    given = [state(range(runs), step, parts) for step in range(steps)]
    for step in range(steps):
        writer.record(step, given[step])
    writer.close()
    trajectory = Trajectory.open(path)
    assert trajectory.dataset["state"].dtype == np.float64
    for part in parts:
        expected = np.stack([step[part.name].numpy() for step in given], axis=1)
        np.testing.assert_array_equal(trajectory.tensor(part.name).values, expected)


def test_tensors_across_many_component_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orrery.trajectory.layout.MEBIBYTE", 1_000)
    parts = (Part("a", (5,)), Part("b", (7, 31)), Part("c", (2, 3, 3, 3)))
    writer = Writer(tmp_path / "data.zarr", components=parts, steps=range(9), seeds=[3, 4], copies=[0, 0])
    for step in range(9):
        writer.record(step, state((0, 1), step, parts))
    writer.close()
    trajectory = Trajectory.open(tmp_path / "data.zarr")
    assert len(trajectory.dataset["state"].chunksizes["component"]) > 5
    for part in parts:
        expected = np.stack([values(part, (0, 1), step) for step in range(9)], axis=1)
        np.testing.assert_array_equal(trajectory.tensor(part.name).values, expected)
    assert trajectory.tensor("c").dims == ("run", "step", "output", "input", "height", "width")
    joined = trajectory.array(["c", "a"]).values
    np.testing.assert_array_equal(joined[:, 4, 54:], values(parts[0], (0, 1), 4))


def test_tensors_that_need_gradients_or_are_of_half_precision(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "data.zarr", components=[Part("w", (2,))], steps=[0, 1], seeds=[0], copies=[0])
    writer.record(0, {"w": torch.ones(1, 2, requires_grad=True)})
    writer.record(1, {"w": torch.full((1, 2), 1.5, dtype=torch.bfloat16), "other": torch.zeros(3)})
    writer.close()
    assert Trajectory.open(tmp_path / "data.zarr").array().values.tolist() == [[[1, 1], [1.5, 1.5]]]


def test_reading_is_lazy(tmp_path: Path) -> None:
    trajectory = Trajectory.open(write(tmp_path / "data.zarr"))
    for lazy in (trajectory.tensor("fc1.weight"), trajectory.array(), trajectory.metric("loss")):
        assert dask.is_dask_collection(lazy)


def test_repr_says_what_there_is(tmp_path: Path) -> None:
    text = repr(Trajectory.open(write(tmp_path / "data.zarr")))
    assert "2 runs (2 seeds x 1 copies), 11 steps from 0 to 10, 16 components" in text
    assert "fc1.weight" in text
    assert "output 4, input 3" in text
    assert "loss" in text
