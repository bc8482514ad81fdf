"""pydantic's findings in our words: what must be written, and what was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orrery.config.errors import nearest

MISSING = "is required and missing"
"""How the sentence about a missing key begins."""

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "null",
}
"""What each kind of mismatch wanted."""


def shown(value: Any) -> str:
    """Return a value as one would write it in the file, short."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if len(str(value)) > 60 else f"the list {json.dumps(value, default=str)}"
    if value is None:
        return "null"
    if isinstance(value, str):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "...'"
    return json.dumps(value, default=str)


def _typed(value: Any) -> str:
    """Return a value with its type, where that is what is wrong."""
    return f"{shown(value)} (text)" if isinstance(value, str) else shown(value)


def is_mismatch(error: Any) -> bool:
    """Whether a value is of another type (or another word) than a branch of a union wants."""
    return error["type"] in _EXPECTED or error["type"] == "literal_error"


def expected(error: Any) -> str:
    """Return what a mismatched value should have been."""
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"])
    return _EXPECTED[error["type"]]


def mismatch_of_all(errors: Sequence[Any]) -> str:
    """Tell that a value fits no branch of a union."""
    wanted = dict.fromkeys(expected(error) for error in errors)
    return f"must be {' or '.join(wanted)}, not {_typed(errors[0]['input'])}"


def message_of(error: Any) -> str:
    """Return the sentence for one finding of pydantic."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {_typed(value)}{_hint(kind, value)}"
    if kind in _SENTENCES:
        return _SENTENCES[kind](value, context)
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", error["msg"]))
    return f"{error['msg'].removeprefix('Input ').lower()}, not {shown(value)}"


def _hint(kind: str, value: Any) -> str:
    if kind == "string_type" and isinstance(value, int | float):
        return "; write it in quotes"
    if kind.startswith("int") and isinstance(value, float) and value.is_integer():
        return f"; write {int(value)}"
    if kind.startswith(("int", "float")) and isinstance(value, str):
        plain = value.replace("_", "").replace(" ", "").replace(",", ".")
        try:
            number = float(plain)
        except ValueError:
            return ""
        return f"; write {plain} without quotes" if number == number else ""
    return ""


def _choice(value: Any, context: Mapping[str, Any]) -> str:
    words = str(context["expected"]).replace(" or ", ", ").split(", ")
    names = [word.strip("'") for word in words]
    return f"{shown(value)} is not allowed; {_all_and_nearest(str(value), names)}"


def _tag(value: Any, context: Mapping[str, Any]) -> str:
    names = [tag.strip("'") for tag in str(context["expected_tags"]).split(", ")]
    tag = str(context["tag"])
    return f"{shown(tag)} is not allowed; {_all_and_nearest(tag, names)}"


def _all_and_nearest(word: str, names: Sequence[str]) -> str:
    guess = nearest(word, names)
    allowed = f"allowed are {', '.join(names)}"
    return f"{allowed}; {guess}" if guess.startswith("did") else allowed


def _bound(words: str, key: str) -> Callable[[Any, Mapping[str, Any]], str]:
    return lambda value, context: f"must be {words} {context[key]:g}, not {shown(value)}"


def _items(context: Mapping[str, Any], key: str) -> str:
    count = context[key]
    return f"{count} item{'' if count == 1 else 's'}, not {context['actual_length']}"


_SENTENCES: dict[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "missing": lambda value, context: MISSING,
    "literal_error": _choice,
    "enum": _choice,
    "union_tag_invalid": _tag,
    "union_tag_not_found": lambda value, context: f"{MISSING}; it says what kind this is",
    "greater_than": _bound("greater than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "multiple_of": _bound("a multiple of", "multiple_of"),
    "finite_number": lambda value, context: "must be a finite number",
    "string_pattern_mismatch": lambda value, context: (
        f"{shown(value)} does not match the pattern {context['pattern']}"
    ),
    "string_too_short": lambda value, context: (
        "must not be empty"
        if context["min_length"] == 1
        else f"must have at least {context['min_length']} characters"
    ),
    "string_too_long": lambda value, context: f"must have at most {context['max_length']} characters",
    "too_short": lambda value, context: (
        "must not be empty"
        if context["min_length"] == 1
        else f"must have at least {_items(context, 'min_length')}"
    ),
    "too_long": lambda value, context: f"must have at most {_items(context, 'max_length')}",
}
