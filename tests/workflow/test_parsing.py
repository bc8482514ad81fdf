"""Reading the Snakefile is quick and imports nothing heavy: every job of a cluster does it again."""

from __future__ import annotations

import json
from typing import Any

HEAVY = {
    "torch",
    "xarray",
    "dask",
    "distributed",
    "scipy",
    "zarr",
    "sklearn",
    "matplotlib",
    "ot",
    "mlxtend",
    "pandas",
}
COUNTED = """
import cProfile, json, sys
from pathlib import Path

before, profile = set(sys.modules), cProfile.Profile()

profile.enable()
include: "Snakefile"
profile.disable()

calls = sum(entry.callcount for entry in profile.getstats())
found = {"calls": calls, "before": sorted(before), "after": sorted(sys.modules)}
Path("parsing.json").write_text(json.dumps(found))
"""
# With two studies it takes about a million calls, two thirds of a second on a laptop (`make bench` has the times).
CALLS = 1_500_000


def test_parsing_is_quick_and_light(lab: Any) -> None:
    lab.path("counted.smk").write_text(COUNTED)
    outcome = lab.snakemake("-s", "counted.smk", "-n")
    assert outcome.jobs == set()
    found = json.loads(lab.path("parsing.json").read_text())
    before, after = (packages(found[when]) for when in ("before", "after"))
    # What Snakemake brings itself is no part of this, and must not hide what the plan would bring.
    assert before.isdisjoint(HEAVY - {"pandas"})
    assert (after - before).isdisjoint(HEAVY)
    assert "orrery" in after - before
    # Calls, not seconds: a machine that is busy with other things makes as many of them.
    assert 10_000 < found["calls"] < CALLS


def packages(modules: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}
