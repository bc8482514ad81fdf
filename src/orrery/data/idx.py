"""The idx format of the MNIST files: a big-endian header of sizes, then bytes."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import UInt8

UNSIGNED_BYTE = 0x08


def parse_idx(content: bytes) -> UInt8[np.ndarray, " ..."]:
    """Read an idx file of unsigned bytes.

    The header is two zero bytes, the type, the number of dimensions, and one 32-bit size per dimension.

    Raises:
        ValueError: the content is not idx of unsigned bytes, or its length is not what the header says.
    """
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        raise ValueError("not an idx file of unsigned bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise ValueError("the idx header is cut short")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise ValueError(f"the idx header says {math.prod(shape)} bytes, and {len(content) - start} follow")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
