"""The digest and the wording of criteria."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from orrery.report.criteria import criteria_digest, criterion_of, words

CHECK = {"number": "k.x", "reported": 1, "within": 2, "label": "a"}


def digest(check: dict[str, Any], **claim: Any) -> str:
    return criteria_digest({"A": {"statement": "s", "checks": [check], **claim}})


def test_wording_and_absent_keys_leave_the_digest() -> None:
    reference = digest(CHECK)
    assert digest({**CHECK, "label": "b"}) == reference
    assert digest({**CHECK, "above": None, "minimum_n": None, "of": None}) == reference
    assert digest({**CHECK, "reported": 1.0, "within": 2.0}) == reference
    assert digest(CHECK, statement="other words", source="elsewhere") == reference
    bound = {"number": "k.x", "above": {"number": "k.y"}}
    assert digest(bound) == digest({"number": "k.x", "above": {"times": 1, "number": "k.y"}})


@pytest.mark.parametrize(
    "change",
    [{"within": 2.5}, {"reported": 1.5}, {"minimum_n": 3}, {"decide": "value"}, {"number": "k.y"}, {"of": 3}],
)
def test_any_change_of_a_criterion_changes_the_digest(change: dict[str, Any]) -> None:
    assert digest({**CHECK, **change}) != digest(CHECK)


def test_scales_and_ids_are_part_of_the_digest() -> None:
    assert digest(CHECK, scales=["paper"]) != digest(CHECK)
    assert criteria_digest({"A": {"checks": [CHECK]}}) != criteria_digest({"B": {"checks": [CHECK]}})


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({"within": 0.0001, "reported": 0.00807}, "within 0.0001 of 0.00807"),
        ({"within": 1, "of": {"number": "k.y", "times": 2}}, "within 1 of 2 times k.y"),
        ({"within_factor": 1.5, "reported": 2}, "within a factor 1.5 of 2"),
        ({"above": {"number": "k.y", "times": 1}}, "above k.y"),
        ({"between": [0, 1], "minimum_n": 6}, "between 0 and 1, n at least 6"),
        ({"below": 0.01, "decide": "value"}, "below 0.01, decided by the value alone"),
        ({}, ""),
    ],
)
def test_words(check: dict[str, Any], expected: str) -> None:
    assert words({"number": "k.x", **check}) == expected


def test_a_criterion_of_zero_is_one() -> None:
    assert criterion_of({"number": "k.x", "above": 0}) == {"above": 0.0}
    assert criterion_of({"number": "k.x", "above": None}) is None


def test_a_plan_can_ask_without_heavy_imports() -> None:
    code = (
        "import sys, orrery.report.claims, orrery.report.criteria; "
        "heavy = {'numpy', 'matplotlib', 'pandas', 'torch', 'xarray', 'jinja2'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
