"""Targets that make nothing: ``snakemake verify``, ``snakemake explain``, ``snakemake prune``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError
from orrery.plan.entry import load_plan
from orrery.plan.explain import explain as explain_plan
from orrery.plan.outdated import KEPT, find_outdated
from orrery.plan.plan import Plan
from orrery.plan.prune import unnamed
from orrery.provenance.manifest import verify as verify_manifest
from orrery.provenance.records import Records

PRUNE = "ORRERY_PRUNE"


def verify(config: Mapping[str, Any], home: Path) -> list[str]:
    """Compare the bytes of every result of the plan with its manifest and say what differs.

    Raises:
        OrreryError: something differs; its text names store, file and the job that makes it anew.
    """
    plan = load_plan("config.yaml", config, home)
    lines = []
    checked = 0
    for target, job in plan.jobs.items():
        if job.stage == "publish" or not Path(target).is_file():
            continue
        checked += 1
        problems = verify_manifest(Path(target))
        if problems:
            lines += [f"{target}: {problem}" for problem in problems]
            lines.append(
                f"  to make it anew: rm '{target}' and run snakemake again (job {job.stage} {job.name})"
            )
    if lines:
        raise OrreryError("some results are damaged:\n" + "\n".join(lines))
    return [f"verified {checked} results: all bytes are as their manifests say"]


def explain(config: Mapping[str, Any], home: Path) -> list[str]:
    """Say for every stale job in one line what changed since the nearest earlier result."""
    plan = load_plan("config.yaml", config, home)
    return list(explain_plan(plan, find_outdated(plan, Records(KEPT)))) or ["nothing is stale"]


def prune(config: Mapping[str, Any], home: Path) -> list[str]:
    """List what no study names at any scale; with ``ORRERY_PRUNE=yes`` in the environment, remove it.

    Every file in ``studies/`` counts, also one that the config does not list at the moment.
    """
    plans: list[Plan] = []
    listed = [str(study) for study in config.get("studies", [])]
    studies = sorted({*listed, *(path.stem for path in Path("studies").glob("*.yaml"))})
    for scale in ("laptop", "paper"):
        plans.append(load_plan("config.yaml", {**config, "studies": studies, "scale": scale}, home))
    root = Path(plans[0].results) / "store"
    found = unnamed(plans, root)
    if not found:
        return ["nothing to prune: every stored result is named by a study"]
    if os.environ.get(PRUNE) != "yes":
        return [
            *map(str, found),
            f"{len(found)} results named by no study; remove them with {PRUNE}=yes snakemake prune",
        ]
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return [f"removed {len(found)} results named by no study"]
