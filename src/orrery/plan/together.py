"""The jobs of conditions that train together: one that trains them all, and one for each that takes over its part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orrery.config.study import Condition
from orrery.plan.entries import Entries
from orrery.plan.job import Job
from orrery.plan.make import make
from orrery.plan.tiles import Block, Tile
from orrery.plan.trajectories import dataset_jobs, system_entries, tile_settings, tiles_of, training_settings


def groups_of(conditions: Iterable[Condition]) -> dict[str, tuple[Condition, ...]]:
    """The conditions that train together, by the name that they share."""
    found: dict[str, tuple[Condition, ...]] = {}
    for condition in conditions:
        name = condition.training.together
        if name is not None:
            found[name] = (*found.get(name, ()), condition)
    return found


def group_jobs(study: str, name: str, members: Sequence[Condition], entries: Entries) -> dict[Tile, Job]:
    """The jobs that train the members of a group, one for each tile.

    Args:
        study: its name.
        name: that the members share.
        members: conditions of equal tiles.
        entries: digests of code and software.
    """
    first = members[0]
    datasets = {f"dataset of {member.name}": dataset_jobs(member, entries) for member in members}
    settings = {"conditions": {member.name: training_settings(member) for member in members}}
    code = system_entries(first)
    found: dict[Tile, Job] = {}
    previous: tuple[Job, ...] = ()
    for tile in tiles_of(first):
        job = make(
            entries,
            "trajectories",
            "train:produce_together",
            study=study,
            name=f"{study}/together={name}/{tile.name}",
            settings={**settings, **tile_settings(tile)},
            inputs={**datasets, "previous": () if tile.segment.first == first.start else previous},
            extra=code,
        )
        found[tile] = job
        previous = (job,)
    return found


def member_jobs(
    study: str, condition: Condition, entries: Entries, group: Mapping[Tile, Job]
) -> tuple[tuple[Job, ...], dict[Block, dict[Tile, Job]]]:
    """The job of the dataset of a member, and its jobs by block of seeds and tile, as if it was trained alone.

    Args:
        study: its name.
        condition: its settings.
        entries: digests of code and software.
        group: the jobs that train it.
    """
    dataset = dataset_jobs(condition, entries)
    shared = {**training_settings(condition), "member": condition.name}
    tiles: dict[Block, dict[Tile, Job]] = {}
    for tile in tiles_of(condition):
        tiles.setdefault(tile.block, {})[tile] = make(
            entries,
            "trajectories",
            "train:take_over",
            study=study,
            name=f"{study}/{condition.name}/{tile.name}",
            settings={**shared, **tile_settings(tile)},
            inputs={"dataset": dataset, "together": (group[tile],)},
        )
    return dataset, tiles


def trained(job: Job) -> list[tuple[Mapping[str, Any], tuple[Job, ...]]]:
    """Settings and dataset of each condition that a training job trains: none where it takes over what was trained."""
    if "member" in job.settings:
        return []
    if "conditions" not in job.settings:
        return [(job.settings, job.inputs.get("dataset", ()))]
    tile = {key: value for key, value in job.settings.items() if key != "conditions"}
    return [
        ({**settings, **tile}, job.inputs[f"dataset of {name}"])
        for name, settings in job.settings["conditions"].items()
    ]
