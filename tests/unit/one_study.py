"""A folder with one study, ``mine``, that tests write, load and plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.test_plan_plan import NoCode

from orrery.config.loading import load_study, load_workflow
from orrery.config.study import ResolvedStudy
from orrery.plan.build import build
from orrery.plan.job import Job
from orrery.plan.plan import Plan


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder that has a config and no study yet."""
    monkeypatch.chdir(folder)
    Path("studies").mkdir()
    Path("config.yaml").write_text("studies: [mine]\ndevice: cpu\n")


def loaded(text: str, *conditions: str) -> ResolvedStudy:
    """The study with these lines below those that it has."""
    Path("studies/mine.yaml").write_text(text + "".join(f"  {line}\n" for line in conditions))
    return load_study("studies/mine.yaml", load_workflow("config.yaml"))


def planned(text: str, *conditions: str) -> Plan:
    """Its plan, without code behind the digests."""
    study = loaded(text, *conditions)
    return build(load_workflow("config.yaml"), {"mine": study}, NoCode())


def by_name(found: Plan, stage: str = "trajectories") -> dict[str, Job]:
    """The jobs of a stage by what their names say below the study."""
    return {job.name.removeprefix("mine/"): job for job in found if job.stage == stage}


def reads(job: Job) -> dict[str, list[str]]:
    """What a job reads, by label, where it reads anything."""
    return {
        label: [one.name.removeprefix("mine/") for one in jobs] for label, jobs in job.inputs.items() if jobs
    }
