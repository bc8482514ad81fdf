"""The target ``prune``: what no study names any more, listed with sizes, and removed when told to."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from orrery.config.claims import Scale
from orrery.config.errors import OrreryError
from orrery.config.loading import load_workflow
from orrery.config.workflow import WorkflowConfig
from orrery.plan.entry import load_plan
from orrery.plan.prune import ROOTS, Unnamed, unnamed
from orrery.provenance.inventory import find_links
from orrery.provenance.location import remove_bytes
from orrery.provenance.lock import StoreLock

PRUNE = "ORRERY_PRUNE"


def prune(config: Mapping[str, Any], home: Path) -> list[str]:
    """List what no study names at any scale; with ``ORRERY_PRUNE=yes`` in the environment, remove it.

    Every file in ``studies/`` counts, also one that the config does not list at the moment.

    Raises:
        OrreryError: a study or the config has a mistake, so that nobody knows what it names; nothing is removed.
    """
    workflow = load_workflow(Path("config.yaml"), config)
    studies = _all_studies(workflow)
    plans = [
        load_plan("config.yaml", {**config, "studies": studies, "scale": scale}, home)
        for scale in get_args(Scale)
    ]
    results = Path(workflow.results)
    found = unnamed(plans, results)
    links = [
        f"{link} is a link and was not followed" for root in ROOTS for link in find_links(results / root)
    ]
    if not found:
        return [*links, "nothing to prune: a study names every result"]
    width = len(f"{sum(thing.size for thing in found):,}")
    if os.environ.get(PRUNE) != "yes":
        return [
            *links,
            *(f"{thing.size:>{width},}  {thing.name}" for thing in found),
            f"{sum(thing.size for thing in found):>{width},}  bytes in {len(found)} things that no study names; "
            f"remove them with {PRUNE}=yes snakemake prune",
        ]
    lines = links
    freed = removed = 0
    for thing in found:
        refused = _remove(thing, results)
        if refused:
            lines.append(f"kept {thing.name}: {refused}")
        else:
            freed, removed = freed + thing.size, removed + 1
            lines.append(f"{thing.size:>{width},}  {thing.name}")
    return [*lines, f"{freed:>{width},}  bytes removed in {removed} things that no study names"]


def _all_studies(workflow: WorkflowConfig) -> list[str]:
    """The studies of the config and those that lie beside them."""
    listed = {workflow.study_path(study).resolve() for study in workflow.studies}
    beside = [
        path
        for ending in ("yaml", "yml")
        for path in sorted((workflow.folder / "studies").glob(f"*.{ending}"))
        if path.resolve() not in listed
    ]
    return [*workflow.studies, *(str(path.relative_to(workflow.folder)) for path in beside)]


def _remove(thing: Unnamed, results: Path) -> str:
    """Remove a thing and the folders that it leaves empty; returns why not, where it cannot be."""
    locked = thing.store is not None and thing.store.parent.is_dir()
    try:
        with StoreLock(thing.store) if thing.store is not None and locked else contextlib.nullcontext():
            for path in thing.paths:
                if path.is_dir() and not path.is_symlink():
                    remove_bytes(path)
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
    except OrreryError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or thing.name} cannot be removed ({error.strerror})"
    for path in thing.paths:
        _remove_empty(path.parent, results)
    if thing.store is not None:
        _remove_empty(thing.store.parent, results)
    return ""


def _remove_empty(folder: Path, results: Path) -> None:
    """Remove a folder and those above it, as long as they are empty, up to the results folder."""
    with contextlib.suppress(OSError):
        while folder != results and results in folder.parents:
            folder.rmdir()
            folder = folder.parent
