"""Pruning takes what no plan names, and nothing that a plan names, stands for, or is being written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.plan.job import Job
from orrery.plan.plan import Plan
from orrery.plan.prune import Unnamed, unnamed
from orrery.provenance.job import run_job
from orrery.provenance.lock import StoreLock
from orrery.provenance.published import describe_files
from orrery.stages.prune import _remove

NAME = "s/c/block=000,steps=0-9"


def plan(results: Path, rate: float, upstream: str = "", code: str = "c0de") -> Plan:
    before = Job("data", "", "d", {}, upstream, {}, {}) if upstream else None
    inputs = {"dataset": (before,)} if before else {}
    return Plan(str(results), {}, Job("trajectories", "s", NAME, {"rate": rate}, code, {}, inputs))


def build(one: Plan) -> Path:
    for job in one:
        run_job(job.payload(one.results), lambda out: (out / "data.txt").write_text("same") and None)
    return Path(one.target(one.index))


def store_of(manifest: Path) -> Path:
    return manifest.with_name(manifest.name.removesuffix(".json"))


def names(found: list[Unnamed]) -> list[str]:
    return [thing.name for thing in found]


def paths(found: list[Unnamed]) -> set[Path]:
    return {path for thing in found for path in thing.paths}


def test_only_what_no_plan_names_is_found(tmp_path: Path) -> None:
    old, new = build(plan(tmp_path, 0.1)), build(plan(tmp_path, 0.2))
    besides = []
    for manifest in (old, new):
        for folder, ending in (("logs", "log"), ("benchmarks", "tsv")):
            path = tmp_path / folder / "trajectories" / "s/c" / f"{store_of(manifest).name}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
            besides.append(path)
    (tmp_path / "logs" / "verify.log").touch()
    found = unnamed([plan(tmp_path, 0.2)], tmp_path)
    assert names(found) == [str(store_of(old))]
    assert paths(found) == {old, store_of(old), *besides[:2]}
    assert found[0].paths[0] == old
    files = [path for path in [old, *store_of(old).rglob("*"), *besides[:2]] if path.is_file()]
    assert found[0].size == sum(path.stat().st_size for path in files)
    assert unnamed([plan(tmp_path, 0.1), plan(tmp_path, 0.2)], tmp_path) == []


def test_bytes_that_another_name_stands_for_stay(tmp_path: Path) -> None:
    for upstream in ("a", "b"):
        build(plan(tmp_path, 0.1, upstream))
    old, new = (Path(one.target(one.index)) for one in (plan(tmp_path, 0.1, "a"), plan(tmp_path, 0.1, "b")))
    assert not store_of(new).exists()
    found = unnamed([plan(tmp_path, 0.1, "b")], tmp_path)
    assert not paths(found) & {old, new, store_of(old)}
    assert [Path(name).parent.name for name in names(found)] == ["data"]


def test_what_stands_for_a_result_may_itself_stand_for_another(tmp_path: Path) -> None:
    manifests = [build(plan(tmp_path, 0.1, code=code)) for code in ("a", "b", "c")]
    contents = [manifest.read_bytes() for manifest in manifests]
    manifests[0].write_bytes(contents[1])
    manifests[1].write_bytes(contents[2])
    assert unnamed([plan(tmp_path, 0.1, code="a")], tmp_path) == []


def test_a_result_that_lost_its_manifest_stays(tmp_path: Path) -> None:
    manifest = build(plan(tmp_path, 0.1))
    manifest.unlink()
    assert unnamed([plan(tmp_path, 0.1)], tmp_path) == []


def test_nothing_is_pruned_where_a_manifest_cannot_be_read(tmp_path: Path) -> None:
    build(plan(tmp_path, 0.2))
    build(plan(tmp_path, 0.1)).write_text("{")
    with pytest.raises(OrreryError, match=r"nothing is pruned.*run snakemake verify first"):
        unnamed([plan(tmp_path, 0.1)], tmp_path)


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    """A live process holds the lock on a store, whether or not a plan names it."""
    store = store_of(tmp_path / plan(tmp_path, 0.3).index.target)
    writing = store.with_name(store.name + ".partial")
    writing.mkdir(parents=True)
    (writing / "data").write_text("half")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from orrery.provenance.lock import StoreLock\n"
            "with StoreLock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()",
            str(store),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert unnamed([plan(tmp_path, 0.1)], tmp_path) == []
        thing = Unnamed(str(store), (writing,), 4, store)
        assert "is being written by process" in _remove(thing, tmp_path)
        assert writing.is_dir()
    finally:
        holder.kill()
        holder.communicate()
    found = unnamed([plan(tmp_path, 0.1)], tmp_path)
    assert paths(found) == {writing}
    assert _remove(found[0], tmp_path) == ""
    assert not (tmp_path / "store").exists()


def test_what_a_killed_job_left_goes_once_its_result_is_there(tmp_path: Path) -> None:
    manifest = tmp_path / plan(tmp_path, 0.1).index.target
    left = manifest.with_name(store_of(manifest).name + ".partial")
    left.mkdir(parents=True)
    assert unnamed([plan(tmp_path, 0.1)], tmp_path) == []
    build(plan(tmp_path, 0.1))
    left.mkdir()
    assert paths(unnamed([plan(tmp_path, 0.1)], tmp_path)) == {left}


def test_records_of_code_stay_while_something_made_by_it_does(tmp_path: Path) -> None:
    build(plan(tmp_path, 0.1, code="old"))
    build(plan(tmp_path, 0.1, code="new"))
    records = tmp_path / "store" / "code"
    records.mkdir()
    for code in ("old", "new", "older"):
        (records / f"{code}.json").write_text("{}")
    both = [plan(tmp_path, 0.1, code="old"), plan(tmp_path, 0.1, code="new")]
    assert paths(unnamed(both, tmp_path)) == {records / "older.json"}
    codes = {path.name for path in paths(unnamed(both[1:], tmp_path)) if path.parent == records}
    assert codes == {"older.json", "old.json"}


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    precious = build(plan(elsewhere, 0.1))
    results = tmp_path / "results"
    link = results / "store" / "trajectories" / store_of(precious).name
    link.parent.mkdir(parents=True)
    link.symlink_to(store_of(precious))
    (results / "store" / "analyses").symlink_to(elsewhere / "store" / "trajectories")
    found = unnamed([plan(results, 0.2)], results)
    assert paths(found) == {link}
    assert _remove(found[0], results) == ""
    assert not link.is_symlink()
    assert (store_of(precious) / "data.txt").read_text() == "same"


def test_of_a_publication_go_the_files_that_orrery_wrote(tmp_path: Path) -> None:
    place, outside = tmp_path / "gone", tmp_path / "outside.txt"
    (place / "figures").mkdir(parents=True)
    written = [place / "report.html", place / "figures" / "one.svg", place / "edited.csv"]
    for path in [*written, outside]:
        path.write_text("as written")
    marker = place / "published@0123456789abcdef.json"
    files = {
        **describe_files(place, written),
        "../outside.txt": describe_files(tmp_path, [outside])["outside.txt"],
    }
    marker.write_text(json.dumps({"study": "gone", "digest": "", "files": files}))
    (place / "edited.csv").write_text("by the user")
    (place / "notes.txt").write_text("of the user")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("not of Orrery")
    (found,) = unnamed([plan(tmp_path, 0.1)], tmp_path)
    assert found.name == str(place)
    assert set(found.paths) == {marker, *written[:2]}
    assert found.paths[-1] == marker
    assert _remove(found, tmp_path) == ""
    assert {path.name for path in place.iterdir()} == {"edited.csv", "notes.txt"}
    assert outside.exists()


def test_what_is_locked_cannot_be_removed(tmp_path: Path) -> None:
    old = build(plan(tmp_path, 0.1))
    (thing,) = unnamed([plan(tmp_path, 0.2)], tmp_path)
    with StoreLock(store_of(old)):
        assert unnamed([plan(tmp_path, 0.2)], tmp_path) == []
        assert "is being written" in _remove(thing, tmp_path)
    assert old.is_file()
    assert _remove(thing, tmp_path) == ""
    assert not (tmp_path / "store").exists()
