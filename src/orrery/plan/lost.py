"""Results that are gone although something that was made of them is there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
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


def withdraw_markers(plan: Plan) -> list[str]:
    """Remove the markers of publications of which a file is gone, and return their paths.

    A marker says that what people read is in its place. Snakemake knows no file of a publication but its marker, so
    a marker that says what is not so goes, and the publication is made again. Where it cannot be removed, because
    the folder is read-only, nothing could be published either.
    """
    withdrawn = []
    for target in (*(plan.target(study.publish) for study in plan.studies.values()), plan.target(plan.index)):
        marker = Path(target)
        with suppress(OSError, ValueError):
            files = json.loads(marker.read_bytes()).get("files", ())
            if not all((marker.parent / name).is_file() for name in files):
                marker.unlink()
                withdrawn.append(target)
    return withdrawn
