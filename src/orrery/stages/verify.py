"""The target ``verify``: are all bytes as they were written?"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Any

from orrery.config.errors import OrreryError
from orrery.plan.entry import load_plan
from orrery.plan.plan import Plan
from orrery.provenance.inventory import find_results
from orrery.provenance.lock import StoreLock
from orrery.provenance.manifest import Damage, store_of
from orrery.provenance.object_store import UnreachableError
from orrery.provenance.published import find_markers, is_as_published
from orrery.provenance.rehash import bytes_described, group_by_store, rehash
from orrery.stages.runner import SHOWN

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_UPDATES = 0.1
MOST_FILES = 5
"""Damaged files that are named of one store."""


def verify(config: Mapping[str, Any], home: Path, workers: int) -> list[str]:
    """Hash every store again and compare it with its manifest, copies for reading with what they are copies of.

    The manifest of a damaged store is removed, since one that stands says that its store is whole. So the next run
    makes the result anew, and takes over nothing of it without reading all its bytes.

    Args:
        config: the config as Snakemake merged it.
        home: folder of the Snakefile.
        workers: hashing threads.

    Raises:
        OrreryError: something differs, or an object store did not answer; its text names each store and file, and
            says what comes of it. Of what could not be read nothing is removed.
    """
    plan = load_plan("config.yaml", config, home)
    results = Path(plan.results)
    groups = group_by_store(_manifests(plan))
    total = sum(bytes_described(group[0]) for group in groups)
    lines: list[str] = []
    damaged = 0
    unread: list[str] = []
    with Bar(total, sys.stderr) as bar:
        for group, found in rehash(groups, workers, bar.advance):
            if isinstance(found, UnreachableError):
                unread.append(f"{group[0]}: {found}")
                continue
            found = found or [damage for manifest in group for damage in _damaged_copies(manifest)]
            if found:
                damaged += 1
                lines += [*_named(found), *(_doubt(manifest, plan) for manifest in group)]
    published = 0
    for marker, said in find_markers(results):
        published += 1
        differing = [
            name for name, written in said.files.items() if not is_as_published(marker.parent, name, written)
        ]
        if differing:
            damaged += 1
            what = [Damage(str(marker.parent), name, "is not as it was published") for name in differing]
            lines += [*_named(what), _remove(marker, f"publish {marker.parent.name}", "marker")]
    checked = f"{len(groups)} results with {total:,} bytes and {published} publications"
    if unread:
        told = [
            f"{len(unread)} results could not be read, and nothing is known of them:",
            *unread[:MOST_FILES],
        ]
        if len(unread) > MOST_FILES:
            told.append(f"and {len(unread) - MOST_FILES} more")
        damages = [f"{damaged} of {checked} are damaged:", *lines] if damaged else []
        raise OrreryError("\n".join([*told, *damages]))
    if damaged:
        raise OrreryError("\n".join([f"{damaged} of {checked} are damaged:", *lines]))
    return [f"verified {checked}: all bytes are as they were written"]


def _manifests(plan: Plan) -> list[Path]:
    """The manifests of the plan, then those of other scales and earlier settings, which a later plan may name."""
    store = Path(plan.results) / "store"
    of_plan = [Path(target) for target, job in plan.jobs.items() if job.stage != "publish"]
    present = sorted(path for result, path in find_results(store) if path.name == f"{result.name}.json")
    return list(dict.fromkeys([*(path for path in of_plan if path.is_file()), *present]))


def _damaged_copies(manifest: Path) -> list[Damage]:
    """What is wrong with the copy beside a manifest that Snakemake's own report shows."""
    copy = next((SHOWN[parent.name] for parent in manifest.parents if parent.name in SHOWN), None)
    if copy is None:
        return []
    ending, inner = copy
    shown = manifest.with_name(manifest.name.removesuffix(".json") + ending)
    try:
        same = shown.read_bytes() == (store_of(manifest) / inner).read_bytes()
    except OSError as error:
        return [Damage(str(shown), "", f"cannot be read ({error.strerror})")]
    return [] if same else [Damage(str(shown), "", f"its bytes differ from those of {inner} in the store")]


def _named(found: list[Damage]) -> list[str]:
    lines = [str(damage) for damage in found[:MOST_FILES]]
    if len(found) > MOST_FILES:
        lines.append(f"{found[0].store}: and {len(found) - MOST_FILES} more files")
    return lines


def _doubt(manifest: Path, plan: Plan) -> str:
    """Remove a manifest whose store is not to be trusted; returns the line that says what comes of it."""
    job = plan.jobs.get(str(manifest))
    if job is None:
        what = f"{manifest}, which no study names at present"
    else:
        what = f"{job.stage} {job.name}"
    try:
        with StoreLock(manifest.with_name(manifest.name.removesuffix(".json"))):
            return _remove(manifest, what, "manifest")
    except OrreryError as error:
        return (
            f"  {what}: its manifest stays, since {error}; remove {manifest} by hand and run snakemake again"
        )


def _remove(path: Path, what: str, kind: str) -> str:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return f"  {what}: remove {path} by hand and run snakemake again; it cannot be removed ({error.strerror})"
    return f"  {what}: its {kind} is removed, so that the next run of snakemake makes it anew"


class Bar:
    """How far hashing is: a bar on a terminal, plain lines elsewhere.

    Args:
        total: bytes to hash.
        stream: where it is told.
    """

    def __init__(self, total: int, stream: IO[str]) -> None:
        self._total = total
        self._stream = stream
        self._lock = Lock()
        self._done = 0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Bar:
        self._began = self._told = time.monotonic()
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
            from rich.progress import Progress as RichBar

            columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self._bar = RichBar("verify", *columns, console=Console(file=self._stream))
            self._bar.start()
            self._task = self._bar.add_task("verify", total=self._total)
        return self

    def advance(self, count: int) -> None:
        """Tell that so many further bytes are hashed; may be called from several threads."""
        with self._lock:
            self._done += count
            now = time.monotonic()
            if now - self._told < (SECONDS_BETWEEN_UPDATES if self._bar else SECONDS_BETWEEN_LINES):
                return
            self._told = now
            done, rate = self._done, self._done / max(now - self._began, 1e-9)
        if self._bar:
            self._bar.update(self._task, completed=done)
        else:
            print(
                f"verify: {done / 1e6:,.0f} of {self._total / 1e6:,.0f} MB, {rate / 1e6:,.0f} MB/s",
                file=self._stream,
                flush=True,
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.update(self._task, completed=self._done)
            self._bar.stop()
