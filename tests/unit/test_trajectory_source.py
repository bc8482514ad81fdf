"""Arrays are sliced as NumPy slices them, whatever the chunks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from orrery.trajectory.arrays import create
from orrery.trajectory.layout import Layout
from orrery.trajectory.source import Source

VALUES = np.arange(5 * 23 * 17, dtype="float32").reshape(5, 23, 17)
LAYOUTS = [Layout((5, 23, 17)), Layout((2, 7, 4)), Layout((1, 4, 4), (2, 8, 20))]
KEYS: list[Any] = [
    slice(None),
    (slice(1, 4), slice(3, 20), slice(2, 9)),
    (slice(1, 2), slice(7, 14), slice(4, 8)),
    (3, slice(None), slice(None)),
    (3, 22, 16),
    (slice(None), -1),
    (slice(None), [0, 22, 5, 5], slice(3, 4)),
    (slice(None), np.array([13]), 4),
    (slice(None), slice(None, None, 3), slice(None)),
    (slice(None), slice(20, 2, -5), slice(None)),
    (slice(4, 4), slice(None), slice(None)),
    (slice(None), np.arange(23) % 4 == 1, slice(None)),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=["one chunk", "many chunks", "shards"])
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_slices(tmp_path: Path, layout: Layout, key: Any) -> None:
    group = zarr.open_group(tmp_path, mode="w")
    create(group, "a", VALUES.shape, VALUES.dtype, ("x", "y", "z"), {}, layout)[...] = VALUES
    source = Source(tmp_path, "a", json.loads((tmp_path / "a" / "zarr.json").read_text()))
    found = source[key]
    np.testing.assert_array_equal(found, VALUES[key])
    if found.ndim:
        assert found.flags.writeable


def test_arrays_of_other_writers(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(9,), chunks=(4,), dtype="int64")
    array[...] = np.arange(9)
    source = Source(tmp_path, "a", json.loads((tmp_path / "a" / "zarr.json").read_text()))
    assert source[2:7].tolist() == [2, 3, 4, 5, 6]
