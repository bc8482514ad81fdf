"""How a trajectory lies on disk: chunk shapes, codecs, names of groups and dimensions.

A store is one Zarr version 3 group::

    zarr.json          attributes: schema, component table, seeds, copies, settings
    state              (run, step, component)
    <observable>       (run, step, <observable>_component)
    run step seed copy coordinates
    metrics/           (run, training_step): recorded at every step
    evaluations/       (run, evaluation_step): measured now and then
    runs/              status(run), last_step(run)
    tensors/           offset(tensor), size(tensor): the component table as integers

Each step coordinate has a group of its own because ``xarray.open_mfdataset(..., combine="by_coords")`` joins
a grid of files along one coordinate per dimension: two step coordinates that advance together in one group
make it fill a three-dimensional array with NaN, without an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

SCHEMA = "orrery-trajectory"
SCHEMA_VERSION = 1

METRICS = "metrics"
EVALUATIONS = "evaluations"
RUNS = "runs"
TENSORS = "tensors"
STEP_OF_GROUP = {METRICS: "training_step", EVALUATIONS: "evaluation_step"}
RESERVED = frozenset(
    {
        "state",
        "run",
        "step",
        "seed",
        "copy",
        "component",
        "c",
        METRICS,
        EVALUATIONS,
        RUNS,
        TENSORS,
    }
    | set(STEP_OF_GROUP.values())
)

PARTIAL = ".partial"
BLOSC: dict[str, Any] = {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"}

MEBIBYTE = 2**20
BUFFER_BYTES = 512 * MEBIBYTE
LONGEST_CHUNK = 256
LONGEST_TINY_CHUNK = 2**15
MOST_FILES = 1000
UNKNOWN_STEPS = 10_000


@dataclass(frozen=True)
class Layout:
    """Chunk and shard of an array ``(run, step, component)``.

    Attributes:
        chunk: what is compressed and checked at once.
        shard: what is one file, or ``None`` where every chunk is a file.
    """

    chunk: tuple[int, int, int]
    shard: tuple[int, int, int] | None = None

    @property
    def file(self) -> tuple[int, int, int]:
        """The part of the array that one file holds."""
        return self.shard or self.chunk

    def files(self, shape: tuple[int, int, int]) -> int:
        """Number of files of an array of ``shape``."""
        return math.prod(math.ceil(size / part) for size, part in zip(shape, self.file, strict=True))


def choose_layout(
    runs: int,
    steps: int | None,
    components: int,
    itemsize: int,
    buffer_bytes: int = BUFFER_BYTES,
) -> Layout:
    """Choose chunks of 1 to 8 MB and at most about a thousand files.

    The steps of a chunk are what a buffer of ``buffer_bytes`` can hold of all runs, at most 256 (more where
    networks are tiny). Long stretches of steps serve the readers, which want few components at all steps.
    The number of components in a chunk follows from ``runs``, ``components`` and ``itemsize`` alone, so that
    all blocks and segments of a condition cut the component axis at the same places and join without
    re-chunking.

    Args:
        runs: number of runs in the store.
        steps: number of recorded steps, or ``None`` where it is not known yet.
        components: length of the last axis.
        itemsize: bytes per value.
        buffer_bytes: bound on the memory that holds one stretch of steps of all runs.

    Returns:
        The layout. Where chunks alone would make more than a thousand files, shards hold several chunks.
    """
    row = max(1, components) * itemsize
    length = LONGEST_CHUNK
    while length > 1 and runs * row * length > buffer_bytes:
        length //= 2
    target = (4 if length >= 64 else 2 if length >= 8 else 1) * MEBIBYTE

    if row * length <= target:
        width = max(1, components)
        together = min(runs, target // (row * length))
        if together == runs:
            while 2 * length * runs * row <= min(target, buffer_bytes) and length < LONGEST_TINY_CHUNK:
                length *= 2
    else:
        width = min(components, _power_of_two_below(target // (length * itemsize)))
        together = 1

    if steps is not None:
        length = _balanced(steps, length)
    shape = (runs, UNKNOWN_STEPS if steps is None else steps, max(1, components))
    plain = Layout((together, length, width))
    return plain if plain.files(shape) <= MOST_FILES else _sharded(plain, shape, itemsize, buffer_bytes)


def _sharded(plain: Layout, shape: tuple[int, int, int], itemsize: int, buffer_bytes: int) -> Layout:
    """Put all components of a stretch of steps into one file, and several runs where that is not enough."""
    together, length, width = plain.chunk
    large = together * length * width * itemsize >= 4 * MEBIBYTE
    inner = length // 4 if large and length % 4 == 0 else length
    across = width * math.ceil(shape[2] / width)
    groups = math.ceil(shape[0] / together)
    wanted = math.ceil(groups / max(1, MOST_FILES // math.ceil(shape[1] / length)))
    fitting = max(1, buffer_bytes // (together * length * across * itemsize))
    return Layout((together, inner, width), (together * min(wanted, fitting, groups), length, across))


def _balanced(steps: int, longest: int) -> int:
    """Cut ``steps`` into equal stretches no longer than ``longest``, a multiple of four where that fits."""
    length = math.ceil(steps / math.ceil(max(1, steps) / longest)) if steps else 1
    rounded = 4 * math.ceil(length / 4)
    return rounded if length > 4 and rounded <= longest and rounded <= steps else max(1, length)


def _power_of_two_below(number: int) -> int:
    return 1 << max(0, number.bit_length() - 1)


def codecs() -> dict[str, Any]:
    """Compression and checksum of every chunk, as keywords of ``zarr.create_array``.

    crc32c comes last: without it a flipped bit reads as a wrong number and no error.
    """
    from zarr.codecs import BloscCodec, Crc32cCodec

    return {"compressors": [BloscCodec(**BLOSC), Crc32cCodec()]}
