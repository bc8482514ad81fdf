"""How the trajectories of a condition are split into jobs: tiles of seeds, copies and steps.

A tile is what it is whatever lies beside it: with more seeds, copies or steps there are more tiles, and none of
those before changes its name, its runs or its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

COPIES_STRIDE = 10**9
"""Between the run numbers of one block of copies and the next; no condition has as many runs."""


@dataclass(frozen=True)
class Block:
    """A fixed number of seeds, trained whole.

    Attributes:
        index: position among the blocks of the condition.
        seeds: the seeds of the block.
        first: position of its first seed among the seeds of the condition.
    """

    index: int
    seeds: tuple[int, ...]
    first: int


@dataclass(frozen=True)
class CopyBlock:
    """A fixed number of copies, trained whole.

    Attributes:
        index: position among the blocks of copies.
        copies: numbers of the copies; 0 is the original.
    """

    index: int
    copies: tuple[int, ...]


@dataclass(frozen=True)
class Segment:
    """A stretch of steps, trained whole: it leads from the state at ``first`` to the state at ``last``."""

    first: int
    last: int


@dataclass(frozen=True)
class Tile:
    """What one job trains: some copies of some seeds through a stretch of steps."""

    block: Block
    copies: CopyBlock
    segment: Segment

    @property
    def name(self) -> str:
        """Readable, unique in the condition: ``block=000,copies=10-19,steps=0-500``.

        The first copies go unnamed: so a study that had but one block of copies, and then says how large it is in
        order to add others, finds it under its name.
        """
        named = f",copies={span(self.copies.copies)}" if self.copies.index else ""
        return f"block={self.block.index:03d}{named},steps={self.segment.first}-{self.segment.last}"

    @property
    def first_run(self) -> int:
        """The number of its first run; those of its other runs follow, seed by seed.

        The runs of one block of copies are numbered through all seeds, those of the next from a large number on:
        so numbers never meet, and along them the stores of a condition stand one after the other.
        """
        return self.copies.index * COPIES_STRIDE + self.block.first * len(self.copies.copies)


def blocks(pool: Sequence[int] | None, count: int, size: int) -> tuple[Block, ...]:
    """Return the blocks that hold the first ``count`` seeds.

    Args:
        pool: the seeds in their order, or ``None`` for 0, 1, 2, …; without a pool the last block is filled
            up, so that a later seed finds it trained.
        count: number of seeds that the study reads.
        size: seeds in a block.
    """
    needed = -(-count // size)
    seeds = tuple(pool) if pool is not None else tuple(range(needed * size))
    return tuple(
        Block(index, seeds[index * size : (index + 1) * size], index * size) for index in range(needed)
    )


def copy_blocks(count: int, size: int) -> tuple[CopyBlock, ...]:
    """Return the blocks of ``size`` copies that hold the copies 0 to ``count - 1``; all are whole."""
    return tuple(
        CopyBlock(index, tuple(range(index * size, (index + 1) * size))) for index in range(-(-count // size))
    )


def span(numbers: Sequence[int]) -> str:
    """Return the first and the last of some numbers, ``4-7``, or the one there is."""
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"


def segments(first: int, last: int, length: int, start: int = 0) -> tuple[Segment, ...]:
    """Return the segments of ``length`` steps that hold the states after steps ``first`` to ``last``.

    Segments are counted from ``start``: 0, or the step at which a branch begins. The state after that step belongs to
    the segment that starts there; the state after step ``start + n * length`` to the segment that ends there.
    """
    begin = 0 if first <= start else (first - start - 1) // length
    end = max(-(-(last - start) // length), begin + 1)
    return tuple(Segment(start + index * length, start + (index + 1) * length) for index in range(begin, end))


def segment_before(first: int, length: int, start: int = 0) -> Segment | None:
    """Return the segment whose end is the last one before the state after ``first``; ``None`` in the first segment."""
    (holding,) = segments(first, first, length, start)
    return Segment(holding.first - length, holding.first) if holding.first > start else None
