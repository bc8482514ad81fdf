"""Run a command that permission bits bind also where it is root's: ``python bound.py <command>``.

Root reads and writes what it likes by two capabilities; given up here, they are gone from all that is started.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_DROP = 24  # PR_CAPBSET_DROP of linux/prctl.h
_CAPABILITIES = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

if __name__ == "__main__":
    status = Path("/proc/self/status").read_text()
    held = int(status.partition("CapEff:")[2].split()[0], 16)
    library = ctypes.CDLL(None, use_errno=True)
    for capability in _CAPABILITIES:
        if held & (1 << capability) and library.prctl(_DROP, capability, 0, 0, 0) != 0:
            sys.exit(f"a capability could not be given up: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])
