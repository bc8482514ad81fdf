"""Write buffered rows as chunk files, and read such files.

Zarr's own pipeline copies a chunk three times and runs Python between the copies, which holds back the thread
that trains. Where a file is one chunk its bytes are made here instead: Blosc, then crc32c, which is what the
metadata of the array says. A test holds the files to those that Zarr writes, byte for byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
import zarr
from numcodecs.blosc import Blosc

from orrery.trajectory.layout import BLOSC, Layout

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

_BLOSC = Blosc(cname=BLOSC["cname"], clevel=BLOSC["clevel"], shuffle=Blosc.SHUFFLE)


def write_rows(
    folder: Path,
    array: zarr.Array[Any],
    layout: Layout,
    first: int,
    rows: int,
    values: Float[np.ndarray, "file run row component"],
) -> None:
    """Write the rows from ``first`` on into the array that lies in ``folder``.

    Args:
        folder: of the array.
        array: the same, opened.
        layout: its chunks.
        first: index of the first row, a multiple of the rows in a file.
        rows: how many of the rows hold data; the others are NaN.
        values: as gathered by ``StepBuffer``.
    """
    together, length, _ = layout.file
    if layout.shard is not None:
        for start in range(0, array.shape[0], together):
            part = values[0, start : start + together, :rows, : array.shape[2]]
            array[start : start + together, first : first + rows, :] = part[: array.shape[0] - start]
        return
    for block, start in enumerate(range(0, values.shape[1], together)):
        place = folder / "c" / str(block) / str(first // length)
        place.mkdir(parents=True, exist_ok=True)
        for number, part in enumerate(values):
            # Two writes: to join them first would copy megabytes for four bytes.
            with (place / str(number)).open("wb") as file:
                for piece in encode(part[start : start + together]):
                    file.write(piece)


def encode(chunk: Float[np.ndarray, "run row component"]) -> tuple[bytes, bytes]:
    """The bytes of one chunk, C-contiguous and little-endian, and those of their checksum, which follow them."""
    packed: bytes = _BLOSC.encode(chunk)
    return packed, int(google_crc32c.value(packed)).to_bytes(4, "little")


def decode(content: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Shaped[np.ndarray, "*shape"]:
    """The values of one chunk of any array of a store.

    Raises:
        ValueError: the checksum does not fit the bytes, or there are too few.
    """
    packed, stored = content[:-4], content[-4:]
    if len(stored) < 4 or int(google_crc32c.value(packed)) != int.from_bytes(stored, "little"):
        raise ValueError("their checksum differs")
    values = np.empty(shape, dtype)
    _BLOSC.decode(packed, out=values)
    return values
