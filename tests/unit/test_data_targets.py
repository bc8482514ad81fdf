"""Datasets with numbers to be fitted: their precision, their store, and a network that trains on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError
from tests.unit.test_data_builtin import make

from orrery.config.errors import OrreryError
from orrery.data import function_samples, iris
from orrery.data.api import Arrays
from orrery.data.check import check_arrays
from orrery.data.store import open_dataset, write_dataset
from orrery.numerics.streams import Streams
from orrery.stages.estimate import _blank
from orrery.systems import network
from orrery.systems.system import Runs

SINE = {"name": "function-samples", "factor": 2.0}
POINTS = np.linspace(-1, 1, 24)


def test_a_sine_is_kept_to_the_last_bit(tmp_path: Path) -> None:
    dataset = make(SINE, tmp_path / "a")
    assert dataset.train_inputs.dtype == dataset.test_inputs.dtype == np.float64
    assert np.array_equal(dataset.train_inputs, POINTS[:, None])
    assert dataset.train_targets is not None
    assert dataset.train_targets.dtype == np.float64
    assert np.array_equal(dataset.train_targets, np.sin(2 * np.pi * POINTS)[:, None])
    assert (dataset.classes, dataset.outputs, dataset.features, dataset.train_labels) == (0, 1, 1, None)
    assert dataset.test_inputs.shape == (200, 1)
    found = xr.open_zarr(tmp_path / "a" / "data.zarr").load()
    assert found.train_targets.dims == ("train_sample", "output")
    assert "train_labels" not in found
    assert "train_class_counts" not in found
    rounded = make({**SINE, "dtype": "float32"}, tmp_path / "b")
    assert rounded.train_inputs.dtype == np.float32
    assert np.array_equal(rounded.train_targets, dataset.train_targets)


def test_chebyshev_points_are_zeros_and_the_polynomial_is_a_cosine(tmp_path: Path) -> None:
    settings = {
        "name": "function-samples",
        "function": "chebyshev-polynomial",
        "degree": 5,
        "points": "chebyshev",
        "count": 20,
    }
    dataset = make(settings, tmp_path / "a")
    x = dataset.train_inputs[:, 0]
    np.testing.assert_allclose(x, -np.cos((2 * np.arange(20) + 1) * np.pi / 40), atol=2e-16)
    np.testing.assert_allclose(np.cos(20 * np.arccos(x)), 0, atol=1e-13)
    assert np.array_equal(x, -x[::-1])
    np.testing.assert_allclose(dataset.train_targets[:, 0], np.cos(5 * np.arccos(x)), atol=1e-14)
    np.testing.assert_allclose(
        dataset.train_targets[:, 0], 16 * x**5 - 20 * x**3 + 5 * x, rtol=1e-12, atol=1e-14
    )
    moved = make({**settings, "interval": [2.0, 6.0]}, tmp_path / "b")
    np.testing.assert_allclose(moved.train_inputs[:, 0], 4 + 2 * x, rtol=1e-15)


def test_samples_of_a_regression_are_drawn_and_nested(tmp_path: Path) -> None:
    few, more = (
        make({**SINE, "samples": samples}, tmp_path / str(samples)).train_inputs[:, 0] for samples in (6, 12)
    )
    assert set(few) < set(more) < set(POINTS)
    assert not np.array_equal(few, POINTS[:6])
    with pytest.raises(OrreryError, match="samples: 25 is more than there are; write at most 24"):
        make({**SINE, "samples": 25}, tmp_path / "c")


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"degree": 3}, "'degree' has no meaning for the function 'sine'"),
        (
            {"function": "chebyshev-polynomial", "factor": 2.0},
            "'factor' has no meaning for the function 'cheb",
        ),
        ({"interval": [1.0, -1.0]}, "interval: .* is empty"),
        ({"count": 1}, "greater than or equal to 2"),
    ],
)
def test_wrong_settings_of_a_function_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        function_samples.Settings.model_validate({"name": "function-samples", **settings})


def build(path: Path, **settings: Any) -> Any:
    given = {
        "network": {"kind": "mlp", "hidden": [3], "activation": "tanh"},
        "loss": {"kind": "mse", "factor": 0.5},
        "optimizer": {"kind": "sgd", "rate": 0.3},
        "batches": {"kind": "full"},
        **settings,
    }
    return network.build(
        network.Settings.model_validate(given),
        dataset=open_dataset(path),
        dtype=torch.float64,
        device=torch.device("cpu"),
        streams=Streams(),
    )


def test_a_network_fits_the_targets_in_float64(tmp_path: Path) -> None:
    make(SINE, tmp_path / "a")
    system = build(tmp_path / "a")
    assert set(system.metrics) == {"train_loss", "test_loss"}
    assert system.observables["outputs"][0] == (16, 1)
    runs = Runs.product((0, 1))
    state = system.initial(runs)
    after, byproducts = system.advance(state, system.batch(runs, 0), 0)
    for run in (0, 1):
        weights = [state[f"fc{layer}.{kind}"][run].numpy() for layer in (1, 2) for kind in ("weight", "bias")]
        hidden = np.tanh(weights[0] @ POINTS[None] + weights[1][:, None])
        residual = (weights[2] @ hidden + weights[3][:, None] - np.sin(2 * np.pi * POINTS))[0]
        assert float(byproducts["loss"][run]) == pytest.approx(0.5 * np.mean(residual**2), rel=1e-14)
        moved = weights[3] - 0.3 * residual.mean()
        np.testing.assert_allclose(after["fc2.bias"][run], moved, rtol=1e-13, atol=1e-15)


def test_a_likelihood_of_targets_is_refused(tmp_path: Path) -> None:
    make(SINE, tmp_path / "a")
    with pytest.raises(OrreryError, match=r"system.loss.kind: 'cross-entropy' needs classes.*kind: mse"):
        build(tmp_path / "a", loss={"kind": "cross-entropy"})


def test_the_size_is_known_before_the_data(tmp_path: Path) -> None:
    settings = function_samples.Settings.model_validate({**SINE, "count": 30, "test": 7})
    size = function_samples.size(settings)
    dataset = make({**SINE, "count": 30, "test": 7}, tmp_path / "a")
    assert (size.train, size.test, size.features, size.outputs) == (30, 7, 1, 1)
    assert (len(dataset.train_inputs), len(dataset.test_inputs)) == (30, 7)
    blank = _blank(settings.model_dump(mode="json"))
    assert (blank.outputs, blank.classes, blank.train_inputs.dtype) == (1, 0, np.float64)
    footprint = network.footprint(
        {
            "network": {"kind": "mlp", "hidden": [3], "bias": True},
            "optimizer": {"kind": "sgd"},
            "batches": {"kind": "full"},
        },
        size.features,
        size.outputs,
    )
    assert sum(footprint.tensors.values()) == build_size(tmp_path / "a") == 10


def build_size(path: Path) -> int:
    size: int = build(path).size
    return size


GOOD = Arrays(
    train_inputs=np.zeros((4, 2)),
    test_inputs=np.zeros((3, 2)),
    train_targets=np.zeros((4, 2)),
    test_targets=np.zeros((3, 2)),
)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"train_targets": np.zeros((5, 2))}, r"train_targets \(5, 2\)"),
        ({"test_targets": np.zeros((3, 1))}, r"test_targets \(3, 1\)"),
        ({"test_targets": None}, "and not both kinds"),
        ({"train_labels": np.zeros(4, int), "test_labels": np.zeros(3, int)}, "and not both kinds"),
        ({"class_names": ("a",)}, "class_names belong to labels"),
        ({"train_targets": np.full((4, 2), np.nan)}, "train_targets holds NaN"),
        ({"train_targets": np.full((4, 2), "a")}, "must be real numbers"),
    ],
)
def test_targets_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    check_arrays(GOOD, "mine")
    with pytest.raises(OrreryError, match=message):
        check_arrays(replace(GOOD, **change), "mine")


def test_one_target_per_sample_may_be_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "import numpy as np\nfrom orrery.data.api import Arrays, DatasetSettings\n"
        "class Settings(DatasetSettings):\n    pass\n"
        "def load(settings, cache, streams):\n    x = np.arange(6.0)\n"
        "    return Arrays(train_inputs=x[:4, None], test_inputs=x[4:, None],"
        " train_targets=x[:4] / 3, test_targets=x[4:] / 3)\n"
    )
    (tmp_path / "thirds.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    write_dataset({"name": "thirds", "standardise": "global"}, tmp_path / "a", tmp_path)
    dataset = open_dataset(tmp_path / "a")
    assert np.array_equal(dataset.train_targets, np.arange(4.0)[:, None] / 3)
    assert dataset.train_inputs.dtype == np.float32


def test_iris_is_raw_in_float64_with_the_counts_that_are_asked_for(tmp_path: Path) -> None:
    from sklearn.datasets import load_iris

    settings = {
        "name": "iris",
        "standardise": "none",
        "dtype": "float64",
        "train_class_counts": [39, 40, 41],
    }
    dataset = make(settings, tmp_path / "a")
    assert np.bincount(dataset.train_labels).tolist() == [39, 40, 41]
    assert np.bincount(dataset.test_labels).tolist() == [11, 10, 9]
    both = np.concatenate([dataset.train_inputs, dataset.test_inputs])
    known = load_iris().data
    assert both.dtype == np.float64
    assert np.array_equal(both[np.lexsort(both.T)], known[np.lexsort(known.T)])
    assert len(set(dataset.train_labels[:20].tolist())) == 3  # shuffled, not sorted by class
    other = make({**settings, "split": 1}, tmp_path / "b")
    assert not np.array_equal(other.train_inputs, dataset.train_inputs)
    rounded = make({"name": "iris", "standardise": "none"}, tmp_path / "c")
    assert 5.1 in both
    assert 5.1 not in rounded.train_inputs.astype(np.float64)


def test_counts_of_iris_that_do_not_fit_are_told(tmp_path: Path) -> None:
    with pytest.raises(
        OrreryError, match=r"train_class_counts: \[40, 40, 41\] .* 3 numbers whose sum is 120"
    ):
        make({"name": "iris", "train_class_counts": [40, 40, 41]}, tmp_path / "a")
    with pytest.raises(OrreryError, match="none above the 50, 50, 50"):
        make({"name": "iris", "train_class_counts": [20, 49, 51]}, tmp_path / "b")
    with pytest.raises(ValidationError, match="'samples' draws equal numbers"):
        iris.Settings.model_validate({"name": "iris", "samples": 30, "train_class_counts": [39, 40, 41]})
