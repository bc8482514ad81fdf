"""Branches in a study: what they inherit, and every mistake told where it was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from orrery.config.errors import ConfigError
from orrery.config.loading import load_study, load_workflow
from orrery.config.merge import lay_over_left
from orrery.config.study import ResolvedStudy

STUDY = """title: A study
dataset: {name: iris}
system:
  kind: network
  network: {kind: mlp, hidden: [3]}
  optimizer: {kind: momentum, rate: 0.1, momentum: 0.9}
  batches: {kind: full}
training: {steps: 40, segment: 10, seeds: 4, block: 2}
conditions:
  plain: {}
  fast: {system: {optimizer: {rate: 0.2}}, record: {steps: {every: 2}}}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("studies").mkdir()
    Path("config.yaml").write_text("studies: [mine]\ndevice: cpu\n")


def resolve(*conditions: str) -> ResolvedStudy:
    lines = [line if line.startswith("analyses") else f"  {line}" for line in conditions]
    Path("studies/mine.yaml").write_text(STUDY + "".join(f"{line}\n" for line in lines))
    return load_study("studies/mine.yaml", load_workflow("config.yaml"))


def told(*conditions: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        resolve(*conditions)
    return str(caught.value).splitlines()


def test_a_branch_has_the_settings_of_what_it_leaves_and_its_own_over_them() -> None:
    study = resolve(
        "late: {branch: {of: fast, at: 20}, copies: {count: 3}, training: {steps: 60}}",
        "later: {branch: {of: late, at: 30}, system: {optimizer: {rate: 0.3}}}",
    )
    late, later = study.conditions["late"], study.conditions["later"]
    assert late.branch is not None
    assert (late.branch.of, late.branch.at, late.start) == ("fast", 20, 20)
    assert late.system == study.conditions["fast"].system
    assert late.record == study.conditions["fast"].record
    assert (late.copies.count, late.training.steps, late.training.segment) == (3, 60, 10)
    assert (later.start, later.copies.count, later.training.steps) == (30, 3, 60)
    assert later.system["optimizer"]["rate"] == 0.3
    assert late.settings()["branch"] == {"at": 20}
    assert study.conditions["plain"].branch is None
    assert "branch" not in study.conditions["plain"].settings()
    assert study.conditions["plain"].start == 0


def test_another_kind_takes_nothing_over_from_the_one_before() -> None:
    study = resolve("descent: {branch: {of: plain, at: 20}, system: {optimizer: {kind: sgd, rate: 0.01}}}")
    assert study.conditions["descent"].system["optimizer"] == {
        "kind": "sgd",
        "rate": 0.01,
        "weight_decay": 0.0,
    }
    assert study.conditions["descent"].system["network"] == study.conditions["plain"].system["network"]
    base = {"system": {"kind": "a", "inner": {"kind": "b", "x": 1}, "y": 2}, "copies": {"kind": "c", "z": 3}}
    over = {"system": {"kind": "other", "inner": {"kind": "b", "w": 0}}, "copies": {"kind": "d"}}
    assert lay_over_left(base, over) == {
        "system": {"kind": "other", "inner": {"kind": "b", "x": 1, "w": 0}, "y": 2},
        "copies": {"kind": "d", "z": 3},
    }


def test_branches_of_a_grid() -> None:
    study = resolve(
        "grid:",
        "  axes:",
        "    left: {values: [plain, fast], sets: branch.of}",
        "    at: {values: [10, 25], sets: branch.at}",
        "    rate: {values: [0.2, 0.5], sets: system.optimizer.rate, default: 0.2}",
    )
    names = [name for name in study.conditions if "left=" in name]
    assert len(names) == 8
    cell = study.conditions["left=fast,at=25,rate=0.5"]
    assert (cell.branch.of, cell.start) == ("fast", 25)  # type: ignore[union-attr]
    assert cell.system["optimizer"]["rate"] == 0.5
    assert cell.record == study.conditions["fast"].record
    assert study.conditions["left=plain,at=10"].record == study.conditions["plain"].record


def test_a_whole_branch_as_the_value_of_an_axis() -> None:
    study = resolve(
        "grid:",
        "  axes:",
        "    after: {values: {none: null, late: {of: plain, at: 30}}, sets: branch}",
    )
    assert study.conditions["after=none"].branch is None
    assert study.conditions["after=late"].start == 30


def test_a_branch_is_one_segment_where_nothing_is_said() -> None:
    text = STUDY.replace("segment: 10, ", "")
    Path("studies/mine.yaml").write_text(text + "  late: {branch: {of: plain, at: 30}}\n")
    study = load_study("studies/mine.yaml", load_workflow("config.yaml"))
    assert study.conditions["plain"].training.segment == 40
    assert study.conditions["late"].training.segment == 10


MISTAKES = {
    "no such condition": (
        ("late: {branch: {of: plian, at: 20}}",),
        "12: conditions.late.branch.of: there is no condition 'plian' in this study; did you mean 'plain'?",
    ),
    "itself": (
        ("late: {branch: {of: late, at: 20}}",),
        "12: conditions.late.branch.of: a branch cannot leave itself; name the condition that it leaves",
    ),
    "a step beyond the last one": (
        ("late: {branch: {of: plain, at: 41}, training: {steps: 50}}",),
        "12: conditions.late.branch.at: is 41, but 'plain' ends at step 40; write at most 40",
    ),
    "a step before the branch that is left": (
        ("one: {branch: {of: plain, at: 20}}", "two: {branch: {of: one, at: 19}}"),
        "13: conditions.two.branch.at: is 19, but 'one' begins at step 20 itself; write at least 20",
    ),
    "a step before the start": (
        ("late: {branch: {of: plain, at: -1}}",),
        "12: conditions.late.branch.at: must be at least 0, not -1",
    ),
    "no steps of its own": (
        ("late: {branch: {of: plain, at: 40}}",),
        "12: conditions.late.branch.at: is 40, but training.steps is 40; steps count on from there, so write more "
        "than 40 into training.steps",
    ),
    "seeds that are not trained": (
        ("late: {branch: {of: plain, at: 20}, training: {seeds: 5}}",),
        "12: conditions.late.training.seeds: makes the branch train seed 4 (whole blocks of 2 are trained), which "
        "'plain' does not train; write seeds and block so that all are seeds of 'plain'",
    ),
    "blocks that hold seeds that are not trained": (
        ("late: {branch: {of: plain, at: 20}, training: {block: 3}}",),
        "8: training.seeds: makes the branch train seed 4 (whole blocks of 3 are trained), which 'plain' does not "
        "train; write seeds and block so that all are seeds of 'plain'",
    ),
    "another precision": (
        ("late: {branch: {of: plain, at: 20}, training: {dtype: float64}}",),
        "12: conditions.late.training.dtype: is float64, but 'plain' is trained in float32, and a branch goes on in "
        "the precision of what it leaves; write the same for both",
    ),
    "another network": (
        ("late: {branch: {of: plain, at: 20}, system: {network: {hidden: [5]}}}",),
        "12: conditions.late.system: has a tensor 'fc1.weight' that has another shape in 'plain'; a branch goes on "
        "with the weights that it leaves, so give both the same network",
    ),
    "a deeper network": (
        ("late: {branch: {of: plain, at: 20}, system: {network: {hidden: [3, 1]}}}",),
        "12: conditions.late.system: has a tensor 'fc3.weight' that is absent in 'plain'; a branch goes on with the "
        "weights that it leaves, so give both the same network",
    ),
    "a window that it has passed": (
        ("late: {branch: {of: plain, at: 20}, record: {steps: {every: 1, window: [0, 9]}}}",),
        "12: conditions.late.record.steps.window: ends at step 9, but the branch begins at step 20",
    ),
    "a window of an analysis that it has passed": (
        (
            "late: {branch: {of: plain, at: 20}}",
            "analyses: {curves: {method: training-curves, steps: [0, 9]}}",
        ),
        "13: analyses.curves.steps: ends at step 9, but the branch begins at step 20",
    ),
    "a window of exponents that begins before": (
        (
            "late: {branch: {of: plain, at: 20}}",
            "analyses: {spectrum: {method: lyapunov, exponents: 1, window: [19, 40]}}",
        ),
        "13: analyses.spectrum.window: starts at step 19, but the branch begins at step 20",
    ),
    "a key that there is not": (
        ("late: {branch: {of: plain, step: 20}}",),
        "12: conditions.late.branch.step: is not a known key here; known are at, of",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(mistake: str) -> None:
    lines, expected = MISTAKES[mistake]
    assert f"studies/mine.yaml:{expected}" in told(*lines)


def test_a_circle_is_told_of_all_that_are_in_it() -> None:
    lines = told("one: {branch: {of: two, at: 20}}", "two: {branch: {of: one, at: 20}}")
    assert lines == [
        "studies/mine.yaml:12: conditions.one.branch.of: the conditions leave each other in a circle: one, two, one",
        "studies/mine.yaml:13: conditions.two.branch.of: the conditions leave each other in a circle: two, one, two",
    ]


def test_a_study_is_no_branch() -> None:
    Path("studies/mine.yaml").write_text("branch: {of: plain, at: 3}\n" + STUDY)
    with pytest.raises(ConfigError) as caught:
        load_study("studies/mine.yaml", load_workflow("config.yaml"))
    (line,) = str(caught.value).splitlines()
    assert line.startswith("studies/mine.yaml:1: branch: is not a known key here")
