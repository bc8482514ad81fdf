"""Write and open the result of an analysis: a dataset as checksummed Zarr, the same bytes for the same values."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from orrery.config.errors import OrreryError
from orrery.trajectory.arrays import small_chunks
from orrery.trajectory.layout import codecs

NAME = "result.zarr"


def write_result(dataset: xr.Dataset, out: Path) -> None:
    """Write ``out/result.zarr``: crc32c on every chunk, empty chunks written, complex variables allowed.

    Attributes hold JSON types only; names and labels belong there, since string coordinates do not survive Zarr.

    Args:
        dataset: variables of any dimensions.
        out: a folder without a result.

    Raises:
        OrreryError: a variable of another kind than numbers and booleans.
    """
    for name, variable in dataset.variables.items():
        if variable.dtype.kind not in "biufc":
            raise OrreryError(
                f"result variable '{name}' has dtype {variable.dtype}; write numbers, and names as attributes"
            )
    # What is lazy comes in chunks of its own, which need not be those of the files.
    plain = dataset.compute()
    encoding: dict[Any, dict[str, Any]] = {}
    for name, variable in plain.variables.items():
        variable.encoding = {}
        settings: dict[str, Any] = {"_FillValue": None, **codecs()}
        if variable.ndim:
            settings["chunks"] = small_chunks(variable.shape, variable.dtype.itemsize)
        if variable.dtype.kind in "fc":
            settings["fill_value"] = math.nan
        encoding[name] = settings
    plain.to_zarr(
        out / NAME, mode="w-", zarr_format=3, consolidated=False, encoding=encoding, write_empty_chunks=True
    )


def open_result(path: Path, *, whole: int = 0) -> xr.Dataset:
    """Open what :func:`write_result` wrote.

    Args:
        path: the folder given to :func:`write_result`.
        whole: bytes up to which it is read at once; else Dask reads what is asked for.

    Returns:
        The dataset with the dimensions that it was written with.

    Raises:
        OrreryError: there is no result.
    """
    store = path / NAME
    if not (store / "zarr.json").is_file():
        raise OrreryError(f"{path} holds no result of an analysis; run the job that writes it")
    # Absolute, for workers of a Dask cluster that run in another folder.
    found = partial(
        xr.open_zarr, store.absolute(), consolidated=False, mask_and_scale=False, decode_times=False
    )
    if whole:
        # Without Dask, whose graphs take longer than small arrays.
        plain: xr.Dataset = found(chunks=None)
        if plain.nbytes <= whole:
            return plain.load()
    return found()
