"""The jobs of the trajectories: one for each block of seeds and segment of steps of a condition."""

from __future__ import annotations

from typing import Any

from orrery.config import extensions
from orrery.config.study import Condition
from orrery.plan.entries import Entries
from orrery.plan.job import Job
from orrery.plan.make import make
from orrery.plan.tiles import Block, Segment, blocks, segments


def dataset_jobs(condition: Condition, entries: Entries) -> tuple[Job, ...]:
    """Return the job of the dataset of a condition, or nothing for a map."""
    if condition.dataset is None:
        return ()
    name = condition.dataset["name"]
    module = extensions.load("data", name).__name__
    return (
        make(
            entries,
            "data",
            "dataset",
            study="",
            name=name,
            settings=condition.dataset,
            inputs={},
            extra=(f"{module}:Settings", f"{module}:load"),
        ),
    )


def system_entries(condition: Condition) -> tuple[str, ...]:
    """Code entries of the system of a condition, with the modules that its settings name."""
    module = extensions.load("systems", condition.system["kind"])
    name = module.__name__
    return (
        f"{name}:Settings",
        f"{name}:build",
        *(module.entries(condition.system) if hasattr(module, "entries") else ()),
    )


def training_settings(condition: Condition) -> dict[str, Any]:
    """What training a block depends on: not how many seeds or steps the study reads."""
    settings = condition.settings()
    bounds = ("seeds", "steps", "block", "segment")
    settings["training"] = {key: value for key, value in settings["training"].items() if key not in bounds}
    return settings


def trajectory_jobs(
    study: str, condition: Condition, entries: Entries
) -> tuple[tuple[Job, ...], dict[Block, dict[Segment, Job]]]:
    """Return the job of the dataset, and the jobs of a condition by block and segment."""
    training = condition.training
    copies = condition.copies.count
    dataset = dataset_jobs(condition, entries)
    shared = training_settings(condition)
    code = system_entries(condition)
    tiles: dict[Block, dict[Segment, Job]] = {}
    for block in blocks(training.seeds.pool, training.seeds.count, training.block, copies):
        previous: tuple[Job, ...] = ()
        tiles[block] = {}
        for segment in segments(0, training.steps, training.segment):
            settings = {
                **shared,
                "seeds": list(block.seeds),
                "first_run": block.first_run,
                "first": segment.first,
                "last": segment.last,
            }
            job = make(
                entries,
                "trajectories",
                "train",
                study=study,
                name=f"{study}/{condition.name}/block={block.index:03d},steps={segment.first}-{segment.last}",
                settings=settings,
                inputs={"dataset": dataset, "previous": previous},
                extra=code,
            )
            tiles[block][segment] = job
            previous = (job,)
    return dataset, tiles


def seeds_read(condition: Condition) -> list[int]:
    """The seeds that the study reads, in their order."""
    seeds = condition.training.seeds
    return list(seeds.pool[: seeds.count]) if seeds.pool is not None else list(range(seeds.count))
