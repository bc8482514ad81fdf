"""One of the two signs that a singular vector or a principal component may have, so that equal inputs look alike."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

ALIKE = 1e-6
"""Entries whose moduli differ by less, relative to the largest, count as equal: rounding must not choose."""


def fixed_signs(vectors: Float[np.ndarray, "*stack entry vector"]) -> Float[np.ndarray, "*stack 1 vector"]:
    """+1 or -1 for each column, after which its entry of largest modulus, the first one of several, is positive."""
    moduli = np.abs(vectors)
    largest = (moduli >= (1 - ALIKE) * moduli.max(axis=-2, keepdims=True)).argmax(axis=-2)
    chosen = np.take_along_axis(vectors, np.expand_dims(largest, -2), axis=-2)
    return np.where(chosen < 0, -1.0, 1.0)
