"""The plan lists every job once, after those that it reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.plan.entries import Entries
from orrery.plan.job import Job
from orrery.plan.lost import withdraw_markers
from orrery.plan.make import make
from orrery.plan.plan import Plan


class NoCode(Entries):
    """Entries that read no files."""

    def __init__(self) -> None:
        pass

    def code(self, script: str, extra: object = ()) -> tuple[str, dict[str, str]]:
        return "code", {}

    def software(self, stage: str) -> dict[str, str]:
        return {"python": "3.11"}


def chain(length: int) -> Job:
    job: tuple[Job, ...] = ()
    for index in range(length):
        job = (
            make(
                NoCode(),
                "trajectories",
                "train",
                study="s",
                name=f"s/c/{index}",
                settings={"index": index},
                inputs={"previous": job},
            ),
        )
    return job[0]


def test_a_chain_longer_than_the_stack_is_listed_in_order() -> None:
    plan = Plan("results", {}, chain(3000))
    assert [job.name for job in plan] == [f"s/c/{index}" for index in range(3000)]


def test_equal_jobs_under_two_names_are_both_read() -> None:
    settings = {"rate": 0.1}
    one, two = (
        make(NoCode(), "trajectories", "train", study="s", name=name, settings=settings, inputs={})
        for name in ("s/a", "s/b")
    )
    reader = make(
        NoCode(), "publish", "publish", study="s", name="s", settings={}, inputs={"a": (one,), "b": (two,)}
    )
    plan = Plan("results", {}, reader)
    assert one.digest == two.digest
    assert plan.inputs(plan.target(reader)) == [plan.target(one), plan.target(two)]


def test_upstream_digests_enter_the_digest() -> None:
    def reader(rate: float) -> Job:
        source = make(NoCode(), "data", "dataset", study="", name="d", settings={"rate": rate}, inputs={})
        return make(
            NoCode(), "analyses", "analyse", study="s", name="a", settings={}, inputs={"d": (source,)}
        )

    assert reader(0.1).digest == reader(0.1).digest != reader(0.2).digest


def test_an_unknown_target_is_told_in_a_sentence() -> None:
    with pytest.raises(OrreryError, match="make no such result"):
        Plan("results", {}, chain(1)).at("results/other.json")


def test_a_marker_stands_as_long_as_all_that_it_names_is_there(tmp_path: Path) -> None:
    index = make(NoCode(), "publish", "index", study="", name="report", settings={}, inputs={})
    plan = Plan(str(tmp_path), {}, index)
    marker = Path(plan.target(index))
    assert withdraw_markers(plan) == []
    (marker.parent / "figures").mkdir(parents=True)
    files = ["index.html", "figures/a.svg"]
    for text in (json.dumps({"files": files}), json.dumps({}), "not JSON"):
        for name in files:
            (marker.parent / name).touch()
        marker.write_text(text)
        assert withdraw_markers(plan) == []
        (marker.parent / files[1]).unlink()
        named = "files" in text
        assert withdraw_markers(plan) == ([str(marker)] if named else [])
        assert marker.exists() is not named
