"""A store that is not whole, or whose bytes have changed, is never read as if nothing were wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from tests.unit.trajectory_examples import PARTS, Part, chunk_files, state, write

from orrery.config.errors import OrreryError
from orrery.trajectory.check import complete, missing_chunks
from orrery.trajectory.trajectory import Trajectory
from orrery.trajectory.writer import Writer

WIDE = (Part("w", (700,)),)


def wide(path: Path) -> Path:
    """A store of several chunks."""
    writer = Writer(
        path, components=WIDE, steps=range(30), seeds=[0, 1], copies=[0, 0], metrics={}, buffer_bytes=40_000
    )
    for step in range(30):
        writer.record(step, state((0, 1), step, WIDE))
    writer.close()
    return path


def test_a_whole_store_has_no_problems(tmp_path: Path) -> None:
    assert complete(write(tmp_path / "data.zarr")) == []
    for array in ("state", "metrics/loss", "seed"):
        opened = zarr.open_array(tmp_path / "data.zarr" / array, mode="r")
        assert opened.nchunks_initialized == opened.nchunks


def test_every_missing_chunk_is_named(tmp_path: Path) -> None:
    path = wide(tmp_path / "data.zarr")
    files = chunk_files(path)
    assert len(files) > 8
    for file in files:
        content = file.read_bytes()
        file.unlink()
        array, key = file.relative_to(path).as_posix().split("/c/")
        assert any(f"array '{array}'" in problem and f"chunk {key} " in problem for problem in complete(path))
        with pytest.raises(OrreryError, match=rf"data\.zarr: array '{array}' .* chunk {key} is the first"):
            Trajectory.open(path)
        file.write_bytes(content)
    assert complete(path) == []


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = wide(tmp_path / "data.zarr")
    reference = Trajectory.open(path).dataset.compute()
    random = np.random.default_rng(0)
    for file in chunk_files(path):
        array = path / file.relative_to(path).as_posix().split("/c/")[0]
        content = bytearray(file.read_bytes())
        for place in {0, len(content) - 1, *random.integers(0, len(content), 3).tolist()}:
            changed = bytearray(content)
            changed[place] ^= 1 << int(random.integers(8))
            file.write_bytes(changed)
            with pytest.raises((ValueError, RuntimeError)):
                zarr.open_array(array, mode="r")[...]
        file.write_bytes(content)
    assert Trajectory.open(path).dataset.compute().equals(reference)


def test_a_flipped_byte_is_told_with_its_chunk(tmp_path: Path) -> None:
    path = wide(tmp_path / "data.zarr")
    file = sorted((path / "state" / "c").rglob("*"))[-1]
    content = bytearray(file.read_bytes())
    content[20] ^= 4
    file.write_bytes(content)
    key = file.relative_to(path / "state" / "c").as_posix()
    with pytest.raises(OrreryError, match=f"chunk {key} of array 'state' cannot be read"):
        Trajectory.open(path).array().compute()


def test_a_chunk_that_goes_missing_after_opening(tmp_path: Path) -> None:
    path = wide(tmp_path / "data.zarr")
    trajectory = Trajectory.open(path)
    file = chunk_files(path / "state")[-1]
    file.unlink()
    key = file.relative_to(path / "state" / "c").as_posix()
    with pytest.raises(OrreryError, match=f"chunk {key} of array 'state' is missing"):
        trajectory.array().compute()


def test_what_is_not_a_trajectory(tmp_path: Path) -> None:
    assert complete(tmp_path / "none.zarr") == [f"{tmp_path / 'none.zarr'} does not exist"]
    assert "has no zarr.json" in complete(tmp_path)[0]
    zarr.open_group(tmp_path / "other.zarr", mode="w")
    assert "not a trajectory" in complete(tmp_path / "other.zarr")[0]
    path = write(tmp_path / "data.zarr")
    (path / "state" / "c" / "0" / "0" / "0.abc.partial").touch()
    assert "left from a write that was interrupted" in complete(path)[0]
    (path / "state" / "c" / "0" / "0" / "0.abc.partial").unlink()
    metadata = json.loads((path / "zarr.json").read_text())
    metadata["attributes"]["schema_version"] = 99
    (path / "zarr.json").write_text(json.dumps(metadata))
    assert "schema version 99" in complete(path)[0]
    (path / "zarr.json").write_text("{")
    assert "cannot be read" in complete(path)[0]


def test_missing_chunks_of_any_store(tmp_path: Path) -> None:
    array = zarr.open_array(tmp_path / "a.zarr", mode="w", shape=(4,), chunks=(1,), dtype="f8", fill_value=0)
    array[:2] = 1
    assert "has 2 of 4 chunks; chunk 2 is the first" in missing_chunks(tmp_path / "a.zarr")[0]


ENDLESS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.unit.trajectory_examples import Part, state
from orrery.trajectory.writer import Writer
parts = (Part("w", (2000,)),)
writer = Writer(Path(sys.argv[1]), components=parts, steps=range(10**6), seeds=[0], copies=[0], buffer_bytes=300_000)
given = state((0,), 0, parts)
for step in range(10**6):
    writer.record(step, given)
    if step == 200:
        print("writing", flush=True)
"""


def test_a_killed_writer_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    path = tmp_path / "data.zarr"
    root = str(Path(__file__).parents[2])
    for pause in (0.0, 0.07):
        child = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(path), root], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "writing\n"
        time.sleep(pause)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert not path.exists()
        assert "an unfinished one lies at" in complete(path)[0]
        unfinished = tmp_path / "data.zarr.partial"
        assert complete(unfinished), "the unfinished store must not look whole under its own name"
        with pytest.raises(OrreryError):
            Trajectory.open(unfinished)
    write(path)
    assert complete(path) == []
    assert not unfinished.exists()


def test_a_store_killed_before_its_tables_does_not_look_whole(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "data.zarr", components=PARTS, steps=[0], seeds=[0], copies=[0])
    writer.record(0, state((0,), 0))
    writer.abandon()
    assert complete(writer.partial)
    with pytest.raises(OrreryError):
        Trajectory.open(writer.partial)
