"""Blocks and segments: later seeds and steps never move earlier ones."""

from __future__ import annotations

import pytest

from orrery.plan.tiles import Block, Segment, blocks, segments


def test_blocks_of_counted_seeds_are_whole() -> None:
    assert blocks(None, 5, 3, 2) == (Block(0, (0, 1, 2), 0), Block(1, (3, 4, 5), 6))


def test_blocks_of_a_pool_keep_its_order_and_end_with_it() -> None:
    assert blocks((7, 3, 9, 1), 3, 2, 10) == (Block(0, (7, 3), 0), Block(1, (9, 1), 20))
    assert blocks((7, 3, 9), 3, 2, 10)[1].seeds == (9,)


@pytest.mark.parametrize("count", range(1, 9))
def test_more_seeds_keep_the_blocks_before(count: int) -> None:
    fewer, more = blocks(None, count, 3, 4), blocks(None, count + 4, 3, 4)
    assert more[: len(fewer)] == fewer


def test_segments_hold_exactly_the_steps_asked_for() -> None:
    assert segments(0, 10, 10) == (Segment(0, 10),)
    assert segments(0, 11, 10) == (Segment(0, 10), Segment(10, 20))
    # The state after step 10 is the last of the first segment; the next one starts with the state after step 11.
    assert segments(10, 20, 10) == (Segment(0, 10), Segment(10, 20))
    assert segments(11, 20, 10) == (Segment(10, 20),)
    assert segments(0, 0, 10) == (Segment(0, 10),)


@pytest.mark.parametrize("first", range(0, 12))
@pytest.mark.parametrize("last", range(0, 12))
def test_every_step_of_a_window_lies_in_a_segment(first: int, last: int) -> None:
    if first > last:
        return
    held = {
        step
        for segment in segments(first, last, 4)
        for step in range(segment.first + (segment.first > 0), segment.last + 1)
    }
    assert set(range(first, last + 1)) <= held
