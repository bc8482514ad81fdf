"""Every branch of a verdict."""

from __future__ import annotations

import math
from typing import Any

import pytest

from orrery.config.errors import OrreryError
from orrery.report.claims import VERDICTS, combine, count_verdicts, evaluate, evaluate_check


def number(value: float | None, **more: Any) -> dict[str, Any]:
    return {"value": value, **more}


def verdict(check: dict[str, Any], measured: dict[str, Any] | None, **others: dict[str, Any]) -> str:
    known = {f"k.{name}": one for name, one in others.items()}
    if measured is not None:
        known["k.x"] = measured
    result = evaluate_check({"number": "k.x", **check}, known)
    assert result["verdict"] in VERDICTS
    assert result["reason"]
    return result["verdict"]


@pytest.mark.parametrize(
    ("criterion", "value", "expected"),
    [
        ({"above": 1}, 1.1, "holds"),
        ({"above": 1}, 1.0, "fails"),
        ({"above": 1}, 0.9, "fails"),
        ({"below": 1}, 0.9, "holds"),
        ({"below": 1}, 1.0, "fails"),
        ({"between": [0, 1]}, 0.0, "holds"),
        ({"between": [0, 1]}, 1.0, "holds"),
        ({"between": [0, 1]}, 1.01, "fails"),
        ({"within": 0.5, "reported": 2}, 2.5, "holds"),
        ({"within": 0.5, "reported": 2}, 2.6, "fails"),
        ({"within": 0.5, "of": 5, "reported": 2}, 5.2, "holds"),
        ({"within": 0.5, "of": 5, "reported": 2}, 2.0, "fails"),
        ({"within_factor": 2, "reported": 3}, 6.0, "holds"),
        ({"within_factor": 2, "reported": 3}, 1.5, "holds"),
        ({"within_factor": 2, "reported": 3}, 1.4, "fails"),
        ({"within_factor": 2, "reported": -3}, -1.6, "holds"),
        ({"within_factor": 2, "reported": -3}, 1.6, "fails"),
        ({"above": 0}, -0.1, "fails"),
        ({"reported": 3}, 7.0, "reported"),
        ({}, 7.0, "reported"),
    ],
)
def test_by_value(criterion: dict[str, Any], value: float, expected: str) -> None:
    assert verdict(criterion, number(value)) == expected


@pytest.mark.parametrize(
    ("criterion", "interval", "expected"),
    [
        ({"above": 1}, (1.1, 1.3), "holds"),
        ({"above": 1}, (0.9, 1.3), "undecided"),
        ({"above": 1}, (1.0, 1.3), "undecided"),
        ({"above": 1}, (0.5, 1.0), "fails"),
        ({"above": 1}, (0.5, 0.9), "fails"),
        ({"below": 1}, (0.5, 0.9), "holds"),
        ({"below": 1}, (0.5, 1.2), "undecided"),
        ({"below": 1}, (1.0, 1.2), "fails"),
        ({"between": [0, 1]}, (0.0, 1.0), "holds"),
        ({"between": [0, 1]}, (-0.1, 0.5), "undecided"),
        ({"between": [0, 1]}, (-0.5, 1.5), "undecided"),
        ({"between": [0, 1]}, (1.1, 1.5), "fails"),
        ({"between": [0, 1]}, (-2.0, -1.5), "fails"),
        ({"within": 0.1, "reported": 1}, (0.95, 1.05), "holds"),
        ({"within": 0.1, "reported": 1}, (0.95, 1.15), "undecided"),
        ({"within": 0.1, "reported": 1}, (1.15, 1.25), "fails"),
        ({"within_factor": 2, "reported": 1}, (0.6, 1.9), "holds"),
        ({"within_factor": 2, "reported": 1}, (0.4, 0.6), "undecided"),
        ({"within_factor": 2, "reported": 1}, (0.2, 0.4), "fails"),
    ],
)
def test_by_interval(criterion: dict[str, Any], interval: tuple[float, float], expected: str) -> None:
    middle = sum(interval) / 2
    assert verdict(criterion, number(middle, interval=interval)) == expected


def test_deciding_by_value_leaves_the_interval_out() -> None:
    crossing = number(1.1, interval=(0.9, 1.3))
    assert verdict({"above": 1}, crossing) == "undecided"
    assert verdict({"above": 1, "decide": "interval"}, crossing) == "undecided"
    assert verdict({"above": 1, "decide": "value"}, crossing) == "holds"
    assert verdict({"above": 1, "decide": "interval"}, number(1.1)) == "holds"


def test_a_bound_may_be_a_number_times_a_factor() -> None:
    bound = {"above": {"number": "k.floor", "times": 2}}
    assert verdict(bound, number(2.1), floor=number(1.0)) == "holds"
    assert verdict(bound, number(1.9), floor=number(1.0)) == "fails"
    assert verdict({"above": {"number": "k.floor"}}, number(1.1), floor=number(1.0)) == "holds"
    assert verdict({"below": {"number": "k.floor", "times": -1}}, number(-2), floor=number(1.0)) == "holds"
    both = {"between": [{"number": "k.low", "times": None}, {"number": "k.high", "times": 3}]}
    assert verdict(both, number(5.0), low=number(1.0), high=number(2.0)) == "holds"
    assert verdict(both, number(6.5), low=number(1.0), high=number(2.0)) == "fails"
    near = {"within": 0.1, "of": {"number": "k.other", "times": 1}}
    assert verdict(near, number(1.05), other=number(1.0)) == "holds"
    assert verdict(near, number(1.2), other=number(1.0)) == "fails"


