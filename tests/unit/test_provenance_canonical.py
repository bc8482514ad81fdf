"""The canonical text: one value, one text; nothing that could mean two things."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.provenance.canonical import canonical, digest, key_order


def test_keys_are_sorted_and_no_spaces_are_written() -> None:
    assert canonical({"b": [1, 2.5, None, True], "a": {"y": "é", "x": ()}}) == (
        '{"a":{"x":[],"y":"\\u00e9"},"b":[1,2.5,null,true]}'
    )


def test_order_of_keys_and_tuple_or_list_do_not_matter() -> None:
    assert digest({"a": (1, 2), "b": 3}) == digest({"b": 3, "a": [1, 2]})


def test_an_integer_and_a_float_are_different_values() -> None:
    assert digest({"lr": 1}) != digest({"lr": 1.0})
    assert digest({"flag": True}) != digest({"flag": 1})


def test_swapped_values_differ() -> None:
    assert digest({"lr": 0.1, "decay": 0.2}) != digest({"lr": 0.2, "decay": 0.1})


def test_floats_read_back_to_the_same_bits() -> None:
    for value in (0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0):
        assert json.loads(canonical(value)).hex() == value.hex()


def test_digest_is_the_start_of_sha256() -> None:
    assert digest([1]) == hashlib.sha256(b"[1]").hexdigest()[:16]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": {"b": [1.0, float("nan")]}}, r"a\.b\[1\] is nan"),
        ({"a": float("inf")}, "a is inf"),
        ({"a": {1: 2}}, "a has the key 1"),
        ({"a": Path("x")}, "a is a PosixPath"),
        ({1: 2, "b": 3}, "key 1"),
        ({"a": {2, 3}}, "a is a set"),
    ],
)
def test_what_has_no_canonical_form_is_refused_with_its_place(value: object, place: str) -> None:
    with pytest.raises(OrreryError, match=place):
        canonical(value)


def test_the_order_of_keys_stands_beside_the_digest() -> None:
    one, other = {"a": {"y": 1, "x": 2}}, {"a": {"x": 2, "y": 1}}
    assert digest(one) == digest(other)
    assert key_order(one) != key_order(other)
    assert key_order(other) == ""
