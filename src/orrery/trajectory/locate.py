"""Find the trajectories of a study by name."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError, nearest
from orrery.provenance.location import bytes_of
from orrery.provenance.objects import SCHEME, ObjectPath
from orrery.trajectory.place import Place
from orrery.trajectory.trajectory import Trajectory


def open_trajectory(
    study: str | Path,
    condition: str | None = None,
    *,
    results: str | Path = "results",
    seeds: Collection[int] | None = None,
    copies: Collection[int] | None = None,
    steps: tuple[int, int] | None = None,
) -> Trajectory:
    """Open the trajectory of a condition of a study, or a store by its path.

    Args:
        study: name of a study whose results are published, or the path of one store, which may be an ``s3://`` address.
        condition: name of the condition; may be left out where the study has one only.
        results: folder of the results.
        seeds: read these seeds only; those of the study where absent.
        copies: read these copies only, 0 is the original; those of the study where absent.
        steps: first and last step to read; those of the study where absent.

    Returns:
        The trajectory, lazy: nothing is read before it is computed.

    Raises:
        OrreryError: no such study, condition or store; a store is not whole.
    """
    if condition is None:
        address = isinstance(study, str) and study.startswith(SCHEME)
        store = store_at(ObjectPath(str(study).rstrip("/")) if address else Path(study))
        if store is not None:
            return Trajectory.open(store, seeds=seeds, copies=copies, steps=steps)
    root = Path(results)
    conditions = _published(root, str(study))
    if condition is None and len(conditions) == 1:
        condition = next(iter(conditions))
    if condition not in conditions:
        asked = f"no condition '{condition}'" if condition else f"{len(conditions)} conditions; name one"
        hint = nearest(condition or "", conditions)
        raise OrreryError(f"study '{study}' has {asked}; {hint}")
    found = conditions[condition]
    paths = [bytes_of(root / "store" / "trajectories" / name) / "data.zarr" for name in found["stores"]]
    bound = found.get("steps")
    within = (0, int(bound)) if isinstance(bound, int) else bound
    whole = Trajectory.open(paths, seeds=found.get("seeds"), copies=found.get("copies"), steps=within)
    return whole.select(seeds=seeds, copies=copies, steps=steps)


def store_at(path: Place) -> Place | None:
    """The store at ``path``, or the ``data.zarr`` of a job; ``None`` where there is neither."""
    folder = bytes_of(path) if isinstance(path, Path) else path
    return next((place for place in (folder / "data.zarr", path) if (place / "zarr.json").is_file()), None)


def _published(results: Path, study: str) -> dict[str, Any]:
    index = results / study / "trajectories.json"
    if not index.is_file():
        known = sorted(path.parent.name for path in results.glob("*/trajectories.json"))
        raise OrreryError(
            f"no store lies at '{study}' and {results} holds no published study of that name; "
            f"{nearest(study, known)}"
        )
    content = json.loads(index.read_text(encoding="utf-8"))
    conditions: dict[str, Any] = content["conditions"]
    return conditions
