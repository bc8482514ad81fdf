"""What no study names any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orrery.config.errors import OrreryError
from orrery.plan.plan import Plan
from orrery.provenance.inventory import find_results, size_of
from orrery.provenance.location import PARTIAL, size_away
from orrery.provenance.lock import is_locked
from orrery.provenance.manifest import read_manifest
from orrery.provenance.published import find_markers, is_as_published

ROOTS = ("store", "logs", "benchmarks")
"""Folders of the results in which files are named after results."""


@dataclass(frozen=True)
class Unnamed:
    """One thing that no study names.

    Attributes:
        name: what it is, as the user finds it.
        paths: its files and folders, in the order in which they can be removed without one that looks whole at any
            time: what vouches for others comes first.
        size: their bytes, with those that folders among them name in an object store.
        store: the store whose lock a writer of it would hold, if it is a result.
    """

    name: str
    paths: tuple[Path, ...]
    size: int
    store: Path | None = None


def unnamed(plans: Iterable[Plan], results: Path) -> list[Unnamed]:
    """Return all below the results folder that none of the plans names: results, publications, records of code.

    Named is what a plan names and what its manifests stand for, which may be the bytes of an earlier result. What is
    being written is left out, and so is what Orrery has not made.

    Args:
        plans: usually one for each scale, so that going back to the other scale finds its results.
        results: the results folder; links in it are never followed.

    Raises:
        OrreryError: a manifest that a plan names cannot be read, so that nobody knows what it stands for.
    """
    plans = list(plans)
    jobs = [job for plan in plans for job in plan.jobs.values()]
    studies = {study for plan in plans for study in plan.studies}
    # The page over all studies has as many names as there are choices of studies, so what is published counts too.
    markers = [(path.parent.name, path.stem.rpartition("@")[2]) for path, _ in find_markers(results)]
    published = {(job.name, job.digest) for job in jobs if job.stage == "publish"}
    published |= {(name, digest) for name, digest in markers if name in {*studies, "report"}}
    of_store = {job.target.relative_to("store").with_suffix("") for job in jobs if job.stage != "publish"}
    named = _with_what_they_stand_for({Path(path) for path in of_store}, results / "store")
    named |= {Path("publish", f"{name}@{digest}") for name, digest in published}
    belongings: dict[Path, list[Path]] = {}
    for root in ROOTS:
        for result, path in find_results(results / root):
            belongings.setdefault(result, []).append(path)
    found = []
    for result, paths in sorted(belongings.items()):
        store = results / "store" / result
        if is_locked(store):
            continue
        if result not in named:
            # A manifest goes before what it vouches for.
            ordered = sorted(paths, key=lambda path: path.suffix != ".json")
            # Of some only logs are left.
            name = store if any(path.parent == store.parent for path in paths) else ordered[0]
            found.append(_thing(name, ordered, store))
        elif store.with_name(f"{store.name}.json").is_file():
            # A job of this name is done, so what it was writing once is what a killed one has left.
            left = [path for path in paths if path.name == store.name + PARTIAL]
            found += [_thing(path, [path], store) for path in left]
    used = {job.code for job in jobs}
    records = results / "store" / "code"
    for path in sorted(records.glob("*.json")) if not records.is_symlink() else ():
        if path.stem not in used:
            found.append(_thing(path, [path], None))
    return found + _publications(results, studies)


def _with_what_they_stand_for(named: set[Path], store: Path) -> set[Path]:
    """The results, and those that their manifests stand for."""
    found = set(named)
    waiting = list(named)
    while waiting:
        result = waiting.pop()
        manifest = store / result.with_name(f"{result.name}.json")
        if not manifest.is_file():
            continue
        try:
            behind = result.with_name(str(read_manifest(manifest)["store"]))
        except OrreryError as error:
            raise OrreryError(
                f"{error}; nothing is pruned, since what it stands for is not known: run snakemake verify first"
            ) from None
        if behind not in found:
            found.add(behind)
            waiting.append(behind)
    return found


def _thing(name: Path, paths: Iterable[Path], store: Path | None) -> Unnamed:
    # The lock is taken for the removal and goes with it.
    kept = tuple(path for path in paths if path.suffix != ".lock")
    return Unnamed(str(name), kept, sum(size_of(path) + size_away(path) for path in kept), store)


def _publications(results: Path, studies: set[str]) -> list[Unnamed]:
    """Published files of studies that are gone, as far as they are as Orrery wrote them."""
    found = []
    for marker, said in find_markers(results):
        place = marker.parent
        if place.name in {*studies, "report"} or not said.files:
            continue
        ours = [place / name for name, sized in said.files.items() if is_as_published(place, name, sized)]
        # The marker goes last: until then the rest can still be told from files of the user.
        found.append(_thing(place, [*ours, marker], None))
    return found
