"""Conditions that train together in one job: what that costs where one of them changes, and what is spared."""

from __future__ import annotations

from typing import Any

from .table import holds
from .test_changes_code import log_of
from .test_changes_config import ALL_OF_TINY, BOTH, TILES, TINY, trained

ALONE = "training: {steps: 20, segment: 10, seeds: 2, block: 2}"
TOGETHER = ALONE.replace("}", ", together: both}")
GROUP = ("together=both",)
ALL = trained(GROUP, *TILES) | ALL_OF_TINY
NEXT = ("block=001,steps=0-10", "block=001,steps=10-20")


@holds(
    "config",
    "the rate of one of two conditions that train together",
    ALL,
    "Both are trained again; of the other one the jobs take over what they had, if its bytes stayed the same.",
)
@holds(
    "config",
    "two conditions that train together from now on",
    ALL,
    "How many runs are batched may change their last bits.",
)
def test_training_together(lab: Any) -> None:
    lab.replace(TINY, ALONE, TOGETHER)
    lab.settles(ALL)
    lab.replace(TINY, "seeds: 2", "seeds: 4")
    more = lab.dry()
    assert {job for job in more if job.startswith("train")} == trained((*GROUP, *BOTH), *NEXT)
    lab.replace(TINY, "seeds: 4", "seeds: 2")

    before = lab.manifests()
    lab.replace(TINY, "fast: {system: {optimizer: {rate: 0.2}}}", "fast: {system: {optimizer: {rate: 0.3}}}")
    lab.settles(ALL)
    made = lab.manifests().keys() - before.keys()
    spared = {name.partition("@")[0] for name in made if "taken over" in log_of(lab, name)}
    assert spared == {f"analyses/tiny/{analysis}/slow/block=000" for analysis in ("weights", "koopman")}
    assert lab.snakemake("verify").code == 0
