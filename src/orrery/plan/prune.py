"""Which results no study names any more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from orrery.plan.plan import Plan


def stores_named(manifests: Iterable[Path]) -> set[Path]:
    """Folders that the manifests stand for; a manifest may stand for the bytes of an earlier result."""
    named = set()
    for manifest in manifests:
        if manifest.is_file():
            store = json.loads(manifest.read_text()).get("store")
            if store:
                named.add(manifest.parent / store)
    return named


def unnamed(plans: Iterable[Plan], root: Path) -> list[Path]:
    """Return all in the store that none of the plans names: manifests with what lies beside, and folders.

    Args:
        plans: usually one for each scale, so that going back to the other scale finds its results.
        root: the folder ``results/store``.
    """
    plans = list(plans)
    targets = {Path(target) for plan in plans for target in plan.jobs}
    keep = stores_named(targets)
    stems = {target.with_suffix("") for target in targets}
    found = []
    for path in sorted(root.rglob("*@*")):
        if any(parent in keep or "@" in parent.name for parent in path.parents):
            continue
        if path.is_dir():
            # A job of the plan may be writing its result at this moment, under the name that it has until it is whole.
            writing = path.suffix == ".partial" and path.with_suffix("") in stems
            if path not in keep and not writing:
                found.append(path)
        elif path.with_suffix("") not in stems:
            found.append(path)
    return found
