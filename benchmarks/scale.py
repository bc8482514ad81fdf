"""Dry runs over studies of up to 10,000 jobs: all of them to do, none stale, one condition changed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Section, goal, in_process, peak_memory_of_children

HOME = Path(__file__).parents[1]
SIZES = {100: 3, 1_000: 3, 10_000: 2}
"""Jobs, and how often each dry run is repeated."""
SEEDS_OF_A_CONDITION = 10
JOBS_OF_A_CONDITION = 2 * SEEDS_OF_A_CONDITION
LINEAR = 1.0


def run(folder: Path) -> Section:
    """Measure all sizes; the results are fabricated, small and valid, under the names that the plan gives."""
    cells: dict[str, list[tuple[int, float, float]]] = {}
    for size, repeats in SIZES.items():
        place = folder / f"jobs-{size}"
        shutil.rmtree(place, ignore_errors=True)
        conditions = size // JOBS_OF_A_CONDITION
        jobs = write_study(place, conditions)
        for what, prepare in STATES.items():
            prepare(place, conditions)
            answers = [in_process("benchmarks.scale", str(place), what) for _ in range(repeats)]
            seconds = min(answer["seconds"] for answer in answers)
            cells.setdefault(what, []).append((jobs, seconds, max(answer["memory"] for answer in answers)))
        shutil.rmtree(place)
    return Section(
        "Many jobs",
        "`snakemake -n` over a study of which half the jobs train a block and half analyse one: start, configuration, "
        "code and software digests, plan, graph and the list of what is to be done. Time is the best of "
        f"{max(SIZES.values())}, of {min(SIZES.values())} for 10,000 jobs; memory is the peak of the process. "
        "Growth is the exponent of the time from 1,000 to 10,000 jobs, 1 where ten times the jobs take ten times as "
        "long; beside it the time of each further job below and above 1,000.",
        (
            "",
            *(f"{jobs:,} jobs" for jobs, _, _ in next(iter(cells.values()))),
            "growth",
            "each further job",
            "goal",
        ),
        tuple(_row(what, measured) for what, measured in cells.items()),
    )


def _row(what: str, measured: list[tuple[int, float, float]]) -> tuple[str, ...]:
    small, middle, large = measured
    growth = math.log(large[1] / middle[1]) / math.log(large[0] / middle[0])
    below, above = (
        1000 * (after[1] - before[1]) / (after[0] - before[0])
        for before, after in ((small, middle), (middle, large))
    )
    goals = [goal(growth <= LINEAR, "growth at most 1")]
    if what == NOTHING:
        goals.append(goal(middle[1] < 5, "1,000 jobs under 5 s"))
    return (
        what,
        *(f"{seconds:.2f} s, {memory:.0f} MB" for _, seconds, memory in measured),
        f"{growth:.2f}",
        f"{below:.2f} ms, {above:.2f} ms",
        "; ".join(goals),
    )


def write_study(place: Path, conditions: int) -> int:
    """Write a study with nothing done yet; returns the number of its jobs."""
    (place / "studies").mkdir(parents=True)
    (place / "config.yaml").write_text("studies: [many]\nresults: results\n", encoding="utf-8")
    _write_rates(place, conditions, 0.1)
    return len(_plan(place).jobs)


def _write_rates(place: Path, conditions: int, last: float) -> None:
    values = [0.2 + 0.001 * number for number in range(conditions - 1)] + [last]
    axes = ", ".join(
        f"number={number}: {{system: {{optimizer: {{rate: {rate:.3f}}}}}}}"
        for number, rate in enumerate(values)
    )
    text = STUDY.format(conditions=axes, seeds=SEEDS_OF_A_CONDITION)
    (place / "studies/many.yaml").write_text(text, encoding="utf-8")


def _plan(place: Path) -> Any:
    from orrery.plan.entry import load_plan

    before = os.getcwd()
    os.chdir(place)
    try:
        return load_plan("config.yaml", {}, HOME)
    finally:
        os.chdir(before)


def _leave_undone(place: Path, conditions: int) -> None:
    """Everything is to be done."""


def _fabricate_results(place: Path, conditions: int) -> None:
    """Nothing is stale: each job has a store with one small file, its manifest, and the record of what it read."""
    from orrery.provenance.manifest import build, manifest_bytes, sealed

    plan = _plan(place)
    sample = place / "sample"
    sample.mkdir()
    (sample / "data").write_bytes(b"data")
    described = build(sample)
    shutil.rmtree(sample)
    digests: dict[str, str] = {}
    for target, job in plan.jobs.items():
        path = place / target
        path.parent.mkdir(parents=True, exist_ok=True)
        inputs = {label: [digests[plan.target(one)] for one in jobs] for label, jobs in job.inputs.items()}
        if job.stage == "publish":
            marker = {"study": job.study, "digest": job.digest, "files": {}, "inputs": inputs}
            content = json.dumps(marker).encode()
            digests[target] = hashlib.sha256(content).hexdigest()
        else:
            store = path.with_name(path.name.removesuffix(".json"))
            store.mkdir()
            (store / "data").write_bytes(b"data")
            content = manifest_bytes(sealed({**described, "store": store.name}))
            digests[target] = described["digest"]
            record = {"name": job.name, "spec": job.spec, "key": "", "inputs": inputs}
            (store / "job.json").write_text(json.dumps(record))
        path.write_bytes(content)


def _change_one(place: Path, conditions: int) -> None:
    """One condition has another rate."""
    _write_rates(place, conditions, 0.15)


NOTHING, ONE = "nothing stale", "one condition changed"
STATES: dict[str, Callable[[Path, int], None]] = {
    "all to do": _leave_undone,
    NOTHING: _fabricate_results,
    ONE: _change_one,
}


def main(place: str, what: str) -> dict[str, Any]:
    """Time one dry run; runs in a small process of its own, whose children's memory can be told."""
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [str(snakemake), "-s", str(HOME / "Snakefile"), "--directory", place, "-n"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    listed = done.stdout.count("\nrule train:")
    expected = {NOTHING: listed == 0, ONE: listed == SEEDS_OF_A_CONDITION}.get(what, listed > 0)
    if done.returncode or not expected:
        told = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"the dry run ({what}) lists {listed} jobs that train:\n{told}")
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
conditions: {{{conditions}}}
analyses:
  weights: {{method: reduction}}
claims: {{}}
"""
