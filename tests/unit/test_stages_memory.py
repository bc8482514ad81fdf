"""Freed memory is kept: arrays made one after the other use the same pages."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNTED = """
import ctypes, resource, sys
import numpy as np
{before}
for _ in range(3):
    np.ones(2**20)
first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first)
"""


def faults(before: str) -> int:
    code = COUNTED.format(before=before)
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


@pytest.mark.skipif(not hasattr(__import__("ctypes").CDLL(None), "mallopt"), reason="not the GNU C library")
def test_arrays_made_one_after_the_other_use_the_same_pages() -> None:
    kept = faults("from orrery.stages.memory import keep_freed_memory; keep_freed_memory()")
    assert kept < 100
    # As the library does it where its thresholds stay as they are: 8 MiB, in pages or in large pages, 20 times.
    given_back = faults("ctypes.CDLL(None).mallopt(-3, 2**17); ctypes.CDLL(None).mallopt(-1, 2**17)")
    assert given_back > kept
