"""Results that are gone although something that was made of them is there."""

from __future__ import annotations

import os
from collections.abc import Iterable

from orrery.plan.plan import Plan


def with_lost(plan: Plan, targets: Iterable[str]) -> list[str]:
    """Return targets, and those above them whose file is gone although a file made of it is there.

    Snakemake makes a missing file only if it is asked for or something that reads it has to run, so a lost one in
    the middle would stay lost.
    """
    wanted = list(dict.fromkeys(targets))
    # Each is looked for once; asking the disk takes longer than all else here.
    present = {target: os.path.exists(target) for target in wanted}
    lost: dict[str, None] = {}

    # A stack and not a recursion: a chain of segments may be longer than Python's stack.
    waiting = [plan.at(target) for target in wanted]
    while waiting:
        job = waiting.pop()
        for upstream in job.upstream:
            target = plan.target(upstream)
            if target not in present:
                present[target] = os.path.exists(target)
                waiting.append(upstream)
            if not present[target] and present[plan.target(job)]:
                lost[target] = None
    return list(dict.fromkeys([*wanted, *lost]))
