"""Results on disk: what goes in comes out, damage is noticed, equal results have equal bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from orrery.analyses.results import open_result, write_result
from orrery.config.errors import OrreryError


def result() -> xr.Dataset:
    generator = np.random.default_rng(0)
    values = generator.standard_normal((3, 4)) + 1j * generator.standard_normal((3, 4))
    values[2] = np.nan
    return xr.Dataset(
        {
            "eigenvalue": (("seed", "mode"), values),
            "empty": (("seed",), np.full(3, np.nan)),
            "path": (("seed",), np.array([-1, 0, 3], dtype=np.int8)),
            "scalar": ((), np.float64(2.5)),
        },
        coords={"seed": [2, 3, 6], "mode": np.arange(4)},
        attrs={"variants": [{"rank": 4, "centred": False}], "conditions": ["width=5,order=second"]},
    )


def files(path: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()
    }


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_result(result(), tmp_path)
    found = open_result(tmp_path).load()
    xr.testing.assert_identical(found, result())
    assert found["eigenvalue"].dtype == complex
    assert found["path"].dtype == np.int8


def test_a_result_read_can_be_written_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    write_result(result(), tmp_path / "a")
    write_result(open_result(tmp_path / "a"), tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_empty_chunks_are_written_and_damage_raises(tmp_path: Path) -> None:
    write_result(result(), tmp_path)
    chunks = [path for path in (tmp_path / "result.zarr" / "empty").rglob("*") if path.name != "zarr.json"]
    assert any(path.is_file() for path in chunks)
    chunk = next(
        path
        for path in (tmp_path / "result.zarr" / "eigenvalue").rglob("*")
        if path.is_file() and path.name != "zarr.json"
    )
    damaged = bytearray(chunk.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    chunk.write_bytes(damaged)
    with pytest.raises(Exception, match=r"[Cc]hecksum|crc"):
        open_result(tmp_path)["eigenvalue"].load()


def test_names_belong_in_attributes(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="names as attributes"):
        write_result(xr.Dataset({"name": (("seed",), np.array(["a", "b"]))}), tmp_path)
    with pytest.raises(OrreryError, match="no result"):
        open_result(tmp_path / "nowhere")
