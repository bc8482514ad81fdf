"""What every dataset has in common: the store, its bytes, its errors, and a dataset of one's own."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
import zarr

from orrery.config.errors import OrreryError
from orrery.data.store import open_dataset, write_dataset

CLUSTERS = {"name": "gaussian-clusters", "classes": 4, "dimension": 5, "samples": 400, "test": 40}

DOCS = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
OWN = next(
    block for block in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL) if "class Settings" in block
)


def write(settings: dict[str, Any], out: Path) -> Path:
    out.mkdir(parents=True)
    write_dataset(settings, out, out / "unused-cache")
    return out


def tree_digest(folder: Path) -> str:
    """sha256 over the names and bytes of all files."""
    digest = hashlib.sha256()
    for path in sorted(entry for entry in folder.rglob("*") if entry.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def test_equal_settings_give_equal_bytes_and_others_do_not(tmp_path: Path) -> None:
    first = tree_digest(write(CLUSTERS, tmp_path / "a"))
    assert first == tree_digest(write(dict(reversed(CLUSTERS.items())), tmp_path / "b"))
    assert first != tree_digest(write({**CLUSTERS, "split": 1}, tmp_path / "c"))


def test_equal_bytes_come_from_another_process(tmp_path: Path) -> None:
    out = tmp_path / "b"
    out.mkdir()
    code = (
        "import sys, json; from pathlib import Path; from orrery.data.store import write_dataset; "
        "write_dataset(json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[2]))"
    )
    environment = {"PYTHONHASHSEED": "12345", "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code, json.dumps(CLUSTERS), str(out)], check=True, env=environment)
    assert tree_digest(out) == tree_digest(write(CLUSTERS, tmp_path / "a"))


def test_plain_xarray_opens_the_store_without_a_warning(tmp_path: Path) -> None:
    store = write(CLUSTERS, tmp_path / "a") / "data.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = xr.open_zarr(store).load()
    assert found.train_inputs.dims == ("train_sample", "feature")
    assert found.train_labels.dtype == np.int64
    assert found.sizes == {"train_sample": 400, "test_sample": 40, "feature": 5, "class": 4}
    assert found.train_class_counts.values.tolist() == [100] * 4
    assert found.test_class_counts.values.tolist() == [10] * 4
    dataset = open_dataset(str(store))
    for name in ("train_inputs", "train_labels", "test_inputs", "test_labels"):
        np.testing.assert_array_equal(found[name].values, getattr(dataset, name))
    raw = found.train_inputs * found.input_deviation + found.input_mean
    np.testing.assert_allclose(raw, found.train_inputs)  # standardise: none


def test_attributes_say_what_the_data_are(tmp_path: Path) -> None:
    dataset = open_dataset(write({**CLUSTERS, "standardise": "global"}, tmp_path / "a"))
    attributes = dataset.attributes
    assert attributes["format"] == "orrery-dataset"
    assert attributes["settings"]["separation"] == 4.0
    assert attributes["settings"]["standardise"] == "global"
    assert attributes["standardisation"]["kind"] == "global"
    assert attributes["standardisation"]["deviation"] > 0
    assert attributes["provenance"]["source"].startswith("synthetic")
    assert (dataset.shape, dataset.features, dataset.classes) == ((5,), 5, 4)
    assert dataset.train_inputs.dtype == np.float32
    np.testing.assert_allclose([dataset.train_inputs.mean(), dataset.train_inputs.std()], [0, 1], atol=1e-6)


def test_a_flipped_byte_raises(tmp_path: Path) -> None:
    store = write(CLUSTERS, tmp_path / "a") / "data.zarr"
    chunk = store / "train_inputs" / "c" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 0x10
    chunk.write_bytes(content)
    with pytest.raises(OrreryError, match="train_inputs has a damaged chunk"):
        open_dataset(store)
    with pytest.raises(ValueError, match="checksum"):
        xr.open_zarr(store).train_inputs.load()


def test_a_missing_chunk_raises(tmp_path: Path) -> None:
    store = write(CLUSTERS, tmp_path / "a") / "data.zarr"
    (store / "test_labels" / "c" / "0").unlink()
    with pytest.raises(OrreryError, match="test_labels lacks 1 of 1 chunks"):
        open_dataset(store)


def test_what_is_no_dataset_is_said(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="there is no dataset here"):
        open_dataset(tmp_path)
    zarr.create_group(tmp_path / "data.zarr", zarr_format=3)
    with pytest.raises(OrreryError, match="not a dataset of format orrery-dataset 1"):
        open_dataset(tmp_path)


def test_constant_inputs_are_written_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = OWN.replace("points = np.stack", "points = 0 * np.stack")
    (tmp_path / "flat_rings.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    dataset = open_dataset(write({"name": "flat_rings", "standardise": "none"}, tmp_path / "a"))
    assert (dataset.train_inputs == 0).all()


def test_large_inputs_are_cut_into_chunks_of_one_to_eight_megabytes(tmp_path: Path) -> None:
    settings = {**CLUSTERS, "dimension": 1000, "samples": 3000}
    store = write(settings, tmp_path / "a") / "data.zarr"
    array = zarr.open_array(store / "train_inputs", mode="r")
    assert 2**20 <= np.prod(array.chunks) * 4 <= 2**23
    assert array.nchunks == 3
    assert open_dataset(store).train_inputs.shape == (3000, 1000)


def test_a_dataset_of_ones_own_is_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "my_data"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "rings.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    (line,) = re.findall(r"^dataset: .*my_data.*$", DOCS, re.MULTILINE)
    settings = yaml.safe_load(line)["dataset"]
    dataset = open_dataset(write(settings, tmp_path / "a"))
    assert dataset.class_names == ("inner", "outer")
    assert np.bincount(dataset.train_labels).tolist() == [25, 25]
    radii = np.linalg.norm(dataset.train_inputs, axis=1)
    np.testing.assert_allclose(radii, np.where(dataset.train_labels == 0, 1, 3), rtol=1e-6)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("labels[:100]", "labels[:99]", r"train_inputs has shape \(100, 2\) and train_labels \(99,\)"),
        ("labels[:100]", "labels[:100] + 1", "train_labels must be whole numbers from 0 to 1"),
        ("labels[:100]", "labels[:100] / 2", "train_labels must be whole numbers from 0 to 1"),
        (
            "points[100:]",
            "points[100:, :1]",
            r"has shape \(2,\) and a test sample \(1,\)",
        ),
        ("points[:100]", "points[:100] * np.inf", "train_inputs holds NaN or infinity"),
        ("(DatasetSettings)", "(__import__('pydantic').BaseModel)", "must be a subclass of"),
    ],
)
def test_a_dataset_of_ones_own_that_does_not_fit_is_refused(
    old: str, new: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"rings_{abs(hash((old, new)))}"
    assert old in OWN
    (tmp_path / f"{module}.py").write_text(OWN.replace(old, new))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OrreryError, match=message):
        write({"name": module}, tmp_path / "a")


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"name": "mnist-5kk"}, "mnist-5k"),
        ({"name": "iris", "tset": 30}, "dataset.tset"),
        ({"name": "iris", "test": 0}, "dataset.test"),
        ({"name": "iris", "test": "30"}, "dataset.test"),
        ({"name": "iris", "standardise": "whiten"}, "dataset.standardise"),
        ({"name": "iris", "samples": 121}, "dataset iris: samples: 121"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match=message):
        write(settings, tmp_path / "a")
