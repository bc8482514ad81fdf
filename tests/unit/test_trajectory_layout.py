"""Chunks: their size, their number, and that their bytes are those of Zarr, equal for equal data."""

from __future__ import annotations

import hashlib
import itertools
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from tests.unit.trajectory_examples import Part, chunk_files, state, write

from orrery.trajectory.arrays import create
from orrery.trajectory.check import complete
from orrery.trajectory.layout import MEBIBYTE, MOST_FILES, choose_layout
from orrery.trajectory.trajectory import Trajectory
from orrery.trajectory.writer import Writer

SIZES = [
    *itertools.product((1, 6, 32, 250), (99, 1001, 12_000), (2, 10, 2_410, 79_510, 1_000_000), (4, 8)),
]


@pytest.mark.parametrize(("runs", "steps", "components", "itemsize"), SIZES)
def test_chunks_and_files(runs: int, steps: int, components: int, itemsize: int) -> None:
    found = choose_layout(runs, steps, components, itemsize)
    total = runs * steps * components * itemsize
    chunk = math.prod(found.chunk) * itemsize
    assert chunk <= 8 * MEBIBYTE
    # Smaller than 1 MB only where there is not more, or where runs x steps are cut evenly.
    assert chunk >= min(MEBIBYTE // 2, total // 2)
    files = found.files((runs, steps, components))
    gigabytes = total / 1e9
    assert files <= MOST_FILES * max(1.6, gigabytes / 100), (found, files)
    assert found.file[1] * components * runs * itemsize <= 2**29 * 1.01 or found.file[1] == 1
    if found.shard is not None:
        assert all(shard % chunk == 0 for shard, chunk in zip(found.shard, found.chunk, strict=True))


def test_the_usual_sizes() -> None:
    assert choose_layout(1, 1024, 79_510, 4).chunk == (1, 256, 4096)
    assert choose_layout(400, 12_000, 10, 4).files((400, 12_000, 10)) <= 60
    assert choose_layout(32, 1001, 2_410, 4).files((32, 1001, 2_410)) <= 130


@pytest.mark.parametrize(("runs", "components"), [(1, 79_510), (32, 79_510), (6, 2_410), (400, 10)])
def test_components_are_cut_alike_in_all_segments(runs: int, components: int) -> None:
    widths = {choose_layout(runs, steps, components, 4).chunk[2] for steps in (10, 500, 1000, 1001, 1024)}
    assert len(widths) == 1


def test_the_files_are_those_that_zarr_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orrery.trajectory.layout.MEBIBYTE", 4_000)
    runs, steps, parts = 3, 50, (Part("w", (700,)),)
    path = tmp_path / "data.zarr"
    writer = Writer(
        path, components=parts, steps=range(steps), seeds=range(runs), copies=[0] * runs, buffer_bytes=100_000
    )
    for step in range(steps):
        writer.record(step, state(range(runs), step, parts))
    writer.close()
    ours = zarr.open_array(path / "state", mode="r")
    assert ours.nchunks > 10
    values = ours[...]
    group = zarr.open_group(tmp_path / "theirs.zarr", mode="w")
    layout = choose_layout(runs, steps, 700, 4, 50_000)
    theirs = create(group, "state", values.shape, values.dtype, ("run", "step", "component"), {}, layout)
    theirs[...] = values
    assert theirs.chunks == ours.chunks
    expected = {
        file.relative_to(tmp_path / "theirs.zarr"): file for file in chunk_files(tmp_path / "theirs.zarr")
    }
    found = {file.relative_to(path): file for file in chunk_files(path / "state")}
    assert found.keys() == expected.keys()
    for name, file in found.items():
        assert file.read_bytes() == expected[name].read_bytes(), name


def test_shards_keep_the_number_of_files_low(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orrery.trajectory.layout.MOST_FILES", 20)
    monkeypatch.setattr("orrery.trajectory.layout.MEBIBYTE", 2_000)
    runs, steps, parts = 4, 60, (Part("w", (500,)),)
    path = tmp_path / "data.zarr"
    writer = Writer(
        path, components=parts, steps=range(steps), seeds=range(runs), copies=[0] * runs, buffer_bytes=80_000
    )
    for step in range(steps):
        writer.record(step, state(range(runs), step, parts))
    writer.close()
    array = zarr.open_array(path / "state", mode="r")
    assert array.shards is not None
    assert len(chunk_files(path / "state")) <= 20
    assert complete(path) == []
    found = Trajectory.open(path).tensor("w").values
    for step in (0, 31, 59):
        np.testing.assert_array_equal(found[:, step], state(range(runs), step, parts)["w"].numpy())
    random = np.random.default_rng(1)
    file = chunk_files(path / "state")[1]
    content = file.read_bytes()
    for place in random.integers(0, len(content), 6).tolist():
        changed = bytearray(content)
        changed[place] ^= 8
        file.write_bytes(changed)
        with pytest.raises((ValueError, RuntimeError)):
            array[...]


def digest(path: Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_equal_data_has_equal_bytes(tmp_path: Path) -> None:
    first = digest(write(tmp_path / "a" / "data.zarr"))
    time.sleep(0.01)
    assert digest(write(tmp_path / "b" / "data.zarr")) == first
    assert digest(write(tmp_path / "c" / "data.zarr", background=False, buffer_bytes=2**28)) == first


LARGE = """
import resource, sys
from pathlib import Path
import numpy as np
from orrery.trajectory.trajectory import Trajectory
from orrery.trajectory.writer import Writer
from tests.unit.trajectory_examples import Part
path, rows = Path(sys.argv[1]), 600
parts = (Part("w", (50_000,)),)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
writer = Writer(path, components=parts, steps=range(rows), seeds=range(4), copies=[0] * 4, buffer_bytes=30_000_000)
given = np.random.default_rng(0).normal(size=(4, 50_000)).astype("float32")
for step in range(rows):
    writer.record(step, {"w": given})
writer.close()
written = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import dask
with dask.config.set(scheduler="threads", num_workers=1):
    total = float((Trajectory.open(path).array().astype("float64") ** 2).sum().compute())
read = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert abs(total / (rows * float((given.astype("float64") ** 2).sum())) - 1) < 1e-9
print((written - before) / 1024, (read - before) / 1024)
"""


def test_memory_is_bounded_by_the_buffer_not_by_the_trajectory(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    child = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path / "data.zarr")],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    written, read = map(float, child.stdout.split())
    # The trajectory has 458 MB, the buffers 30 MB.
    assert written < 130
    assert read < 200
