"""Results that are there under the right name and yet do not hold what their name says."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from orrery.config.errors import OrreryError
from orrery.plan.job import Job
from orrery.plan.plan import Plan
from orrery.provenance.records import Record, Records

KEPT = Path(".orrery-cache/records.json")
"""What was read of results, so that the next start need not read it again."""
TRIGGER = Path(".orrery-cache/outdated")


def find_outdated(plan: Plan, records: Records) -> dict[str, str]:
    """Return the targets that are there but must be made again, each with the reason.

    A result is current if its manifest is as it was written, its store or what it published is there, and it was
    made of the bytes that its inputs hold now. The last fails where a result was made anew with other bytes under
    the same name, say after damage on another kind of machine, and the run ended before what reads it was made.
    """
    found: dict[str, str] = {}
    known = {target: records.read(Path(target)) for target in plan.jobs}
    for target, job in plan.jobs.items():
        if not Path(target).is_file():
            continue
        record = known[target]
        if record is None:
            found[target] = (
                "what was published is not whole"
                if job.stage == "publish"
                else "its manifest was edited, or its store is gone"
            )
            continue
        changed = _changed_inputs(plan, job, record, known)
        if changed:
            found[target] = "was made of other bytes of " + changed[0]
    records.save()
    return found


def _changed_inputs(plan: Plan, job: Job, record: Record, known: dict[str, Record | None]) -> list[str]:
    """Readable names of the inputs whose bytes are others now; what is not there is made anyway."""
    changed = []
    for label, jobs in job.inputs.items():
        now = [known[plan.target(one)] for one in jobs]
        before = record.inputs.get(label, [])
        if len(before) != len(now):
            changed.append(label)
            continue
        changed += [
            f"{one.stage}/{one.name}"
            for one, digest, current in zip(jobs, before, now, strict=True)
            if current is not None and current.digest != digest
        ]
    return changed


def set_trigger(outdated: Iterable[str], path: Path = TRIGGER) -> str:
    """Write a file newer than the outdated results, for Snakemake to be told that they read it.

    Snakemake makes a present file again only where an input is newer. The inputs themselves are declared as never
    newer, since their times prove nothing.

    Returns:
        The path; its folder may be deleted at any time.

    Raises:
        OrreryError: it cannot be written.
    """
    latest = max((Path(target).stat().st_mtime for target in outdated), default=0.0)
    later = max(latest + 1.0, time.time())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Other content each time: Snakemake passes over an input that is newer but has the same bytes as before.
        path.write_text(secrets.token_hex(16))
        os.utime(path, (later, later))
    except OSError as error:
        raise OrreryError(
            f"{path} cannot be written ({error.strerror}), and results are out of date: make its folder writable"
        ) from None
    return str(path)
