"""Sections of a study: strict scalars, defaults that are written out, canonical streams, blocks and segments."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field, ValidationError

from orrery.config.claims import Check, Reference
from orrery.config.closed import Closed
from orrery.config.sections import Copies, Record, Streams, Training


class Example(Closed):
    whole: int = 1
    number: float = 1.0
    flag: bool = False
    text: str = ""
    several: tuple[int, ...] = ()
    start: float | None = Field(None, alias="from")


@pytest.mark.parametrize(
    "given",
    [
        {"whole": True},
        {"whole": "3"},
        {"whole": 1.0},
        {"number": "1e-3"},
        {"number": True},
        {"number": float("nan")},
        {"number": float("inf")},
        {"flag": 1},
        {"flag": "yes"},
        {"text": 2302.0916},
        {"several": [1, "2"]},
        {"several": [1, True]},
        {"several": 1},
        {"unknown": 1},
    ],
)
def test_no_value_is_taken_for_another_type(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Example(**given)


def test_what_is_accepted() -> None:
    example = Example(whole=3, number=2, several=[1, 2], start=0.5)
    assert example.model_dump(mode="json") == {
        "whole": 3,
        "number": 2.0,
        "flag": False,
        "text": "",
        "several": [1, 2],
        "from": 0.5,
    }
    assert isinstance(example.number, float)
    with pytest.raises(ValidationError, match="frozen"):
        example.whole = 4  # type: ignore[misc]


def test_a_number_of_seeds_stands_for_the_first_integers() -> None:
    training = Training(steps=100, seeds=3)
    assert training.read_seeds == (0, 1, 2)
    assert (training.segment, training.block) == (100, 3)
    assert training.model_dump(mode="json") == {
        "steps": 100,
        "segment": 100,
        "seeds": {"pool": None, "count": 3},
        "block": 3,
        "dtype": "float32",
        "device": "auto",
    }


def test_the_seeds_read_are_the_first_of_the_pool() -> None:
    training = Training(steps=250, seeds={"pool": [3, 5, 7, 11, 13, 17, 19], "count": 4})
    assert training.read_seeds == (3, 5, 7, 11)


def test_all_copies_are_one_block_where_nothing_is_said() -> None:
    assert (Copies().count, Copies().block) == (1, 1)
    assert Copies(count=10).block == 10
    assert Copies(count=10, block=4).block == 4
    for wrong in ({"block": 0}, {"count": 0}, {"count": "10"}):
        with pytest.raises(ValidationError):
            Copies(**wrong)


def test_the_usual_draw_of_copies_leaves_no_trace() -> None:
    assert "draw" not in Copies(count=3, draw="copy").model_dump(mode="json")
    assert Copies(count=3, draw="run").model_dump(mode="json")["draw"] == "run"
    assert Copies.model_validate(Copies(count=3).model_dump(mode="json")) == Copies(count=3)
    with pytest.raises(ValidationError):
        Copies(draw="seed")


@pytest.mark.parametrize(
    "seeds",
    [0, -1, True, "25", 2.0, {"count": 3, "pool": [1, 2]}, {"count": 1, "pool": [2, 2]}, {"pool": [1]}],
)
def test_seeds_that_make_no_sense(seeds: Any) -> None:
    with pytest.raises(ValidationError):
        Training(steps=10, seeds=seeds)


def test_streams_that_change_nothing_leave_no_trace() -> None:
    assert Streams(**{"order": {"shift": 0}}).model_dump(mode="json") == {}
    assert Streams(**{"order": {"shift": 5}, "label-noise": {"hold": 0}}).model_dump(mode="json") == {
        "order": {"shift": 5},
        "label-noise": {"hold": 0},
    }
    with pytest.raises(ValidationError, match="either shifted or held"):
        Streams(**{"init": {"shift": 1, "hold": 2}})


@pytest.mark.parametrize(
    "record",
    [
        {"state": "fc2.weight"},
        {"state": ["fc2 weight"]},
        {"steps": {"every": 0}},
        {"steps": {"every": 1, "window": [5, 1]}},
        {"steps": {"every": 1, "logarithmic": 3}},
        {"evaluate": {"every": 5, "metrics": []}},
        {"projection": {"dimension": 0}},
    ],
)
def test_records_that_make_no_sense(record: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Record(**record)


def test_records_in_every_form() -> None:
    assert Record().state == "all"
    assert Record(state=[], observables=["midpoint"]).state == ()
    assert Record(steps={"logarithmic": 10}).model_dump()["steps"] == {"logarithmic": 10}
    assert Copies().count == 1
    with pytest.raises(ValidationError):
        Copies(amplitude=0)


def test_checks_have_at_most_one_criterion_and_what_it_refers_to() -> None:
    assert Check(number="koopman.distance[a,b]").numbers == ("koopman.distance[a,b]",)
    check = Check(number="koopman.ratio", within=0.1, of="koopman.other")
    assert check.of == Reference(number="koopman.other")
    assert Check(number="a.b", between=[0, {"number": "c.d", "times": 2}]).numbers == ("a.b", "c.d")
    for wrong in (
        {"above": 1, "below": 2},
        {"within": 0.1},
        {"of": "a.c"},
        {"above": 1, "of": "a.c"},
        {"within": -1, "reported": 1},
        {"within_factor": 1, "reported": 1},
    ):
        with pytest.raises(ValidationError):
            Check(number="a.b", **wrong)
    with pytest.raises(ValidationError, match=r"<analysis>\.<number>"):
        Check(number="distance")
