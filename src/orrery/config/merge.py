"""Laying one mapping over another, and setting one value deep inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orrery.config.errors import nearest

WAYS = (frozenset({"every", "window"}), frozenset({"logarithmic"}))
"""Keys of the ways to choose recorded steps, of which one holds."""


def deep_merge(base: Any, over: Any) -> Any:
    """Return ``base`` with ``over`` laid over it: mappings merge key by key, all else is replaced.

    ``null`` replaces too, and so does another way to choose recorded steps. Neither argument is changed; the result may
    share parts with both.
    """
    if not isinstance(base, Mapping) or not isinstance(over, Mapping) or _in_another_way(base, over):
        return over
    merged = dict(base)
    for key, value in over.items():
        merged[key] = deep_merge(merged[key], value) if key in merged else value
    return merged


def _in_another_way(base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
    ways = [next((way for way in WAYS if keys and way.issuperset(keys)), None) for keys in (base, over)]
    return None not in ways and ways[0] != ways[1]


def lay_over_left(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of a condition with those of a branch of it laid over them.

    As ``deep_merge``, but what a branch changes to another ``kind``, such as the optimizer, takes no settings over from
    the kind that was there.
    """
    return {**base, **{name: _lay_kinds(base.get(name), value) for name, value in over.items()}}


def _lay_kinds(base: Any, over: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(over, Mapping) or _in_another_way(base, over):
        return over
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        kinds = {part["kind"] for part in (known, value) if isinstance(part, Mapping) and "kind" in part}
        merged[key] = value if len(kinds) > 1 else _lay_kinds(known, value)
    return merged


def split_path(path: str) -> tuple[str | int, ...]:
    """Split ``system.network.hidden.0`` into its keys; a whole number is an index into a list."""
    return tuple(int(part) if part.isdecimal() else part for part in path.split("."))


def set_path(base: Any, path: Sequence[str | int], value: Any) -> Any:
    """Return ``base`` with the value at ``path`` replaced; mappings on the way are made where absent.

    Raises:
        LookupError: the path leads through a scalar, or to an item that a list does not have; the text says so.
    """
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(base, list):
        if not isinstance(key, int):
            raise LookupError(f"'{key}' names an item of a list; write its index, 0 to {len(base) - 1}")
        if key >= len(base):
            raise LookupError(f"the list has {len(base)} items, so there is no item {key} (counting from 0)")
        return [set_path(item, rest, value) if index == key else item for index, item in enumerate(base)]
    if isinstance(base, Mapping) or base is None:
        here = dict(base or {})
        name = str(key)
        if rest and isinstance(rest[0], int) and name not in here:
            raise LookupError(f"there is no list '{name}' in the study; {nearest(name, here)}")
        here[name] = set_path(here.get(name), rest, value)
        return here
    raise LookupError(f"'{key}' would lie inside of the plain value {base!r}")
