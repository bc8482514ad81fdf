"""The jobs of conditions that train together: what they are called, what they read, and what a change costs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.unit.one_study import by_name, enter, planned, reads

from orrery.devices.demand import gpus_asked
from orrery.plan.job import Job
from orrery.plan.plan import Plan
from orrery.plan.resources import resources_of
from orrery.plan.together import trained
from orrery.provenance.job import run_job
from orrery.stages.together import take_over

STUDY = """title: A study
dataset: {name: labelled-points, count: 20, labels: step}
system:
  kind: network
  network: {kind: mlp, hidden: [5], activation: relu}
  loss: {kind: mse}
  optimizer: {kind: sgd, rate: 0.1}
  batches: {kind: full}
training: {steps: 40, segment: 20, seeds: 4, block: 2}
analyses:
  ends: {method: displacements, conditions: ["*"]}
conditions:
  plain: {training: {together: both}}
  alone: {}
"""
NOISE = "noise: {training: {together: both}, dataset: {labels: random}, system: {optimizer: {rate: 0.2}}}"
TILES = [f"block=00{block},steps={steps}" for block in (0, 1) for steps in ("0-20", "20-40")]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)


def plan(*conditions: str, text: str = STUDY) -> Plan:
    return planned(text, *conditions)


def test_names_and_inputs() -> None:
    jobs = by_name(plan(NOISE))
    assert set(jobs) == {
        f"{owner}/{tile}" for owner in ("plain", "noise", "alone", "together=both") for tile in TILES
    }
    datasets = {f"dataset of {name}": ["labelled-points"] for name in ("plain", "noise")}
    assert reads(jobs["together=both/block=001,steps=0-20"]) == datasets
    assert reads(jobs["together=both/block=001,steps=20-40"]) == {
        **datasets,
        "previous": ["together=both/block=001,steps=0-20"],
    }
    group = jobs["together=both/block=001,steps=20-40"].settings
    assert sorted(group["conditions"]) == ["noise", "plain"]
    assert (group["seeds"], group["first"], group["last"]) == ([2, 3], 20, 40)
    for name in ("plain", "noise"):
        member = jobs[f"{name}/block=001,steps=20-40"]
        assert reads(member) == {
            "dataset": ["labelled-points"],
            "together": ["together=both/block=001,steps=20-40"],
        }
        assert member.settings["training"]["together"] == "both"
        assert member.settings["member"] == name
    assert "together" not in jobs["alone/block=001,steps=20-40"].settings["training"]


def test_what_reads_a_condition_reads_it_under_its_name() -> None:
    found = plan(NOISE)
    late = "late: {branch: {of: plain, at: 20}, training: {steps: 60}}"
    with_branch = by_name(plan(NOISE, late))
    assert reads(by_name(found, "analyses")["ends/noise/block=000"])["noise"] == [
        f"noise/{tile}" for tile in TILES[:2]
    ]
    assert reads(with_branch["late/block=000,steps=20-40"])["leaves"] == ["plain/block=000,steps=0-20"]
    published = found.studies["mine"].publish
    assert len(published.inputs["together"]) == len(TILES)
    assert all("together=" not in job.name for job in published.inputs["trajectories"])


def test_the_rate_of_one_makes_the_group_stale_and_nothing_else() -> None:
    before, after = by_name(plan(NOISE)), by_name(plan(NOISE.replace("0.2", "0.3")))
    changed = {name.split("/")[0] for name in before if before[name].digest != after[name].digest}
    assert changed == {"together=both", "plain", "noise"}
    assert all(before[f"alone/{tile}"].digest == after[f"alone/{tile}"].digest for tile in TILES)


def test_another_member_changes_no_name_of_what_trains_alone_and_more_seeds_train_new_blocks_only() -> None:
    alone, both = by_name(plan()), by_name(plan(NOISE))
    assert not any("together=" in name for name in alone)
    assert alone["alone/block=000,steps=0-20"].digest == both["alone/block=000,steps=0-20"].digest
    more = by_name(plan(NOISE, text=STUDY.replace("seeds: 4", "seeds: 5")))
    assert {name: more[name].digest for name in both} == {name: job.digest for name, job in both.items()}
    new = {name.split("/")[1] for name in set(more) - set(both)}
    assert new == {"block=002,steps=0-20", "block=002,steps=20-40"}


def test_what_the_jobs_ask_for() -> None:
    text = STUDY.replace("block: 2}", "block: 2, device: auto}").replace("[5]", "[2000, 2000]")
    jobs = by_name(plan(NOISE, text=text))
    tile = TILES[0]
    group, member, alone = (jobs[f"{name}/{tile}"] for name in ("together=both", "plain", "alone"))
    assert resources_of(member).mem_mb < resources_of(alone).mem_mb < resources_of(group).mem_mb
    assert [resources_of(job).gpu for job in (group, member, alone)] == [True, False, True]
    assert [len(trained(job)) for job in (group, member, alone)] == [2, 0, 1]
    assert all(gpus_asked(settings, 1) == 1 for settings, _ in trained(group))


def finish(job: Job, written: dict[str, str]) -> bool:
    """Run a job as the workflow does, with files for what it would compute."""

    def produce(out: Path) -> None:
        if "member" in job.settings:
            take_over({**job.payload("results"), "bytes_of": lambda store: store}, out)
            return
        for name, text in written.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text)

    return run_job(job.payload("results"), produce)


def stored(job: Job) -> dict[str, Any]:
    return dict(json.loads(Path("results", job.target).read_text()))


def test_early_cutoff_works_for_each_condition() -> None:
    text = STUDY.replace("segment: 20, seeds: 4, block: 2", "seeds: 2")
    tile = "block=000,steps=0-40"

    def run(found: Plan, noise: str) -> dict[str, bool]:
        jobs = by_name(found)
        trajectories = {"plain/data.zarr/c": "1", "noise/data.zarr/c": noise, "provenance.json": "{}"}
        ran = {}
        for job in found:
            if job.stage == "data":
                finish(job, {"data": job.digest})
        for name in ("together=both", "plain", "noise"):
            ran[name] = finish(jobs[f"{name}/{tile}"], trajectories)
        analyses = by_name(found, "analyses")
        return ran | {
            f"ends of {name}": finish(analyses[f"ends/{name}/block=000"], {"r": "1"})
            for name in ("plain", "noise")
        }

    first = plan(NOISE, text=text)
    assert all(run(first, "2").values())
    second = plan(NOISE.replace("0.2", "0.3"), text=text)
    assert (
        by_name(first, "analyses")["ends/plain/block=000"].digest
        != by_name(second, "analyses")["ends/plain/block=000"].digest
    )
    assert run(second, "3") == {
        "together=both": True,
        "plain": True,
        "noise": True,
        "ends of plain": False,
        "ends of noise": True,
    }
    ours, before = (stored(by_name(one)[f"plain/{tile}"]) for one in (second, first))
    assert ours["digest"] == before["digest"]


def test_a_member_takes_over_its_folder(tmp_path: Path) -> None:
    text = STUDY.replace("segment: 20, seeds: 4, block: 2", "seeds: 2")
    jobs = by_name(plan(NOISE, text=text))
    group, member = (jobs[f"{name}/block=000,steps=0-40"] for name in ("together=both", "noise"))
    for job in member.inputs["dataset"] + group.upstream:
        finish(job, {"data": "x"})
    written = {"noise/data.zarr/a/c": "1", "noise/checkpoint.zarr/z": "2", "plain/data.zarr/c": "3"}
    finish(group, {**written, "provenance.json": '{"device": "cpu"}'})
    finish(member, {})
    content = stored(member)
    assert sorted(content["files"]) == ["checkpoint.zarr/z", "data.zarr/a/c"]
    store = Path("results", member.target).with_suffix("")
    assert json.loads((store / "provenance.json").read_text()) == {"device": "cpu"}
    source = Path("results", group.target).with_suffix("") / "noise" / "data.zarr" / "a" / "c"
    assert os.path.samefile(source, store / "data.zarr" / "a" / "c")


class Away:
    """A place in an object store."""

    def __init__(self, files: dict[str, bytes], name: str = "") -> None:
        self.all, self.name = files, name

    def __truediv__(self, name: str) -> Away:
        return Away(self.all, f"{self.name}/{name}".lstrip("/"))

    def files(self) -> dict[str, int]:
        start = f"{self.name}/"
        return {
            path.removeprefix(start): len(text) for path, text in self.all.items() if path.startswith(start)
        }

    def read_bytes(self) -> bytes:
        return self.all[self.name]


def test_a_member_takes_over_what_lies_in_an_object_store(tmp_path: Path) -> None:
    text = STUDY.replace("segment: 20, seeds: 4, block: 2", "seeds: 2")
    jobs = by_name(plan(NOISE, text=text))
    group, member = (jobs[f"{name}/block=000,steps=0-40"] for name in ("together=both", "noise"))
    for job in group.upstream:
        finish(job, {"data": "x"})
    finish(group, {"noise/data.zarr/c": "1", "provenance.json": "{}"})
    away = Away({"noise/data.zarr/c": b"1", "noise/z": b"2", "plain/data.zarr/c": b"3"})
    take_over({**member.payload("results"), "bytes_of": lambda store: away}, tmp_path / "out")
    found = {
        str(path.relative_to(tmp_path / "out")): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == {"data.zarr/c": b"1", "z": b"2", "provenance.json": b"{}"}
