"""No process that outlives the one that started it.

Little is imported here: what only waits for a job starts in a hundredth of a second.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel end this process when the one that started it ends, so that no orphan goes on writing.

    Linux only; elsewhere it does nothing, and the lock on the store is what keeps two writers apart. The signal is
    SIGTERM's hard sibling SIGKILL: a store appears only when it is whole, so nothing needs to be put in order.

    Args:
        parent: process that is expected to be the parent; whoever it is where ``None``.

    Raises:
        SystemExit: the parent had ended before the request was in place.
    """
    if not sys.platform.startswith("linux"):
        return
    expected = os.getppid() if parent is None else parent
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0) != 0:
        return  # refused, e.g. by a sandbox: the lock remains
    if os.getppid() != expected:
        # It ended in between, so the signal will not come.
        raise SystemExit(1)
