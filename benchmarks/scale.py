"""A dry run over a study of 1,000 jobs of which none is stale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Section, goal, in_process, peak_memory_of_children

HOME = Path(__file__).parents[1]
SIZES = (100, 1_000)
SEEDS_OF_A_CONDITION = 20


def run(folder: Path) -> Section:
    """Measure some sizes; the results are empty files under the names that the plan gives."""
    rows = []
    for size in SIZES:
        place = folder / f"jobs-{size}"
        shutil.rmtree(place, ignore_errors=True)
        jobs = _make_study(place, size)
        answers = [in_process("benchmarks.nothing_stale", str(place)) for _ in range(3)]
        shutil.rmtree(place)
        seconds = min(answer["seconds"] for answer in answers)
        peak = max(answer["memory"] for answer in answers)
        reached = goal(seconds < 5, "under 5 s") if size == 1_000 else "–"
        rows.append((f"{jobs:,}", f"{seconds:.2f} s", f"{peak:.0f} MB", reached))
    return Section(
        "Saying that nothing is stale",
        "`snakemake -n` over a study whose results are all there: start, configuration, code and software digests, "
        "plan and graph. Best of three.",
        ("jobs", "time", "peak memory", "goal"),
        tuple(rows),
    )


def _make_study(place: Path, size: int) -> int:
    """Write a study of about ``size`` jobs with all results there; return the number of jobs."""
    from orrery.plan.entry import load_plan

    conditions = size // SEEDS_OF_A_CONDITION
    (place / "studies").mkdir(parents=True)
    (place / "config.yaml").write_text("studies: [many]\nresults: results\n", encoding="utf-8")
    rates = ", ".join(f"{0.1 + 0.001 * n:.3f}" for n in range(conditions))
    (place / "studies/many.yaml").write_text(
        STUDY.format(rates=rates, seeds=SEEDS_OF_A_CONDITION), encoding="utf-8"
    )
    plan = _in_folder(place, lambda: load_plan("config.yaml", {}, HOME))
    for target in plan.jobs:
        path = place / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return len(plan.jobs)


def _in_folder(place, function):  # type: ignore[no-untyped-def]
    before = os.getcwd()
    os.chdir(place)
    try:
        return function()
    finally:
        os.chdir(before)


def main(place: str) -> dict[str, Any]:
    """Time one dry run; runs in a small process of its own, whose children's memory can be told."""
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [str(snakemake), "-s", str(HOME / "Snakefile"), "--directory", place, "-n"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if "Nothing to be done" not in done.stdout + done.stderr:
        raise RuntimeError(f"the dry run found something to do:\n{(done.stdout + done.stderr)[-2000:]}")
    return {"seconds": seconds, "memory": peak_memory_of_children()}


STUDY = """\
title: Many jobs
summary: Digits trained at many rates; made for a benchmark.
dataset: {{name: digits}}
system:
  kind: network
  network: {{kind: mlp, hidden: [8]}}
  loss: {{kind: cross-entropy}}
  optimizer: {{kind: sgd, rate: 0.1}}
  batches: {{kind: shuffled, size: 32}}
training: {{steps: 100, segment: 100, seeds: {seeds}, block: 1}}
record: {{state: all, steps: {{every: 1}}, metrics: [loss]}}
conditions:
  grid:
    axes:
      rate: {{values: [{rates}], sets: system.optimizer.rate}}
analyses: {{}}
claims: {{}}
"""
