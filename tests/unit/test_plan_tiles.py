"""Tiles: later seeds, copies and steps never move earlier ones."""

from __future__ import annotations

import pytest

from orrery.plan.tiles import Block, CopyBlock, Segment, Tile, blocks, copy_blocks, segments


def test_blocks_of_counted_seeds_are_whole() -> None:
    assert blocks(None, 5, 3) == (Block(0, (0, 1, 2), 0), Block(1, (3, 4, 5), 3))


def test_blocks_of_a_pool_keep_its_order_and_end_with_it() -> None:
    assert blocks((7, 3, 9, 1), 3, 2) == (Block(0, (7, 3), 0), Block(1, (9, 1), 2))
    assert blocks((7, 3, 9), 3, 2)[1].seeds == (9,)
    read = blocks((3, 5, 7, 11, 13, 17, 19), 4, 3)
    assert [block.seeds for block in read] == [(3, 5, 7), (11, 13, 17)]
    assert [block.seeds for block in blocks(None, 3, 2)] == [(0, 1), (2, 3)]


@pytest.mark.parametrize("count", range(1, 9))
def test_more_seeds_keep_the_blocks_before(count: int) -> None:
    fewer, more = blocks(None, count, 3), blocks(None, count + 4, 3)
    assert more[: len(fewer)] == fewer


def test_blocks_of_copies_are_whole() -> None:
    assert copy_blocks(3, 3) == (CopyBlock(0, (0, 1, 2)),)
    assert copy_blocks(3, 2) == (CopyBlock(0, (0, 1)), CopyBlock(1, (2, 3)))
    for count in range(1, 9):
        fewer, more = copy_blocks(count, 3), copy_blocks(count + 4, 3)
        assert more[: len(fewer)] == fewer


def tiles(count: int, copies: int, pool: tuple[int, ...] | None = None) -> dict[str, Tile]:
    found = [
        Tile(block, own, Segment(0, 10)) for block in blocks(pool, count, 2) for own in copy_blocks(copies, 3)
    ]
    return {tile.name: tile for tile in found}


def runs(tile: Tile) -> list[int]:
    count = len(tile.block.seeds) * len(tile.copies.copies)
    return list(range(tile.first_run, tile.first_run + count))


def test_a_tile_is_named_by_its_seeds_and_by_its_copies_beyond_the_first_ones() -> None:
    assert list(tiles(3, 5)) == [
        "block=000,steps=0-10",
        "block=000,copies=3-5,steps=0-10",
        "block=001,steps=0-10",
        "block=001,copies=3-5,steps=0-10",
    ]
    assert (
        Tile(blocks(None, 1, 1)[0], copy_blocks(2, 1)[1], Segment(5, 9)).name
        == "block=000,copies=1,steps=5-9"
    )


@pytest.mark.parametrize("copies", range(1, 9))
@pytest.mark.parametrize("count", range(1, 6))
def test_more_seeds_and_copies_keep_the_tiles_before(count: int, copies: int) -> None:
    fewer, more = tiles(count, copies), tiles(count + 3, copies + 4)
    assert fewer.items() <= more.items()
    assert all(fewer[name].first_run == more[name].first_run for name in fewer)


def test_run_numbers_never_meet_and_follow_one_another_without_blocks_of_copies() -> None:
    one_block = [number for tile in tiles(5, 3).values() for number in runs(tile)]
    assert one_block == list(range(3 * 3 * 2))
    # The last block of a pool is shorter; it still has numbers of its own.
    several = [number for tile in tiles(5, 8, (9, 4, 6, 2, 0)).values() for number in runs(tile)]
    assert len(set(several)) == len(several) == 5 * 9


def test_segments_hold_exactly_the_steps_asked_for() -> None:
    assert segments(0, 10, 10) == (Segment(0, 10),)
    assert segments(0, 11, 10) == (Segment(0, 10), Segment(10, 20))
    # The state after step 10 is the last of the first segment; the next one starts with the state after step 11.
    assert segments(10, 20, 10) == (Segment(0, 10), Segment(10, 20))
    assert segments(11, 20, 10) == (Segment(10, 20),)
    assert segments(0, 0, 10) == (Segment(0, 10),)
    assert segments(0, 250, 100) == (Segment(0, 100), Segment(100, 200), Segment(200, 300))


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
