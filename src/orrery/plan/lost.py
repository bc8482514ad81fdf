"""Results that are gone although something that was made of them is there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orrery.plan.job import Job
from orrery.plan.plan import Plan


def with_lost(plan: Plan, targets: Iterable[str]) -> list[str]:
    """Return targets, and those above them whose file is gone although a file made of it is there.

    Snakemake makes a missing file only if it is asked for or something that reads it has to run, so a lost one in
    the middle would stay lost.
    """
    wanted = list(dict.fromkeys(targets))
    seen: set[str] = set()
    lost: dict[str, None] = {}

    def visit(job: Job, present: bool) -> None:
        for upstream in job.upstream:
            target = plan.target(upstream)
            there = Path(target).exists()
            if present and not there:
                lost[target] = None
            if target not in seen:
                seen.add(target)
                visit(upstream, there)

    for target in wanted:
        visit(plan.at(target), Path(target).exists())
    return list(dict.fromkeys([*wanted, *lost]))
