"""Pruning takes what no plan names, and nothing that a plan names, stands for, or is being written."""

from __future__ import annotations

from pathlib import Path

from orrery.plan.job import Job
from orrery.plan.plan import Plan
from orrery.plan.prune import unnamed
from orrery.provenance.job import run_job


def plan(results: Path, rate: float, code: str = "a") -> Plan:
    settings = {"rate": rate}
    return Plan(str(results), {}, Job("trajectories", "s", "s/c/block=000,steps=0-9", settings, code, {}, {}))


def build(one: Plan) -> Path:
    for job in one:
        run_job(job.payload(one.results), lambda out: (out / "data.txt").write_text("same") and None)
    return Path(one.target(one.index))


def test_only_what_no_plan_names_is_found(tmp_path: Path) -> None:
    old, new = build(plan(tmp_path, 0.1)), build(plan(tmp_path, 0.2))
    found = unnamed([plan(tmp_path, 0.2)], tmp_path / "store")
    assert {old, old.with_suffix("")} <= set(found)
    assert not any(str(path).startswith(str(new.with_suffix(""))) for path in found)
    assert unnamed([plan(tmp_path, 0.1), plan(tmp_path, 0.2)], tmp_path / "store") == []


def test_a_store_that_is_being_written_stays(tmp_path: Path) -> None:
    target = Path(plan(tmp_path, 0.1).target(plan(tmp_path, 0.1).index))
    writing = target.with_name(target.stem + ".partial")
    writing.mkdir(parents=True)
    abandoned = target.with_name("block=000,steps=0-9@0000000000000000.partial")
    abandoned.mkdir()
    assert unnamed([plan(tmp_path, 0.1)], tmp_path / "store") == [abandoned]
