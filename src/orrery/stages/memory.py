"""Keep the memory of arrays that are freed, for those that come next.

The C library returns an array of some megabytes to the system as soon as it is freed, and the next one of its size is
handed out as pages that are cleared one by one: for steps that make and free such arrays this takes longer than what is
computed in them.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

# <malloc.h> of the GNU C library.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
LARGEST_KEPT = 32 * 2**20
"""Bytes of the largest array that is kept; the library takes no more."""
KEPT = 256 * 2**20
"""Bytes that are kept free at most."""


def keep_freed_memory() -> None:
    """Let this process and its forks keep what it frees; nothing where another C library is in use."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, LARGEST_KEPT)
        library.mallopt(_TRIM_THRESHOLD, KEPT)
