"""What a process of a Dask cluster is told before it computes for a job, and what it tells of itself."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import orrery
from orrery.provenance.software import STAGE_PACKAGES, versions
from orrery.stages.blas import compute_with_one_thread


def software_here() -> dict[str, str]:
    """Return versions of packages, and as ``orrery`` a digest of our code as it lies on disk."""
    home = Path(orrery.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        digest.update(f"{path.relative_to(home)}\0".encode())
        digest.update(path.read_bytes())
    packages = versions([*STAGE_PACKAGES["analyses"], "distributed"])
    return {**packages, "orrery": digest.hexdigest()[:16]}


AT_START = software_here()
"""As it was when this process first computed for a job: what is imported does not change after that."""


def prepare(folder: str, results: str) -> dict[str, Any]:
    """Make a process ready for a job: one compute thread, and modules beside the studies as they are now.

    Args:
        folder: where the job runs, and where a user's modules lie.
        results: folder of the results.

    Returns:
        ``software`` and ``sees_results``.
    """
    compute_with_one_thread()
    if folder not in sys.path:
        # Last, as in the job itself.
        sys.path.append(folder)
    _forget_modules(Path(folder))
    return {"software": AT_START, "sees_results": os.path.isdir(results)}


def _forget_modules(folder: Path) -> None:
    """Import a user's modules anew: a worker that outlives a job would go on with the code that it once read."""
    library = Path(orrery.__file__).parent
    packages = {"site-packages", "dist-packages"}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name in ("__main__", "__mp_main__") or not file:
            continue
        path = Path(file)
        if path.is_relative_to(folder) and not path.is_relative_to(library) and not packages & {*path.parts}:
            del sys.modules[name]
