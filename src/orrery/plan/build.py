"""From the studies to the plan."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from orrery.config.study import Condition, ResolvedStudy
from orrery.config.workflow import WorkflowConfig
from orrery.plan.analyses import AnalysisPlanner
from orrery.plan.branches import Planned, in_order, leave
from orrery.plan.entries import Entries
from orrery.plan.job import STAGES, Job
from orrery.plan.make import make
from orrery.plan.plan import Plan, StudyJobs, unique
from orrery.plan.templates import templates
from orrery.plan.tiles import Block, Tile
from orrery.plan.together import group_jobs, groups_of, member_jobs
from orrery.plan.trajectories import copies_read, seeds_read, training_settings, trajectory_jobs


def build(workflow: WorkflowConfig, studies: Mapping[str, ResolvedStudy], entries: Entries) -> Plan:
    """Return the plan of some studies.

    Args:
        workflow: the settings of ``config.yaml``.
        studies: the studies at the scale chosen.
        entries: digests of the code and the software of each stage.
    """
    planned = {study.name: _study(study, workflow, entries) for study in studies.values()}
    index = _index(planned, entries)
    execution = {
        **workflow.parallelism.model_dump(mode="json"),
        "cache": str(workflow.cache_folder()),
        "take_over": workflow.take_over,
        "trajectories": workflow.trajectories,
    }
    return Plan(workflow.results, planned, index, execution)


def _study(study: ResolvedStudy, workflow: WorkflowConfig, entries: Entries) -> StudyJobs:
    tiles: dict[str, dict[Block, dict[Tile, Job]]] = {}
    datasets: dict[str, tuple[Job, ...]] = {}
    groups = {
        name: group_jobs(study.name, name, members, entries)
        for name, members in groups_of(study.conditions.values()).items()
    }
    for condition in in_order(study.conditions.values()):
        branch = condition.branch
        if condition.training.together is not None:
            group = groups[condition.training.together]
            datasets[condition.name], tiles[condition.name] = member_jobs(
                study.name, condition, entries, group
            )
            continue
        leaves = None
        if branch is not None:
            left = Planned(study.conditions[branch.of], datasets[branch.of], tiles[branch.of])
            leaves = partial(leave, left, branch.at)
        datasets[condition.name], tiles[condition.name] = trajectory_jobs(
            study.name, condition, entries, leaves
        )
    # In the order of the study again.
    datasets = {name: datasets[name] for name in study.conditions}
    tiles = {name: tiles[name] for name in study.conditions}
    trajectories = {
        name: tuple(job for by_tile in by_block.values() for job in by_tile.values())
        for name, by_block in tiles.items()
    }
    planner = AnalysisPlanner(study, tiles, datasets, entries)
    analyses, comparisons, figures = planner.plan()
    claims = _claims(study, comparisons, entries)
    report = _report(study, claims, figures, trajectories, analyses, entries)
    publish = make(
        entries,
        "publish",
        "publish",
        study=study.name,
        name=study.name,
        settings=_places(study),
        inputs={
            "report": (report,),
            "claims": (claims,),
            "figures": tuple(figures.values()),
            "data": unique(job for jobs in datasets.values() for job in jobs),
            "trajectories": unique(job for jobs in trajectories.values() for job in jobs),
            # What it cost to train them stands with these.
            **(
                {"together": unique(job for jobs in groups.values() for job in jobs.values())}
                if groups
                else {}
            ),
            "analyses": unique(job for one in analyses.values() for jobs in one.values() for job in jobs),
            "comparisons": tuple(comparisons.values()),
        },
        extra=templates("costs.html"),
    )
    return StudyJobs(
        study.name,
        trajectories,
        analyses,
        comparisons,
        figures,
        claims,
        report,
        publish,
    )


def _places(study: ResolvedStudy) -> dict[str, Any]:
    """Which seeds, copies and steps readers see of each condition."""
    return {
        "conditions": {
            name: {
                "seeds": seeds_read(condition),
                "copies": copies_read(condition),
                "steps": condition.training.steps,
            }
            for name, condition in study.conditions.items()
        }
    }


def _claims(study: ResolvedStudy, comparisons: Mapping[str, Job], entries: Entries) -> Job:
    settings = {
        "scale": study.scale,
        "claims": {name: claim.model_dump(mode="json") for name, claim in study.claims.items()},
        "analyses": list(comparisons),
    }
    return make(
        entries,
        "claims",
        "claims",
        study=study.name,
        name=study.name,
        settings=settings,
        inputs={"comparisons": tuple(comparisons.values())},
    )


def _report(
    study: ResolvedStudy,
    claims: Job,
    figures: Mapping[str, Job],
    trajectories: Mapping[str, tuple[Job, ...]],
    analyses: Mapping[str, Mapping[str, tuple[Job, ...]]],
    entries: Entries,
) -> Job:
    settings = {
        "name": study.name,
        "title": study.title,
        "summary": study.summary,
        "paper": study.paper.model_dump(mode="json") if study.paper else None,
        "scale": study.scale,
        "conditions": {name: _described(condition) for name, condition in study.conditions.items()},
        "analyses": {name: entry.model_dump(mode="json") for name, entry in study.analyses.items()},
        "figures": list(figures),
        "provenance": {
            "trajectories": {name: [job.digest for job in jobs] for name, jobs in trajectories.items()},
            "analyses": {
                name: {condition: [job.digest for job in jobs] for condition, jobs in by_condition.items()}
                for name, by_condition in analyses.items()
            },
            "software": {stage: entries.software(stage) for stage in STAGES},
        },
    }
    return make(
        entries,
        "reports",
        "report",
        study=study.name,
        name=study.name,
        settings=settings,
        inputs={"claims": (claims,), "figures": tuple(figures.values())},
        extra=templates("study.html"),
    )


def _described(condition: Condition) -> dict[str, Any]:
    seeds = seeds_read(condition)
    branch = {"branch": condition.branch.model_dump(mode="json")} if condition.branch else {}
    return {
        "axes": dict(condition.axes),
        "dataset": condition.dataset,
        **training_settings(condition),
        **branch,
        "training": {**condition.training.model_dump(mode="json"), "seeds": seeds},
        "copies": condition.copies.model_dump(mode="json"),
        "analyses": {name: entry.model_dump(mode="json") for name, entry in condition.analyses.items()},
    }


def _index(studies: Mapping[str, StudyJobs], entries: Entries) -> Job:
    return make(
        entries,
        "publish",
        "index",
        study="",
        name="report",
        settings={"studies": list(studies)},
        inputs={
            "reports": tuple(jobs.report for jobs in studies.values()),
            "claims": tuple(jobs.claims for jobs in studies.values()),
            "published": tuple(jobs.publish for jobs in studies.values()),
        },
        extra=templates("index.html"),
    )
