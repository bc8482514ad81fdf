"""The jobs of the trajectories: one for each tile of seeds, copies and steps of a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orrery.config import extensions
from orrery.config.study import Condition
from orrery.plan.entries import Entries
from orrery.plan.job import Job
from orrery.plan.make import make
from orrery.plan.tiles import Block, Tile, blocks, copy_blocks, segments

if TYPE_CHECKING:
    from orrery.plan.branches import Leaving


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


BOUNDS = {"training": ("seeds", "steps", "block", "segment"), "copies": ("count", "block")}
"""Settings that say how much of what is trained is read, and in which portions it is trained."""


def training_settings(condition: Condition) -> dict[str, Any]:
    """What training depends on in every tile: not how many seeds, copies or steps the study reads."""
    settings = condition.settings()
    for section, bounds in BOUNDS.items():
        settings[section] = {key: value for key, value in settings[section].items() if key not in bounds}
    return settings


def trajectory_jobs(
    study: str, condition: Condition, entries: Entries, leave: Callable[[Block], Leaving] | None = None
) -> tuple[tuple[Job, ...], dict[Block, dict[Tile, Job]]]:
    """Return the job of the dataset, and the jobs of a condition by block of seeds and tile.

    Args:
        study: its name.
        condition: its settings.
        entries: digests of code and software.
        leave: of a branch: what the first segment of a block reads of the condition that it leaves.
    """
    dataset = dataset_jobs(condition, entries)
    shared = training_settings(condition)
    code = system_entries(condition)
    tiles: dict[Block, dict[Tile, Job]] = {}
    previous: tuple[Job, ...] = ()
    leaving: Leaving | None = None
    for tile in tiles_of(condition):
        if tile.block not in tiles:
            tiles[tile.block] = {}
            leaving = leave(tile.block) if leave else None
        first = tile.segment.first == condition.start
        begins = leaving if first else None
        job = make(
            entries,
            "trajectories",
            "train",
            study=study,
            name=f"{study}/{condition.name}/{tile.name}",
            settings={**shared, **tile_settings(tile), **(begins.settings if begins else {})},
            inputs={
                "dataset": dataset,
                "previous": () if first else previous,
                **(begins.inputs if begins else {}),
            },
            extra=(*code, *(entry for entry in (begins.code if begins else ()) if entry not in code)),
        )
        tiles[tile.block][tile] = job
        previous = (job,)
    return dataset, tiles


def tiles_of(condition: Condition) -> list[Tile]:
    """All tiles of a condition, the segments of the same runs one after the other."""
    training, copies = condition.training, condition.copies
    return [
        Tile(block, some, segment)
        for block in blocks(training.seeds.pool, training.seeds.count, training.block)
        for some in copy_blocks(copies.count, copies.block)
        for segment in segments(condition.start, training.steps, training.segment, condition.start)
    ]


def tile_settings(tile: Tile) -> dict[str, Any]:
    """What training depends on in this tile."""
    return {
        "seeds": list(tile.block.seeds),
        "copy_numbers": list(tile.copies.copies),
        "first_run": tile.first_run,
        "first": tile.segment.first,
        "last": tile.segment.last,
    }


def seeds_read(condition: Condition) -> list[int]:
    """The seeds that the study reads, in their order."""
    seeds = condition.training.seeds
    return list(seeds.pool[: seeds.count]) if seeds.pool is not None else list(range(seeds.count))


def copies_read(condition: Condition) -> list[int]:
    """The copies that the study reads, the original (0) among them."""
    return list(range(condition.copies.count))
