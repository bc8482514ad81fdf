"""Datasets of one-dimensional tasks, of random labels and of clusters of classes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tests.unit.test_data_builtin import make

from orrery.data.api import Dataset
from orrery.stages.estimate import _blank

NAMES = ["labelled-points", "gaussian-inputs", "encoding", "noisy-samples", "class-clusters"]


def made(tmp_path: Path, name: str, **settings: Any) -> Dataset:
    return make({"name": name, **settings}, tmp_path / str(len(list(tmp_path.iterdir()))))


@pytest.mark.parametrize(
    "settings",
    [{"name": name} for name in NAMES]
    + [
        {"name": "labelled-points", "points": [0.3]},
        {"name": "labelled-points", "samples": 7},
        {"name": "encoding", "inputs": "one-hot", "bits": 3},
        {"name": "noisy-samples", "density": "left", "draws": 4},
        {"name": "class-clusters", "samples": 40, "test": 30},
    ],
)
def test_the_size_is_known_and_everything_is_in_float64(tmp_path: Path, settings: dict[str, Any]) -> None:
    dataset, name = make(settings, tmp_path / "a"), settings["name"]
    module = import_module(f"orrery.data.{name.replace('-', '_')}")
    size = module.size(module.Settings.model_validate(settings))
    assert (len(dataset.train_inputs), len(dataset.test_inputs)) == (size.train, size.test)
    assert (dataset.features, dataset.classes, dataset.outputs) == (size.features, size.classes, size.outputs)
    assert dataset.train_inputs.dtype == dataset.test_inputs.dtype == np.float64
    blank = _blank(module.Settings.model_validate(settings).model_dump(mode="json"))
    assert blank.train_inputs.shape == dataset.train_inputs.shape
    assert blank.train_inputs.dtype == np.float64


def test_labels_of_a_step(tmp_path: Path) -> None:
    found = made(tmp_path, "labelled-points")
    assert found.train_inputs[:, 0].tolist() == np.linspace(-1, 1, 20).tolist()
    assert found.train_targets is not None
    assert found.train_targets[:, 0].tolist() == [0.0] * 10 + [1.0] * 10
    odd = made(tmp_path, "labelled-points", count=5)
    assert odd.train_targets is not None
    assert odd.train_targets[:, 0].tolist() == [0, 0, 0, 1, 1]  # 1 strictly above 0, as the note has it
    one = made(tmp_path, "labelled-points", points=[0.3])
    assert one.train_targets is not None
    assert (one.train_inputs.tolist(), one.train_targets.tolist()) == ([[0.3]], [[1.0]])
    assert made(tmp_path, "labelled-points", count=1).train_inputs.tolist() == [[0.0]]


def test_random_labels_follow_the_split_and_are_fair(tmp_path: Path) -> None:
    few, more, other = (
        made(tmp_path, "labelled-points", labels="random", **given)
        for given in ({"count": 500}, {"count": 4000}, {"count": 500, "split": 1})
    )
    assert few.train_targets is not None
    assert more.train_targets is not None
    assert set(np.unique(more.train_targets)) == {0.0, 1.0}
    assert abs(more.train_targets.mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)
    assert np.array_equal(few.train_targets, more.train_targets[:500])
    assert not np.array_equal(few.train_targets, other.train_targets)
    assert np.array_equal(few.train_inputs, other.train_inputs)
    signs = few.train_targets[:, 0] - 0.5
    assert abs(np.mean(signs[1:] * signs[:-1])) < 4 * 0.25 / np.sqrt(499)
    assert few.test_targets is not None
    assert few.test_targets[[0, -1], 0].tolist() == few.train_targets[[0, -1], 0].tolist()


def test_gaussian_inputs(tmp_path: Path) -> None:
    labelled = made(tmp_path, "gaussian-inputs", test=10000)
    assert labelled.test_targets is not None
    assert (labelled.train_inputs.shape, labelled.test_inputs.shape) == ((200, 20), (10000, 20))
    assert np.array_equal(labelled.test_targets[:, 0], labelled.test_inputs[:, 0] > 0)
    np.testing.assert_allclose(labelled.test_inputs.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(np.cov(labelled.test_inputs.T), np.eye(20), atol=0.06)
    chance = made(tmp_path, "gaussian-inputs", labels="random", test=10000)
    assert chance.test_targets is not None
    assert np.array_equal(chance.train_inputs, labelled.train_inputs)
    assert abs(np.mean((chance.test_targets - 0.5) * (labelled.test_targets - 0.5))) < 4 * 0.25 / 100
    assert np.array_equal(
        made(tmp_path, "gaussian-inputs", samples=50).train_inputs, labelled.train_inputs[:50]
    )
    assert not np.array_equal(made(tmp_path, "gaussian-inputs", split=1).train_inputs, labelled.train_inputs)


def test_encoding(tmp_path: Path) -> None:
    scaled, one_hot = made(tmp_path, "encoding"), made(tmp_path, "encoding", inputs="one-hot")
    np.testing.assert_allclose(scaled.train_inputs[:, 0], 2 * np.arange(16) / 15 - 1, atol=1e-15)
    assert np.array_equal(one_hot.train_inputs, np.eye(16))
    assert scaled.train_targets is not None
    assert set(np.unique(scaled.train_targets)) == {0.0, 1.0}
    assert np.array_equal(scaled.train_targets, one_hot.train_targets)
    assert np.array_equal(scaled.test_inputs, scaled.train_inputs)
    assert np.array_equal(scaled.test_targets, scaled.train_targets)
    redrawn = [made(tmp_path, "encoding", split=split, count=400).train_targets for split in (0, 1)]
    assert abs(np.mean((redrawn[0] - 0.5) * (redrawn[1] - 0.5))) < 4 * 0.25 / 20
    assert np.array_equal(redrawn[0][:16], scaled.train_targets)


def test_noisy_samples(tmp_path: Path) -> None:
    noisy, bare, pure = (
        made(tmp_path, "noisy-samples", draws=200, **given)
        for given in ({}, {"noise": 0.0}, {"function": "none"})
    )
    x = np.linspace(-1, 1, 64)
    assert np.array_equal(noisy.train_inputs[:, 0], x)
    assert noisy.train_targets is not None
    assert pure.train_targets is not None
    assert np.array_equal(bare.train_targets, np.repeat(np.sin(np.pi * x)[:, None], 200, axis=1))
    np.testing.assert_allclose(noisy.train_targets, bare.train_targets + 0.5 * pure.train_targets, rtol=1e-15)
    assert abs(pure.train_targets.std() - 1) < 0.02
    assert abs(pure.train_targets.mean()) < 4 / np.sqrt(64 * 200)
    assert np.array_equal(noisy.test_targets[:, 0], np.sin(np.pi * np.linspace(-1, 1, 201)))
    assert np.array_equal(made(tmp_path, "noisy-samples").train_targets, noisy.train_targets[:, :1])
    assert not np.array_equal(
        made(tmp_path, "noisy-samples", split=1).train_targets, noisy.train_targets[:, :1]
    )


def test_three_times_as_many_points_on_the_left(tmp_path: Path) -> None:
    x = made(tmp_path, "noisy-samples", density="left").train_inputs[:, 0]
    assert ((x < 0).sum(), (x >= 0).sum()) == (48, 16)
    assert (x[0], x[-1]) == (-1.0, 1.0)
    np.testing.assert_allclose(np.diff(x[:49]), 1 / 48, rtol=1e-12)
    np.testing.assert_allclose(np.diff(x[48:]), 1 / 15, rtol=1e-12)


def test_class_clusters_are_those_of_numpy(tmp_path: Path) -> None:
    """Written out once more with the seeds and the order of draws of the method note."""
    middle = 0.75 * np.random.default_rng(1).normal(size=(10, 4, 48))
    middle = middle + 0.35 * np.random.default_rng(2).normal(size=(10, 1, 48))
    for samples in (300, 6000):
        found = made(tmp_path, "class-clusters", samples=samples)
        for seed, inputs, labels in (
            (11, found.train_inputs, found.train_labels),
            (5, found.test_inputs, found.test_labels),
        ):
            generator = np.random.default_rng(seed)
            expected = generator.integers(10, size=len(inputs))
            cluster = generator.integers(4, size=len(inputs))
            centre = middle[expected, cluster]
            assert np.array_equal(labels, expected)
            np.testing.assert_allclose(
                inputs, centre + 0.9 * generator.normal(size=centre.shape), rtol=1e-14, atol=1e-15
            )
        assert len(found.test_inputs) == 3000
    assert not np.array_equal(
        made(tmp_path, "class-clusters", train_seed=12).train_inputs[:300], found.train_inputs[:300]
    )


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"name": "labelled-points", "points": [0.3], "count": 2}, "leave 'count' out"),
        ({"name": "labelled-points", "interval": [1, 1]}, "write the lower end first"),
        ({"name": "noisy-samples", "density": "left", "count": 66}, "write a multiple of 4"),
        ({"name": "class-clusters", "split": 1}, "Input should be 0"),
        ({"name": "encoding", "count": 1}, "greater than or equal to 2"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, Any], message: str) -> None:
    module = import_module(f"orrery.data.{settings['name'].replace('-', '_')}")
    with pytest.raises(ValidationError, match=message):
        module.Settings.model_validate(settings)
