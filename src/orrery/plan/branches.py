"""What the first segment of a branch reads of the condition that it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orrery.config.study import Condition
from orrery.plan.job import Job
from orrery.plan.tiles import Block, Segment, Tile, segments
from orrery.plan.trajectories import system_entries, training_settings


@dataclass(frozen=True)
class Planned:
    """A condition with its jobs.

    Attributes:
        condition: its settings.
        dataset: the job of its dataset, or nothing.
        tiles: its training jobs.
    """

    condition: Condition
    dataset: tuple[Job, ...]
    tiles: Mapping[Block, Mapping[Tile, Job]]


@dataclass(frozen=True)
class Leaving:
    """What a training job depends on beside its own settings, where it begins a branch.

    Attributes:
        settings: which runs are left, and where it reads or begins to iterate them.
        inputs: the jobs that it reads.
        code: of the system that is left, where that is iterated.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, tuple[Job, ...]] = field(default_factory=dict)
    code: tuple[str, ...] = ()


def in_order(conditions: Iterable[Condition]) -> list[Condition]:
    """The conditions, each after the one that it leaves."""
    named = {condition.name: condition for condition in conditions}
    ordered: dict[str, Condition] = {}
    for condition in named.values():
        chain = [condition]
        while (branch := chain[-1].branch) is not None and branch.of not in ordered:
            chain.append(named[branch.of])
        ordered.update((one.name, one) for one in reversed(chain))
    return list(ordered.values())


def leave(planned: Planned, at: int, block: Block) -> Leaving:
    """What a block of a branch reads of the condition that it leaves.

    At the end of a segment that is its checkpoint, and nothing of the condition's settings. Elsewhere the runs are
    iterated again from the checkpoint before, or from their start; so the settings that training depends on count.
    Original runs (copy 0) are left, so the further copies do not count.

    Args:
        planned: the condition that is left.
        at: the step after which it is left.
        block: seeds of the branch; those of the condition may lie in several blocks.
    """
    condition = planned.condition
    begin, reads = _where_to_begin(condition, at)
    tiles = [
        tile
        for owned, by_tile in planned.tiles.items()
        if set(owned.seeds) & set(block.seeds)
        for tile in by_tile
        if tile.copies.index == 0
        and tile.segment == segments(at, at, condition.training.segment, condition.start)[0]
    ]
    left: dict[str, Any] = {
        "from": begin,
        "runs": [{"seeds": list(tile.block.seeds), "copies": list(tile.copies.copies)} for tile in tiles],
    }
    jobs = [
        job
        for tile in tiles
        for other, job in planned.tiles[tile.block].items()
        if other.copies == tile.copies and other.segment == reads
    ]
    inputs = {"leaves": tuple(jobs)} if jobs else {}
    if begin == at and jobs:
        return Leaving({"leaves": left}, inputs)
    settings = training_settings(condition)
    del settings["record"]
    return Leaving(
        {"leaves": {**left, "condition": settings}},
        {**inputs, "dataset of what it leaves": planned.dataset},
        system_entries(condition),
    )


def _where_to_begin(condition: Condition, at: int) -> tuple[int, Segment | None]:
    """The last step up to ``at`` whose whole state is known, and the segment that keeps it.

    That is the end of a segment, or the start of a branch; the start of other conditions is kept by none.
    """
    (holding,) = segments(at, at, condition.training.segment, condition.start)
    if at == holding.last:
        return at, holding
    if holding.first > condition.start:
        length = holding.last - holding.first
        return holding.first, Segment(holding.first - length, holding.first)
    return condition.start, holding if condition.branch else None
