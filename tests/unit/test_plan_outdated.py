"""Which results are there under the right name and must be made again all the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from orrery.plan.job import Job
from orrery.plan.outdated import find_outdated, set_trigger
from orrery.plan.plan import Plan, StudyJobs
from orrery.provenance.job import run_job
from orrery.provenance.published import describe_files
from orrery.provenance.records import Records


def chain(results: Path) -> tuple[Plan, dict[str, Job]]:
    """Two stages and the page of a study."""
    data = Job("data", "", "points", {}, "c", {})
    training = Job("trajectories", "one", "one/a/block=000", {}, "c", {}, {"dataset": (data,)})
    publish = Job("publish", "one", "one", {}, "c", {}, {"report": (training,)})
    index = Job("publish", "", "report", {}, "c", {}, {"one": (publish,)})
    study = StudyJobs("one", {}, {}, {}, {}, training, training, publish)
    jobs = {"data": data, "training": training, "publish": publish, "index": index}
    return Plan(str(results), {"one": study}, index), jobs


def write(text: str) -> Any:
    return lambda folder: (folder / "values.txt").write_text(text)


@pytest.fixture
def built(tmp_path: Path) -> tuple[Plan, dict[str, Job]]:
    plan, jobs = chain(tmp_path)
    for name in ("data", "training"):
        run_job(plan.payload(plan.target(jobs[name])), write(name))
    for name in ("publish", "index"):
        target = Path(plan.target(jobs[name]))
        target.parent.mkdir(parents=True, exist_ok=True)
        inputs = {
            label: [Records(None).read(Path(plan.target(one))).digest for one in read]  # type: ignore[union-attr]
            for label, read in jobs[name].inputs.items()
        }
        page = target.parent / "page.html"
        page.touch()
        target.write_text(json.dumps({"files": describe_files(page.parent, [page]), "inputs": inputs}))
    return plan, jobs


def test_times_prove_nothing(built: tuple[Plan, dict[str, Job]]) -> None:
    plan, jobs = built
    assert find_outdated(plan, Records(None)) == {}
    os.utime(plan.target(jobs["data"]), (2e9, 2e9))
    os.utime(plan.target(jobs["training"]), (1e9, 1e9))
    assert find_outdated(plan, Records(None)) == {}


@pytest.mark.parametrize("clock", [1e9, 2e9])
@pytest.mark.parametrize("kept", [True, False])
def test_what_was_made_of_other_bytes(
    built: tuple[Plan, dict[str, Job]], tmp_path: Path, clock: float, kept: bool
) -> None:
    """Made again with other bytes under the same name, whatever the clock said then."""
    plan, jobs = built
    cache = tmp_path / "cache" / "records.json" if kept else None
    assert find_outdated(plan, Records(cache)) == {}
    target = Path(plan.target(jobs["data"]))
    target.unlink()
    (target.with_suffix("") / "values.txt").unlink()
    run_job(plan.payload(str(target)), write("other"))
    os.utime(target, (clock, clock))
    expected = {plan.target(jobs["training"]): "was made of other bytes of data/points"}
    assert find_outdated(plan, Records(cache)) == expected
    assert find_outdated(plan, Records(cache)) == expected


def test_what_was_edited_or_lost(built: tuple[Plan, dict[str, Job]]) -> None:
    plan, jobs = built
    target = Path(plan.target(jobs["data"]))
    content = target.read_text()
    target.write_text(content.replace('"schema": 1', '"schema": 1,\n"more": 1'))
    assert list(find_outdated(plan, Records(None))) == [str(target)]
    target.write_text(content)
    target.with_suffix("").rename(target.with_suffix(".away"))
    assert list(find_outdated(plan, Records(None))) == [str(target)]


def test_a_publication_stands_as_long_as_all_that_it_names_is_there(
    built: tuple[Plan, dict[str, Job]],
) -> None:
    plan, jobs = built
    marker = Path(plan.target(jobs["publish"]))
    content = marker.read_text()
    for damage in ((marker.parent / "page.html").unlink, lambda: marker.write_text("not JSON")):
        damage()
        assert find_outdated(plan, Records(None)) == {str(marker): "what was published is not whole"}
        (marker.parent / "page.html").touch()
        marker.write_text(content)
        assert find_outdated(plan, Records(None)) == {}


def test_a_lost_input_is_not_the_readers_fault(built: tuple[Plan, dict[str, Job]]) -> None:
    plan, jobs = built
    Path(plan.target(jobs["data"])).unlink()
    assert find_outdated(plan, Records(None)) == {}


def test_a_useless_cache_is_none(built: tuple[Plan, dict[str, Job]], tmp_path: Path) -> None:
    plan, _ = built
    cache = tmp_path / "records.json"
    for content in ("", "[]", '{"version": 1, "records": {"x": 3}}', '{"version": 0}'):
        cache.write_text(content)
        assert find_outdated(plan, Records(cache)) == {}
    stores = {target for target, job in plan.jobs.items() if job.stage != "publish"}
    assert json.loads(cache.read_text())["records"].keys() == stores


def test_the_trigger_is_newer_than_any_result_and_never_the_same(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("")
    os.utime(target, (4e9, 4e9))
    trigger = Path(set_trigger([str(target)], tmp_path / "cache" / "outdated"))
    assert trigger.stat().st_mtime > 4e9
    before = trigger.read_text()
    set_trigger([str(target)], trigger)
    assert trigger.read_text() != before
