"""The target ``explain``, which makes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.plan.entry import load_plan
from orrery.plan.explain import explain as explain_plan
from orrery.plan.outdated import KEPT, find_outdated
from orrery.provenance.records import Records


def explain(config: Mapping[str, Any], home: Path) -> list[str]:
    """Say for every stale job in one line what changed since the nearest earlier result."""
    plan = load_plan("config.yaml", config, home)
    return list(explain_plan(plan, find_outdated(plan, Records(KEPT)))) or ["nothing is stale"]
