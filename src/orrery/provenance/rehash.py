"""Hash many stores again, all their files by one pool of threads, and compare them with their manifests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from orrery.config.errors import OrreryError
from orrery.provenance.manifest import Damage, begin_verify, read_manifest, store_of
from orrery.provenance.object_store import UnreachableError

AHEAD = 32
"""Stores whose files wait for a thread: enough to keep all busy, few enough to hold their names in memory."""


def group_by_store(manifests: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Return the manifests, those together that say the same of the same store, in their first order.

    A job that takes over an earlier result has a manifest of its own for the same bytes. One that cannot be read
    stands alone.
    """
    groups: dict[tuple[str, str], list[Path]] = {}
    for path in manifests:
        try:
            content = read_manifest(path)
            key = (str(store_of(path, content)), str(content["seal"]))
        except OrreryError:
            key = (str(path), "")
        groups.setdefault(key, []).append(path)
    return [tuple(paths) for paths in groups.values()]


def bytes_described(manifest: Path) -> int:
    """Bytes of the files that a manifest lists; 0 where it cannot be read."""
    try:
        return sum(int(size) for size, _ in read_manifest(manifest)["files"].values())
    except OrreryError:
        return 0


def rehash(
    groups: Iterable[tuple[Path, ...]], workers: int, progress: Callable[[int], None] | None = None
) -> Iterator[tuple[tuple[Path, ...], list[Damage] | UnreachableError]]:
    """Yield each group of manifests, in the order given, with what is wrong with the store behind it.

    Of a store whose bytes lie in an object store that does not answer nothing is known; that is told instead.

    Args:
        groups: manifests of one store each, as ``group_by_store`` returns them.
        workers: hashing threads.
        progress: called with the number of bytes of each block hashed, from several threads.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[tuple[Path, ...], Callable[[], list[Damage] | UnreachableError]]] = deque()
        for group in groups:
            waiting.append((group, _begin(group[0], pool, progress)))
            if len(waiting) > AHEAD:
                done, finish = waiting.popleft()
                yield done, finish()
        while waiting:
            done, finish = waiting.popleft()
            yield done, finish()


def _begin(
    path: Path, pool: Executor, progress: Callable[[int], None] | None
) -> Callable[[], list[Damage] | UnreachableError]:
    try:
        wait = begin_verify(path, pool, progress)
    except UnreachableError as error:
        unreachable = error
        return lambda: unreachable

    def finish() -> list[Damage] | UnreachableError:
        try:
            return wait()
        except UnreachableError as error:
            return error

    return finish
