"""Numbers and settings as text."""

from __future__ import annotations

import math
from typing import Any

import pytest

from orrery.report import wording


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.00652, "0.00652"),
        (0.0065234, "0.006523"),
        (-0.2, "−0.2"),
        (1250, "1,250"),
        (1000000, "1,000,000"),
        (25.0, "25"),
        (3.14159, "3.142"),
        (3.1e-9, "3.1×10⁻⁹"),
        (-2.5e12, "−2.5×10¹²"),
        (1e-8, "10⁻⁸"),
        (-1e-8, "−10⁻⁸"),
        (123456.7, "123,457"),
        (math.nan, "not finite"),
        (math.inf, "not finite"),
    ],
)
def test_number(value: float | None, expected: str) -> None:
    assert wording.number(value) == expected


@pytest.mark.parametrize(
    ("value", "interval", "expected"),
    [
        (0.00652, (0.0061, 0.0069), ("0.00652", "0.0061 to 0.0069")),
        (0.753412, (0.753391, 0.753433), ("0.753412", "0.753391 to 0.753433")),
        (0.5, None, ("0.5", "")),
        (None, (0, 1), ("–", "")),
        (1.0, (1.0, 1.0), ("1", "1 to 1")),
        (0.0, (-1.0, 1.0), ("0", "−1 to 1")),
    ],
)
def test_measured_keeps_the_digits_that_the_interval_gives(
    value: float | None, interval: Any, expected: tuple[str, str]
) -> None:
    assert wording.measured(value, interval) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "none"),
        (True, "yes"),
        ([1, 2, 3, 4], "1 to 4"),
        ([2, 3, 6], "2, 3, 6"),
        (["a", "b"], "a, b"),
        ([["a", "b"], ["c", "d"]], "(a, b), (c, d)"),
        ({"every": 1, "window": None}, "every 1"),
        ({"a": {"pair": ["x", "y"]}, "b": {"pair": ["z"]}}, "a (pair (x, y)); b (pair z)"),
        ([{"label": "one", "rate": 0.5}, {"label": "two"}], "label one, rate 0.5; label two"),
        (
            {"from": [0.1, 0.1], "to": [0.9, 0.9], "points": 5},
            "5 × 5 points, (0.1, 0.1) to (0.9, 0.9)",
        ),
        ([], ""),
    ],
)
def test_setting(value: Any, expected: str) -> None:
    assert wording.setting(value) == expected


def test_lists_in_prose() -> None:
    assert wording.joined([]) == ""
    assert wording.joined(["a"]) == "a"
    assert wording.joined(["a", "b", "c"], "or") == "a, b or c"
    assert wording.count(1, "seed") == "1 seed"
    assert wording.count(2, "entry", "entries") == "2 entries"
    counts = {"holds": 2, "fails": 1, "undecided": 0, "not run": 1}
    assert wording.verdict_summary(counts) == "4 claims: 2 hold, 1 fails, 1 not run"
    assert wording.verdict_summary({}) == "no claims"
