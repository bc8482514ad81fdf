"""Conditions that train together: what is said of those that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.one_study import enter, loaded

from orrery.config.errors import ConfigError
from orrery.config.study import ResolvedStudy

STUDY = """title: A study
dataset: {name: labelled-points, count: 20, labels: step}
system:
  kind: network
  network: {kind: mlp, hidden: [5], activation: relu}
  loss: {kind: mse}
  optimizer: {kind: sgd, rate: 0.1}
  batches: {kind: full}
training: {steps: 40, seeds: 2}
conditions:
  plain: {training: {together: both}}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)


def study(*conditions: str, text: str = STUDY) -> ResolvedStudy:
    return loaded(text, *conditions)


def with_it(more: str, training: str = "together: both") -> str:
    return f"other: {{training: {{{training}}}{', ' if more else ''}{more}}}"


@pytest.mark.parametrize(
    "more",
    [
        "system: {optimizer: {rate: 0.2}}",
        "system: {label_noise: 0.1}",
        "system: {initialisation: {scale: 2.0}}",
        "system: {probe: {count: 3}}",
        "streams: {init: {shift: 1}}",
        "dataset: {labels: random}",
        "dataset: {split: 3}",
    ],
)
def test_what_may_differ(more: str) -> None:
    found = study(with_it(more))
    assert [one.training.together for one in found.conditions.values()] == ["both", "both"]
    assert found.conditions["other"].settings()["training"]["together"] == "both"


@pytest.mark.parametrize(
    ("more", "training", "key"),
    [
        ("system: {network: {hidden: [6]}}", "", "system.network"),
        ("system: {loss: {factor: 0.5}}", "", "system.loss"),
        ("system: {optimizer: {weight_decay: 0.1}}", "", "system.optimizer.weight_decay"),
        ("system: {optimizer: {kind: momentum, momentum: 0.9}}", "", "system.optimizer"),
        ("system: {schedule: {kind: step, every: 10, factor: 0.5}}", "", "system.schedule"),
        ("system: {batches: {kind: with-replacement, size: 1}}", "", "system.batches"),
        ("", "steps: 50", "training.s"),
        ("", "seeds: 3", "training.seeds"),
        ("", "block: 1", "training.block"),
        ("", "segment: 20", "training.segment"),
        ("", "dtype: float64", "training.dtype"),
        ("", "device: auto", "training.device"),
        ("copies: {count: 2}", "", "copies.count"),
        ("record: {steps: {every: 5}}", "", "record.steps"),
        ("dataset: {count: 21}", "", "dataset"),
    ],
)
def test_what_must_be_the_same_is_told_with_its_key(more: str, training: str, key: str) -> None:
    with pytest.raises(ConfigError) as error:
        study(with_it(more, f"together: both{', ' if training else ''}{training}"))
    (first, *_) = error.value.problems
    assert first.file == "studies/mine.yaml"
    assert f".other.{key}" in f".{first.key}"
    assert "'plain', with which it trains together ('both' in training.together)" in first.message


def test_the_shapes_of_datasets_are_told() -> None:
    with pytest.raises(
        ConfigError, match=r"training samples: 21, features: 1, outputs: 1.*training samples: 20"
    ):
        study(with_it("dataset: {count: 21}"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("other: {training: {together: both}, branch: {of: plain, at: 3}}", "a branch trains alone"),
        ("together=both: {}", "condition named 'together=both'; write another name"),
        ("other: {training: {together: two words}}", "a name of letters"),
    ],
)
def test_who_cannot_be_a_member(line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        study(line)


def test_a_module_trains_alone() -> None:
    text = STUDY.replace(
        "{kind: mlp, hidden: [5], activation: relu}", "{kind: module, path: 'torch.nn:Linear'}"
    )
    with pytest.raises(
        ConfigError, match="kind 'mlp' train together, and this one is a module; leave it out here"
    ):
        study(text=text)


def test_a_map_trains_alone() -> None:
    text = (
        "title: A study\nsystem: {kind: mirror-descent, objective: tangent, rate: 0.01, "
        "start: {from: [0.1, 0.1], to: [0.9, 0.9], points: 3}}\n"
        "training: {steps: 4, seeds: 2, together: maps}\nconditions:\n"
    )
    with pytest.raises(
        ConfigError, match="only networks train together, and this system is 'mirror-descent'"
    ):
        study("one: {}", "other: {system: {rate: 0.02}}", text=text)


def test_a_branch_of_a_member_is_none() -> None:
    found = study(with_it(""), "late: {branch: {of: plain, at: 3}, system: {optimizer: {rate: 0.2}}}")
    assert found.conditions["late"].training.together is None
    assert found.conditions["plain"].training.together == "both"


def test_a_study_may_say_it_for_all_but_branches() -> None:
    text = STUDY.replace("seeds: 2}", "seeds: 2, together: all}").replace(
        "{training: {together: both}}", "{}"
    )
    found = study("other: {system: {label_noise: 0.1}}", "late: {branch: {of: other, at: 3}}", text=text)
    assert [one.training.together for one in found.conditions.values()] == ["all", "all", None]


def test_one_member_alone_trains_as_if_nothing_was_said() -> None:
    alone = study().conditions["plain"].settings()
    assert "together" not in alone["training"]
    plain = study(text=STUDY.replace("{training: {together: both}}", "{}")).conditions["plain"]
    assert alone == plain.settings()
