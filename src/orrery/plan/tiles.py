"""How the trajectories of a condition are split into jobs: blocks of seeds and segments of steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """A fixed number of seeds, trained whole with all their copies.

    Attributes:
        index: position among the blocks of the condition.
        seeds: the seeds of the block.
        first_run: the run number of its first run; runs are numbered through all blocks.
    """

    index: int
    seeds: tuple[int, ...]
    first_run: int


@dataclass(frozen=True)
class Segment:
    """A stretch of steps, trained whole: it leads from the state at ``first`` to the state at ``last``."""

    first: int
    last: int


def blocks(pool: Sequence[int] | None, count: int, size: int, copies: int) -> tuple[Block, ...]:
    """Return the blocks that hold the first ``count`` seeds.

    Args:
        pool: the seeds in their order, or ``None`` for 0, 1, 2, …; without a pool the last block is filled
            up, so that a later seed finds it trained.
        count: number of seeds that the study reads.
        size: seeds in a block.
        copies: runs per seed.
    """
    needed = -(-count // size)
    seeds = tuple(pool) if pool is not None else tuple(range(needed * size))
    return tuple(
        Block(index, seeds[index * size : (index + 1) * size], index * size * copies)
        for index in range(needed)
    )


def segments(first: int, last: int, length: int) -> tuple[Segment, ...]:
    """Return the segments of ``length`` steps that hold the states after steps ``first`` to ``last``.

    The state after step 0 belongs to the segment that starts there; the state after step ``n * length`` to
    the segment that ends there.
    """
    start = 0 if first <= 0 else (first - 1) // length
    end = max(-(-last // length), start + 1)
    return tuple(Segment(index * length, (index + 1) * length) for index in range(start, end))
