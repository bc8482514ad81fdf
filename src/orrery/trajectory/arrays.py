"""Create the Zarr arrays of a store, always with a checksum, NaN fill and all chunks written."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numcodecs.blosc
import numpy as np
import zarr

from orrery.trajectory.layout import MEBIBYTE, Layout, codecs

if TYPE_CHECKING:
    from jaxtyping import Shaped

# The blocks of a chunk that Blosc compresses with several threads lie in the order in which they were
# finished, so that equal data would have other bytes in each run.
numcodecs.blosc.use_threads = False


def create(
    group: zarr.Group,
    name: str,
    shape: Sequence[int],
    dtype: np.dtype[Any] | type,
    dims: Sequence[str],
    attributes: Mapping[str, Any],
    layout: Layout | None = None,
) -> zarr.Array[Any]:
    """Create an array whose missing chunks can be told from written ones.

    Empty chunks are written (that choice is not stored in the array, so it is made here at each creation),
    the fill value of floating-point arrays is NaN, and every chunk ends in a checksum.
    """
    kind = np.dtype(dtype)
    chunks = layout.chunk if layout else small_chunks(shape, kind.itemsize)
    return group.create_array(
        name,
        shape=tuple(shape),
        dtype=kind,
        chunks=chunks,
        shards=layout.shard if layout else None,
        fill_value=math.nan if kind.kind == "f" else 0,
        dimension_names=list(dims),
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
        **codecs(),
    )


def put(
    group: zarr.Group,
    name: str,
    values: Shaped[np.ndarray, " ..."],
    dims: Sequence[str],
    attributes: Mapping[str, Any],
) -> None:
    """Create a small array and write all of it; ``dims`` names its dimensions."""
    array = create(group, name, values.shape, values.dtype, dims, attributes)
    if values.size:
        array[...] = values


def small_chunks(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """One chunk, cut along the longest axis where it would exceed 8 MB."""
    chunks = [max(1, size) for size in shape]
    while math.prod(chunks) * itemsize > 8 * MEBIBYTE:
        longest = chunks.index(max(chunks))
        chunks[longest] = math.ceil(chunks[longest] / 2)
    return tuple(chunks)


def consolidate(path: Path) -> None:
    """Gather the metadata of a finished store into its ``zarr.json``, and of each of its groups into theirs.

    Plain ``xarray.open_zarr`` warns where it does not find it. Nothing changes the store afterwards, so it
    cannot go stale.
    """
    with warnings.catch_warnings():
        # Libraries that do not know consolidated metadata read the files themselves: no harm done.
        warnings.filterwarnings("ignore", message=".*[Cc]onsolidated metadata")
        for name in sorted(zarr.open_group(path, mode="r", use_consolidated=False).group_keys()):
            zarr.consolidate_metadata(str(path), path=name, zarr_format=3)
        zarr.consolidate_metadata(str(path), zarr_format=3)


def set_length(metadata: Path, length: int) -> None:
    """Cut an array that was made longer than needed along ``step``; its chunks stay as they are."""
    content = json.loads(metadata.read_text())
    content["shape"][1] = length
    metadata.write_text(json.dumps(content, indent=2))
