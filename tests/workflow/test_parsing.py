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
TIMED = """
import json, sys, time
from pathlib import Path

before, start = set(sys.modules), time.process_time()

include: "Snakefile"

found = {"seconds": time.process_time() - start, "before": sorted(before), "after": sorted(sys.modules)}
Path("parsing.json").write_text(json.dumps(found))
"""


def test_parsing_is_quick_and_light(lab: Any) -> None:
    lab.path("timed.smk").write_text(TIMED)
    outcome = lab.snakemake("-s", "timed.smk", "-n")
    assert outcome.jobs == set()
    found = json.loads(lab.path("parsing.json").read_text())
    before, after = (packages(found[when]) for when in ("before", "after"))
    # What Snakemake brings itself is no part of this, and must not hide what the plan would bring.
    assert before.isdisjoint(HEAVY - {"pandas"})
    assert (after - before).isdisjoint(HEAVY)
    assert "orrery" in after - before
    # Processor seconds, with room for a machine that is busy with other tests.
    assert found["seconds"] < 1.0


def packages(modules: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}
