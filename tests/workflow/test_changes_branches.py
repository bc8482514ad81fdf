"""Branches of runs: what a branch and a change of it, or of the condition that it leaves, make stale."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from .table import holds
from .test_changes_config import COMPARED, TINY, analysed, trained

LATE = "  late: {branch: {of: slow, at: 10}, training: {steps: 30}}\n"
LATER = analysed("weights", ("late",)) | analysed("koopman", ("late",)) | COMPARED
TILES = ("block=000,steps=10-20", "block=000,steps=20-30")
INSIDE = ("block=000,steps=13-23", "block=000,steps=23-33")
SLOW = analysed("weights", ("slow",)) | analysed("koopman", ("slow",)) | COMPARED

CHECK = """
import orrery
from numpy import array_equal
slow, late = orrery.open("tiny", "slow"), orrery.open("tiny", "late")
print(late.steps == list(range(13, 31)))
print(array_equal(slow.array().values[::2, 13:], late.array().values[::2, :8]))
print(array_equal(slow.array().values[1::2, 13], late.array().values[1::2, 0]))
"""


@holds(
    "config",
    "the rate of the condition that a branch leaves, which goes on with it",
    trained(("slow",), "block=000,steps=0-10", "block=000,steps=10-20")
    | trained(("late",), *TILES)
    | SLOW
    | LATER,
)
@holds(
    "config", "the step at which a branch begins, now inside a segment", trained(("late",), *INSIDE) | LATER
)
@holds(
    "config",
    "more steps of the condition that a branch leaves",
    trained(("slow",), "block=000,steps=20-30") | SLOW,
)
@holds("config", "the rate of a branch", trained(("late",), *TILES) | LATER)
@holds("config", "a branch of a condition that was added", trained(("late",), *TILES) | LATER)
def test_branches(lab: Any) -> None:
    lab.replace(TINY, "analyses:\n", LATE + "analyses:\n")
    lab.settles(trained(("late",), *TILES) | LATER)

    def stale(old: str, new: str) -> set[str]:
        """What a dry run lists after a change that is taken back."""
        lab.replace(TINY, old, new)
        jobs: set[str] = lab.dry()
        lab.replace(TINY, new, old)
        return jobs

    at = "at: 10}, training: {steps: 30}"
    assert stale(at, f"{at}, system: {{optimizer: {{rate: 0.3}}}}") == trained(("late",), *TILES) | LATER
    slow = "slow: {system: {optimizer: {rate: 0.1}}"
    more = trained(("slow",), "block=000,steps=20-30") | SLOW
    assert stale(slow, slow + ", training: {steps: 30}") == more
    both = trained(("slow",), "block=000,steps=0-10", "block=000,steps=10-20") | SLOW
    assert stale(slow, slow.replace("0.1", "0.4")) == both | trained(("late",), *TILES) | LATER

    lab.replace(TINY, "at: 10", "at: 13")
    told = lab.snakemake("explain").out
    assert (
        "trajectories/tiny/late/block=000,steps=13-23: no earlier result, new seed block 0-1, steps 13-23"
        in told
    )
    assert "trajectories" in lab.snakemake("estimate").out
    lab.settles(trained(("late",), *INSIDE) | LATER)
    assert lab.snakemake("verify").code == 0
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=lab.folder,
        env=lab.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "True", "False"]
    assert lab.path("results/tiny/report.html").read_text().count("Some conditions are branches of slow") == 1
