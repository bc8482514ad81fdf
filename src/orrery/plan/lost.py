"""Results that are gone although something that was made of them is there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orrery.plan.plan import Plan


def with_lost(plan: Plan, targets: Iterable[str]) -> list[str]:
    """Return targets, and those above them whose file is gone although a file made of it is there.

    Snakemake makes a missing file only if it is asked for or something that reads it has to run, so a lost one in
    the middle would stay lost.
    """
    wanted = list(dict.fromkeys(targets))
    seen: set[str] = set()
    lost: dict[str, None] = {}

    # A stack and not a recursion: a chain of segments may be longer than Python's stack.
    waiting = [plan.at(target) for target in wanted]
    while waiting:
        job = waiting.pop()
        present = Path(plan.target(job)).exists()
        for upstream in job.upstream:
            target = plan.target(upstream)
            if present and not Path(target).exists():
                lost[target] = None
            if target not in seen:
                seen.add(target)
                waiting.append(upstream)
    return list(dict.fromkeys([*wanted, *lost]))
