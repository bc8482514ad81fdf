"""One compute thread in linear algebra, also where its libraries are loaded already."""

from __future__ import annotations

import os

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def ask_for_one_thread() -> None:
    """Set the variables that libraries of linear algebra read when they are loaded.

    Bits of a decomposition depend on the number of threads, so it must not follow ``--cores``.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"


def compute_with_one_thread() -> None:
    """Let this process compute with one thread; libraries that are loaded already read no variables any more."""
    ask_for_one_thread()
    import numpy as np  # noqa: F401
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
