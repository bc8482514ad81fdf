"""A YAML file is read as YAML 1.2 reads scalars, with the line of every key, and refuses what is ambiguous."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orrery.config.errors import ConfigError
from orrery.config.yaml_file import load_yaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("12", 12),
        ("-7", -7),
        ("010", 10),
        ("0x1f", 31),
        ("true", True),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-31", "2024-01-31"),
        ("'1e-3'", "1e-3"),
        ("~", None),
        ("", None),
        ("mnist-5k", "mnist-5k"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    read = parse_yaml(f"key: {text}", "f.yaml").data["key"]
    assert read == value
    assert type(read) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives(number: float) -> None:
    read = parse_yaml(f"key: {number!r}", "f.yaml").data["key"]
    assert type(read) is float
    assert read == number


def test_keys_are_text_as_written() -> None:
    assert parse_yaml("{5: a, true: b, 0.10: c, null: d}", "f.yaml").data == {
        "5": "a",
        "true": "b",
        "0.10": "c",
        "null": "d",
    }


def test_lines_of_keys_and_items() -> None:
    document = parse_yaml("a:\n  b:\n    - 1\n    - c: 2\nd: 3\n", "f.yaml")
    assert document.data == {"a": {"b": [1, {"c": 2}]}, "d": 3}
    assert {key: document.lines[key] for key in [("a",), ("a", "b"), ("a", "b", 1, "c"), ("d",)]} == {
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "b", 1, "c"): 4,
        ("d",): 5,
    }


def test_merge_keys_give_way_to_own_keys() -> None:
    document = parse_yaml("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", "f.yaml")
    assert document.data["b"] == {"x": 1, "y": 3}
    assert document.lines["b", "y"] == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: [1, 2\nb: 3\n",
            "f.yaml:2: is not valid YAML: did not find expected ',' or ']' while parsing a flow",
        ),
        ("a: 1\n\tb: 2\n", "f.yaml:2: is not valid YAML"),
        ("a: 1\na: 2\n", "f.yaml:2: a: is written twice (first in line 1); keep one"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", "f.yaml:4: a.b: is written twice (first in line 2); keep one"),
        ("a: !!python/name:os.system x\n", "f.yaml:1: a: the tag !!python/name:os.system is not allowed"),
        ("a: !mine {b: 1}\n", "f.yaml:1: a: the tag !mine is not allowed"),
        ("a: !!int x\n", "f.yaml:1: a: 'x' is not a value of the type !!int"),
        ("a: &a [*a]\n", "f.yaml:1: a.0: refers to itself through an alias"),
        ("a: &a {<<: *a}\n", "f.yaml:1: a.<<: '<<' takes a mapping"),
        ("? [1]\n: 2\n", "f.yaml:1: a key must be text"),
        ("a: *nowhere\n", "f.yaml:1: is not valid YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: is not valid YAML"),
        ("", "f.yaml: is empty"),
        ("# nothing\n", "f.yaml: is empty"),
        ("a: " + "[" * 100 + "]" * 100, "f.yaml:1: is nested more than 60 levels deep"),
        ("a: " + "[" * 1_000_000, "f.yaml:1: is nested more than 60 levels deep"),
        ("- " * 100_000, "f.yaml:1: is nested more than 60 levels deep"),
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 70)),
            "is nested more than 60 levels deep",
        ),
        ("a: " + "1" * 5000, "is not a value of the type !!int"),
        ("a: \x00\n", "f.yaml:1: is not valid YAML"),
    ],
)
def test_what_is_refused_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f.yaml")
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)


def test_a_bomb_of_aliases_is_refused() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="more than 100000 values"):
        parse_yaml("\n".join(levels), "f.yaml")


def test_all_duplicates_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml("a: 1\na: 2\nb: {c: 1, c: 2}\n", "f.yaml")
    assert [problem.key for problem in caught.value.problems] == ["a", "b.c"]


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("title: Hénon".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load_yaml(tmp_path / "latin.yaml")
