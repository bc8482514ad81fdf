"""Sharpness along recorded trajectories against dense Hessians, and the numbers on curves that are known."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError
from tests.unit.test_systems_network import one_hot
from tests.unit.test_training_block import condition, iris, train

from orrery.analyses.api import Context
from orrery.analyses.sharpness import Settings, analyse, numbers, plot
from orrery.analyses.sharpness_curves import arranged
from orrery.analyses.sharpness_numbers import median_after_crossing
from orrery.config.errors import OrreryError
from orrery.data.store import open_dataset
from orrery.stages.runner import build_system
from orrery.trajectory.trajectory import Trajectory

__all__ = ["iris"]

SYSTEM = {
    "kind": "network",
    "network": {"kind": "mlp", "hidden": [4], "activation": "tanh"},
    "loss": {"kind": "mse"},
    "optimizer": {"kind": "momentum", "rate": 0.05, "momentum": 0.8},
    "batches": {"kind": "shuffled", "size": 16},
}


def looked_at(
    tmp_path: Path, iris: Path, *, dtype: str = "float64", record: dict | None = None, **settings: object
) -> tuple[xr.Dataset, Trajectory]:
    more = {"record": {**condition()["record"], **record}} if record else {}
    given = condition(system=SYSTEM, training={"dtype": dtype}, **more)
    train(tmp_path / "a", iris, given, last=20)
    source = Trajectory.open([tmp_path / "a" / "data.zarr"])
    context = Context("a", system=partial(build_system, given, iris))
    return analyse(source, Settings(**settings), context), source


def dense(source: Trajectory, seed: int, step: int, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Eigenvalues of the Hessian of the mean squared error, by automatic differentiation of a loss written here."""
    array = source.array().sel(step=step)
    row = int(np.flatnonzero((array["seed"].values == seed) & (array["copy"].values == 0))[0])
    state = torch.from_numpy(array.values[row][: 4 * 4 + 4 + 4 * 3 + 3].astype(np.float64))
    x, y = torch.from_numpy(inputs).double(), one_hot(torch.from_numpy(labels), 3).double()

    def loss(w: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(x @ w[:16].reshape(4, 4).T + w[16:20])
        return ((hidden @ w[20:32].reshape(3, 4).T + w[32:] - y) ** 2).mean()

    return torch.linalg.eigvalsh(torch.func.hessian(loss)(state)).flip(0).numpy()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_eigenvalues_of_recorded_states_on_the_whole_training_set(
    tmp_path: Path, iris: Path, dtype: str
) -> None:
    found, source = looked_at(
        tmp_path, iris, dtype=dtype, every=10, eigenvalues=3, lowest=2, tolerance=1e-9, probes=50
    )
    assert dict(found.sizes) == {"seed": 2, "moment": 3, "rank": 3, "low": 2}
    assert found["moment_step"].values.tolist() == [0, 10, 20]
    assert (found.attrs["recorded"], found.attrs["arithmetic"]) == (dtype, "float64")
    data = open_dataset(iris)
    for row, seed in enumerate((3, 5)):
        for place, step in enumerate(found["moment_step"].values):
            expected = dense(source, seed, step, data.train_inputs, data.train_labels)
            np.testing.assert_allclose(found["sharpness"][row, place], expected[:3], rtol=1e-9)
            np.testing.assert_allclose(found["lowest"][row, place], expected[::-1][:2], atol=1e-9)
            deviation = abs(float(found["trace"][row, place]) - expected.sum())
            assert deviation < 4 * float(found["trace_error"][row, place])
    assert float(found["residual"].max()) < 1e-8
    assert (found["converged"] == 1).all()


def test_the_batch_of_the_step_is_the_one_that_training_saw(tmp_path: Path, iris: Path) -> None:
    found, source = looked_at(tmp_path, iris, batch="step", tolerance=1e-9, every=7)
    data = open_dataset(iris)
    system = build_system(condition(system=SYSTEM), iris)
    from orrery.systems.system import Runs

    for row, seed in enumerate((3, 5)):
        batch = system.batch(Runs((seed,), (0,)), 7)
        inputs, labels = batch["inputs"][0].numpy(), batch["targets"][0].argmax(dim=1).numpy()
        expected = dense(source, seed, 7, inputs, labels)
        assert float(found["sharpness"][row, 1, 0]) == pytest.approx(expected[0], rel=1e-9)
        whole = dense(source, seed, 7, data.train_inputs, data.train_labels)
        assert abs(expected[0] / whole[0] - 1) > 0.01
    # The loss that training recorded is that of the state on this batch.
    recorded = source.metric("loss").values[[0, 2], :20:7]
    np.testing.assert_allclose(found["loss"].values, recorded, rtol=1e-12)


def test_portions_of_the_steps_change_nothing(
    tmp_path: Path, iris: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orrery.analyses import sharpness_curves

    whole, source = looked_at(tmp_path, iris, every=3, probes=4)
    monkeypatch.setattr(sharpness_curves, "ROOM", 30_000)
    assert (
        len(list(sharpness_curves.portions(build_system(condition(system=SYSTEM), iris), Settings(), 7, 2)))
        > 2
    )
    context = Context("a", system=partial(build_system, condition(system=SYSTEM), iris))
    parts = analyse(source, Settings(every=3, probes=4), context)
    # Where Lanczos stops depends on the company of a state, and the residuals with it.
    for name in set(whole) - {"residual"}:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-8, atol=1e-8)


def test_edge_product_and_crossing(tmp_path: Path, iris: Path) -> None:
    found, _ = looked_at(tmp_path, iris, every=10)
    edge = 2 * 1.8 / 0.05
    np.testing.assert_allclose(found["edge"], edge)
    np.testing.assert_allclose(found["product"], found["sharpness"][:, :, 0] / edge)
    assert np.isnan(found["crossing"]).all()


def test_a_run_that_diverged_is_counted_and_left_out(tmp_path: Path, iris: Path) -> None:
    found, source = looked_at(tmp_path, iris, every=10)
    states = source.dataset["state"].values.copy()
    states[0, 10:] = np.nan  # seed 3, copy 0
    broken = Trajectory(
        source.dataset.assign(state=(("run", "step", "component"), states)),
        source.components,
        source.observables,
        source.attributes,
    )
    context = Context("a", system=partial(build_system, condition(system=SYSTEM), iris))
    again = analyse(broken, Settings(every=10), context)
    assert again["diverged"].values.tolist() == [True, False]
    assert np.isnan(again["sharpness"][0, 1:]).all()
    assert np.isnan(again["loss"][0, 1:]).all()
    np.testing.assert_allclose(again["sharpness"][1], found["sharpness"][1], rtol=1e-9)
    said = {number.name: number for number in numbers(None, {"a": again}, Settings())}
    assert said["diverged[a]"].value == 1
    assert said["final-loss[a]"].n == 1
    assert said["final-loss[a]"].value == pytest.approx(float(found["loss"][1, -1]))
    assert [figure.name for figure in plot(None, {"a": again}, Settings())] == ["sharpness", "product"]


def known() -> xr.Dataset:
    """Two seeds at the rate 0.5: one crosses at step 20 and stays near the edge 4, one stays below; one diverged."""
    steps = np.arange(0, 110, 10)
    rising = np.array([1.0, 2.0, 4.0, 6.0, 4.4, 3.6, 4.0, 4.4, 4.0, 3.0, 2.0])
    low = np.linspace(1, 3, 11)
    loss = np.array([9.0, 8.0, 7.0, 7.5, 6.0, 5.0, 5.5, 4.0, 3.0, 2.0, 1.0])
    lost = np.where(steps > 50, np.nan, 1.0)
    shape = (3, 11)
    return arranged(
        {
            "sharpness": np.stack([rising, low, lost])[:, :, None],
            "residual": np.full((*shape, 1), 1e-9),
            "loss": np.stack([loss, loss, lost]),
            "converged": np.stack([np.ones(11), np.arange(11) > 1, np.ones(11)]),
        },
        np.full(11, 4.0),
        steps,
        [2, 3, 5],
    )


def test_numbers_of_known_curves() -> None:
    found = known()
    assert found["crossing"].values[0] == 20
    assert np.isnan(found["crossing"].values[1:]).all()
    said = {number.name: number for number in numbers(None, {"a": found}, Settings(settle=10, until=80))}
    assert (said["crossed[a]"].value, said["crossed[a]"].n) == (1, 2)
    assert said["crossing[a]"].value == 20
    # Steps 30 to 80: 6.0, 4.4, 3.6, 4.0, 4.4, 4.0 over 4.
    assert said["median-product[a]"].value == pytest.approx(4.2 / 4)
    assert said["largest-product[a]"].value == 1.5
    assert said["loss-at-crossing[a]"].value == 7.0
    # After the crossing eight pairs of steps; the loss rises over two of them.
    assert said["loss-rises[a]"].value == pytest.approx(2 / 8)
    assert said["late-share[a]"].value == pytest.approx((2.5 / 6 + 2.9 / 3) / 2)
    assert said["late-share[a]"].n == 2
    assert said["unconverged[a]"].value == 2
    assert said["largest-residual[a]"].value == pytest.approx(1e-9)
    late = {number.name: number for number in numbers(None, {"a": found}, Settings(late=(0, 0)))}
    assert late["late-sharpness[a]"].value == 1.0


def test_medians_without_a_crossing_or_a_step_are_missing() -> None:
    product = np.array([[0.5, 2.0, 1.0], [0.5, 0.6, 0.7]])
    steps, crossing = np.array([0, 5, 10]), np.array([5.0, np.nan])
    assert median_after_crossing(product, crossing, steps).tolist()[0] == 1.5
    assert np.isnan(median_after_crossing(product, crossing, steps)[1])
    assert np.isnan(median_after_crossing(product, crossing, steps, until=4)).all()


def test_an_optimizer_without_an_edge_has_sharpness_all_the_same(tmp_path: Path, iris: Path) -> None:
    given = condition(training={"dtype": "float64"})  # Adam
    train(tmp_path / "a", iris, given, last=20)
    source = Trajectory.open([tmp_path / "a" / "data.zarr"])
    context = Context("a", system=partial(build_system, given, iris))
    found = analyse(source, Settings(every=10), context)
    assert np.isnan(found["edge"]).all()
    assert np.isfinite(found["sharpness"]).all()
    names = [number.name for number in numbers(None, {"a": found}, Settings())]
    assert "peak-sharpness[a]" in names
    assert "crossing[a]" not in names
    assert [figure.name for figure in plot(None, {"a": found}, Settings())] == ["sharpness"]


@pytest.mark.parametrize(
    ("record", "settings", "sentence"),
    [
        ({"state": []}, {}, "'fc1.weight' was not recorded, and the Hessian is that of all weights"),
        ({"state": ["fc2.weight"]}, {}, "write state: all in 'record'"),
        ({}, {"eigenvalues": 30, "lowest": 6}, "36 eigenvalues were asked for, and the Hessian has 35"),
        ({}, {"eigenvalues": 9, "products": 8}, "9 eigenvalues need as many products; write products: 45"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    tmp_path: Path, iris: Path, record: dict, settings: dict, sentence: str
) -> None:
    with pytest.raises(OrreryError, match=sentence):
        looked_at(tmp_path, iris, record=record, **settings)


def test_a_map_without_a_gradient_is_one_sentence(tmp_path: Path) -> None:
    ends = {"from": [-1.0], "to": [-0.5], "points": 3}
    system = {"kind": "bisection", "left": ends, "right": {"from": [0.5], "to": [1.0], "points": 3}}
    given = {"system": system, "training": {"dtype": "float64"}, "streams": {}, "record": {"state": "all"}}
    train(tmp_path / "a", None, given, seeds=(0, 1), copies=(0,), last=4)
    source = Trajectory.open([tmp_path / "a" / "data.zarr"])
    with pytest.raises(OrreryError, match="sharpness: this system has no gradient of a loss"):
        analyse(source, Settings(), Context("a", system=partial(build_system, given, None)))


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValidationError, match="one probe has no standard error"):
        Settings(probes=1)
    with pytest.raises(ValidationError, match="the window ends"):
        Settings(late=(5, 4))


def test_what_does_not_fit_a_condition_is_told_before_training() -> None:
    def condition_with(state: object) -> SimpleNamespace:
        return SimpleNamespace(
            record=SimpleNamespace(state=state), training=SimpleNamespace(steps=100, dtype="float32")
        )

    assert list(Settings(until=100, late=(90, 100)).misfits(condition_with("all"))) == []
    told = dict(Settings(until=101, late=(90, 120)).misfits(condition_with(())))
    assert told["until"] == "is step 101, but training.steps is 100"
    assert told["late"] == "ends at step 120, but training.steps is 100"
    assert "record.state is empty; write state: all there" in told["method"]