def test_an_uncertain_bound_counts_with_its_interval() -> None:
    bound = {"above": {"number": "k.floor", "times": 2}}
    floor = number(1.0, interval=(0.8, 1.2))
    assert verdict(bound, number(3.0, interval=(2.5, 3.5)), floor=floor) == "holds"
    assert verdict(bound, number(2.5, interval=(2.3, 2.7)), floor=floor) == "undecided"
    assert verdict(bound, number(1.4, interval=(1.2, 1.5)), floor=floor) == "fails"
    assert verdict({**bound, "decide": "value"}, number(2.1, interval=(2.0, 2.2)), floor=floor) == "holds"
    below = {"below": {"number": "k.floor", "times": -1}}
    assert verdict(below, number(-1.1, interval=(-1.15, -1.05)), floor=floor) == "undecided"
    assert verdict(below, number(-2, interval=(-2.1, -1.9)), floor=floor) == "holds"


def test_missing_numbers_were_not_run() -> None:
    assert verdict({"above": 1}, None) == "not run"
    assert verdict({}, None) == "not run"
    assert verdict({"above": {"number": "k.floor", "times": 2}}, number(1.0)) == "not run"


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_what_is_not_finite_is_undecided(value: float | None) -> None:
    assert verdict({"above": 1}, number(value)) == "undecided"
    assert verdict({"above": {"number": "k.floor"}}, number(1.0), floor=number(value)) == "undecided"
    assert verdict({"between": [0, {"number": "k.floor"}]}, number(1.0), floor=number(value)) == "undecided"
    assert verdict({}, number(value)) == "reported"


def test_too_few_seeds_are_undecided() -> None:
    check = {"below": 0.01, "minimum_n": 6}
    assert verdict(check, number(0.001, n=5)) == "undecided"
    assert verdict(check, number(0.9, n=5)) == "undecided"
    assert verdict(check, number(0.001, n=6)) == "holds"
    assert verdict(check, number(0.001)) == "undecided"


@pytest.mark.parametrize(
    ("check", "part"),
    [
        ({"above": 1, "below": 2}, "several criteria"),
        ({"between": [2, 1]}, "larger bound first"),
        ({"within": 0.1}, "neither is given"),
        ({"within_factor": 0.5, "reported": 1}, "at least 1"),
    ],
)
def test_unreadable_criteria_are_refused(check: dict[str, Any], part: str) -> None:
    with pytest.raises(OrreryError, match=part):
        verdict(check, number(1.0))


def _checks(*verdicts: str) -> list[dict[str, Any]]:
    return [
        {
            "verdict": one.rstrip("*"),
            "criterion": {"data": None if one.endswith("*") or one == "reported" else {}},
        }
        for one in verdicts
    ]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("holds",), ("holds", 0)),
        (("holds", "fails", "undecided"), ("fails", 1)),
        (("holds", "not run", "undecided"), ("undecided", 2)),
        (("holds", "not run"), ("not run", 1)),
        (("reported", "holds"), ("holds", 1)),
        (("reported", "not run*", "holds"), ("holds", 2)),
        (("not run*", "reported"), ("reported", 1)),
        (("not run*",), ("not run", 0)),
    ],
)
def test_several_checks_make_one_verdict(verdicts: tuple[str, ...], expected: tuple[str, int]) -> None:
    assert combine(_checks(*verdicts)) == expected


CLAIM = {"statement": "x is large", "source": "section 2", "known_from": "abstract"}


def test_a_claim_says_all_that_its_verdict_rests_on() -> None:
    claim = {**CLAIM, "checks": [{"number": "k.x", "reported": 2.0, "within": 0.5, "label": "size"}]}
    numbers = {"k": [{"name": "x", "value": 2.2, "interval": (2.0, 2.4), "n": 25, "floor": 0.3, "unit": "m"}]}
    [result] = evaluate({"X-1": claim}, numbers, "paper")
    assert result["id"] == "X-1"
    assert result["verdict"] == "holds"
    assert (result["reported"], result["measured"], result["n"], result["floor"]) == (2.0, 2.2, 25, 0.3)
    assert result["interval"] == [2.0, 2.4]
    assert result["criterion"] == {"words": "size within 0.5 of 2", "data": [{"within": 0.5, "of": 2.0}]}
    assert result["scale"] == "paper"
    assert len(result["criteria_digest"]) == 64
    assert result["checks"][0]["verdict"] == "holds"


def test_a_number_name_may_hold_dots_and_brackets() -> None:
    claim = {**CLAIM, "checks": [{"number": "k.distance[lr=0.1,lr=0.2]", "above": 0}]}
    [result] = evaluate({"X": claim}, {"k": [{"name": "distance[lr=0.1,lr=0.2]", "value": 1.0}]}, "laptop")
    assert result["verdict"] == "holds"


def test_a_claim_for_another_scale_or_without_checks_was_not_run() -> None:
    claims = {
        "A": {**CLAIM, "scales": ["paper"], "checks": [{"number": "k.x", "above": 0}]},
        "B": {**CLAIM, "checks": []},
        "C": {**CLAIM, "scales": None, "checks": [{"number": "k.x"}]},
    }
    results = evaluate(claims, {"k": [{"name": "x", "value": 1.0}]}, "laptop")
    assert [result["verdict"] for result in results] == ["not run", "not run", "reported"]
    assert "scale paper only" in results[0]["reason"]
    assert count_verdicts(results) == {"holds": 0, "fails": 0, "undecided": 0, "reported": 1, "not run": 2}


def test_the_deciding_check_is_shown() -> None:
    checks = [{"number": "k.x", "above": 0}, {"number": "k.y", "above": 0}]
    numbers = {"k": [{"name": "x", "value": 1.0}, {"name": "y", "value": -1.0}]}
    [result] = evaluate({"A": {**CLAIM, "checks": checks}}, numbers, "laptop")
    assert (result["verdict"], result["deciding"], result["measured"]) == ("fails", 1, -1.0)
