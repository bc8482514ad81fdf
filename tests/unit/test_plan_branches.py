"""The training jobs of branches: which of the condition that is left they read, and what leaves them current."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.one_study import by_name, enter, planned, reads

from orrery.plan.plan import Plan
from orrery.plan.tiles import Segment, segment_before, segments

STUDY = """title: A study
system: {kind: mirror-descent, objective: tangent, rate: 0.01, start: {from: [0.1, 0.1], to: [0.9, 0.9], points: 3}}
training: {steps: 40, segment: 10, seeds: 4, block: 2}
conditions:
  plain: {}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)


def plan(*conditions: str, text: str = STUDY) -> Plan:
    return planned(text, *conditions)


def late(at: int, more: str = "") -> str:
    return f"late: {{branch: {{of: plain, at: {at}}}, system: {{rate: 0.02}}{more}}}"


@pytest.mark.parametrize(
    ("at", "read", "begin"),
    [
        (0, [], 0),
        (3, [], 0),
        (10, ["0-10"], 10),
        (17, ["0-10"], 10),
        (20, ["10-20"], 20),
        (39, ["20-30"], 30),
    ],
)
def test_it_reads_the_checkpoint_at_or_before_the_step(at: int, read: list[str], begin: int) -> None:
    jobs = by_name(plan(late(at)))
    first = jobs[f"late/block=001,steps={at}-{at + 10}"]
    assert reads(first) == ({"leaves": [f"plain/block=001,steps={steps}" for steps in read]} if read else {})
    leaves = first.settings["leaves"]
    assert (leaves["from"], leaves["runs"]) == (begin, [{"seeds": [2, 3], "copies": [0]}])
    # Where the runs are iterated again, the settings of that count; elsewhere the specs upstream hold them.
    assert ("condition" in leaves) == (begin != at or not read)
    if at + 10 < 40:
        second = jobs[f"late/block=001,steps={at + 10}-{at + 20}"]
        assert reads(second) == {"previous": [first.name.removeprefix("mine/")]}
        assert "leaves" not in second.settings


def test_blocks_of_seeds_and_copies_may_be_others() -> None:
    more = ", training: {block: 4}, copies: {count: 3, block: 2}"
    jobs = by_name(
        plan(late(20, more), text=STUDY.replace("conditions:", "copies: {count: 4, block: 2}\nconditions:"))
    )
    tiles = ["block=000,steps=20-30", "block=000,copies=2-3,steps=20-30"]
    for tile in tiles:
        assert reads(jobs[f"late/{tile}"]) == {
            "leaves": [f"plain/block=00{index},steps=10-20" for index in (0, 1)]
        }
        assert jobs[f"late/{tile}"].settings["leaves"]["runs"] == [
            {"seeds": [0, 1], "copies": [0, 1]},
            {"seeds": [2, 3], "copies": [0, 1]},
        ]


@pytest.mark.parametrize(
    ("at", "segment", "begin"), [(20, "20-30", 20), (24, "20-30", 20), (30, "20-30", 30), (33, "20-30", 30)]
)
def test_a_branch_of_a_branch_reads_its_start_too(at: int, segment: str, begin: int) -> None:
    jobs = by_name(plan(late(20), f"later: {{branch: {{of: late, at: {at}}}}}"))
    first = jobs[f"later/block=000,steps={at}-{at + 10}"]
    assert reads(first) == {"leaves": [f"late/block=000,steps={segment}"]}
    assert first.settings["leaves"]["from"] == begin
    assert ("condition" in first.settings["leaves"]) == (begin != at)


def test_a_branch_may_stand_before_what_it_leaves() -> None:
    text = STUDY.replace("  plain: {}\n", f"  {late(20)}\n  plain: {{}}\n")
    found = plan(text=text)
    assert list(found.studies["mine"].trajectories) == ["late", "plain"]
    assert by_name(found).keys() == by_name(plan(late(20))).keys()


@pytest.mark.parametrize(
    ("window", "first", "read", "start_from"),
    [
        ("", 20, ["20-30", "30-40"], []),
        (", steps: [0, 40]", 20, ["20-30", "30-40"], []),
        (", steps: [25, 29]", 25, ["20-30"], []),
        (", steps: [31, 40]", 31, ["30-40"], ["20-30"]),
    ],
)
def test_an_analysis_reads_from_where_it_begins_and_replays_from_the_segment_before(
    window: str, first: int, read: list[str], start_from: list[str]
) -> None:
    text = STUDY.replace("block: 2}", "block: 4, dtype: float64}") + f"  {late(20)}\n"
    text += f"analyses:\n  spectrum: {{method: lyapunov, exponents: 1, conditions: [late]{window}}}\n"
    (job,) = [job for job in plan(text=text) if job.stage == "analyses"]
    tiles = [f"late/block=000,steps={steps}" for steps in read]
    assert reads(job)["late"] == tiles
    assert reads(job)["checkpoints of late"] == tiles + [
        f"late/block=000,steps={steps}" for steps in start_from
    ]
    described = job.settings["conditions"]["late"]
    assert described["first"] == first
    assert described["system"]["branch"] == {"at": 20}


DIGESTS = {
    "more steps of what is left": (("steps: 40", "steps: 60"), set()),
    "fewer steps of what is left": (("steps: 40", "steps: 30"), set()),
    "more seeds of what is left": (("seeds: 4", "seeds: 6"), set()),
    "more copies of what is left": (("conditions:", "copies: {count: 3, block: 1}\nconditions:"), set()),
    "the rate of what is left": (("rate: 0.01", "rate: 0.03"), {"plain", "late"}),
}


@pytest.mark.parametrize("at", [20, 24])
@pytest.mark.parametrize("change", DIGESTS)
def test_what_leaves_a_branch_current(change: str, at: int) -> None:
    (old, new), expected = DIGESTS[change]
    own = ", training: {steps: 40, seeds: 4}, copies: {count: 1, block: 1}"
    before = by_name(plan(late(at, own)))
    after = by_name(plan(late(at, own), text=STUDY.replace(old, new)))
    shared = before.keys() & after.keys()
    changed = {name.partition("/")[0] for name in shared if before[name].digest != after[name].digest}
    assert changed == expected
    assert {name for name in before if name.startswith("late/")} <= shared


def test_where_it_begins_is_of_the_branch_alone() -> None:
    before, after = by_name(plan(late(20))), by_name(plan(late(22)))
    assert all(before[name].digest == after[name].digest for name in before if name.startswith("plain/"))
    assert not {job.digest for name, job in before.items() if name.startswith("late/")} & {
        job.digest for job in after.values()
    }


def test_studies_without_branches_have_the_specs_that_they_had() -> None:
    job: Any = by_name(plan())["plain/block=000,steps=0-10"]
    assert set(job.settings) == {
        *("system", "training", "streams", "copies", "record"),
        *("seeds", "copy_numbers", "first_run", "first", "last"),
    }
    assert set(job.inputs) == {"dataset", "previous"}


def test_segments_are_counted_from_where_it_begins() -> None:
    assert segments(4, 30, 10, 4) == (Segment(4, 14), Segment(14, 24), Segment(24, 34))
    assert segments(0, 14, 10, 4) == (Segment(4, 14),)
    assert segments(15, 24, 10, 4) == (Segment(14, 24),)
    assert [segment_before(first, 10, 4) for first in (0, 4, 14, 15, 25)] == [
        None,
        None,
        None,
        Segment(4, 14),
        Segment(14, 24),
    ]
