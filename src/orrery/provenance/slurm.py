"""Jobs on Slurm that a killed run has left behind.

Neither Snakemake nor its plugin finds its jobs again after it was killed. They would go on, and their next start
would meet them at the locks of their stores; so they are cancelled. What they had finished stays.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from orrery.config.errors import OrreryError

SECONDS = 60.0
OURS = "rule_"
"""What the comment of a job starts with that Snakemake's plugin has submitted."""


ENDED = frozenset(
    (
        "COMPLETED",
        "CANCELLED",
        "FAILED",
        "TIMEOUT",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "DEADLINE",
        "BOOT_FAIL",
        "PREEMPTED",
    )
)


def find_left_over(folder: Path) -> list[str]:
    """Return the numbers of this user's jobs that Snakemake submitted from a folder and that have not ended.

    Raises:
        OrreryError: Slurm does not answer.
    """
    listed = _ask("squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i|%T|%k|%Z")
    found = []
    for line in listed.splitlines():
        number, state, comment, place = line.strip().split("|", 3)
        ended = state in ENDED
        if not ended and comment.startswith(OURS) and Path(place) == folder:
            found.append(number)
    return found


def cancel_left_over(folder: Path, seconds: float = SECONDS) -> list[str]:
    """Cancel the jobs that :func:`find_left_over` finds, and wait until they have ended.

    Call it only where no other run of the workflow is alive in the folder: its jobs would be taken for these.

    Args:
        folder: where Snakemake runs.
        seconds: to wait at most.

    Returns:
        The numbers of the jobs.

    Raises:
        OrreryError: Slurm does not answer, or a job does not end.
    """
    found = find_left_over(folder)
    if found:
        _ask("scancel", *found)
    deadline = time.monotonic() + seconds
    while left := find_left_over(folder) if found else []:
        if time.monotonic() > deadline:
            raise OrreryError(
                f"jobs {', '.join(left)} of a run that was killed do not end; cancel them with scancel, then run again"
            )
        time.sleep(0.5)
    return found


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[:1]
        raise OrreryError(
            f"{command[0]} does not answer ({''.join(said)}); run this on a machine from which jobs can be submitted"
        ) from None
    return done.stdout
