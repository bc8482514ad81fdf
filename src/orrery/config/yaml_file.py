"""A YAML file as plain data, with the line of every key.

Scalars are read as YAML 1.2 does, since YAML 1.1 (what PyYAML reads) surprises: there ``1e-3`` is text, ``no``
is false, ``010`` is eight and ``1:30`` is ninety. Keys are always text. A key written twice is an error, and so is
any tag, since a tag is how YAML builds objects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from orrery.config.errors import ConfigError, Problem

Key = tuple[str | int, ...]
"""A path of keys and list indices from the top of a file."""

# libyaml where the wheel has it: ten times faster, the same nodes
_Base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_LARGEST = 100_000
"""Values that a file may hold after its aliases are written out; more is a mistake or an attack."""

_DEEPEST = 60
"""Levels of nesting; more would exhaust the interpreter's stack further on."""


class _Loader(_Base):
    """The parser with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}


_TAG = "tag:yaml.org,2002:"
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(_TAG + _tag, re.compile(rf"^(?:{_pattern})$"), list(_first))


@dataclass(frozen=True)
class Document:
    """What a YAML file says.

    Attributes:
        file: the file's name as the user knows it, relative to the working directory where it lies below it.
        data: mapping, list or scalar; every key of a mapping is text.
        lines: one-based line of every key and list item.
    """

    file: str
    data: Any
    lines: dict[Key, int]


class _RefusedError(Exception):
    """A problem at a line of the file being read."""

    def __init__(self, line: int, key: Key, message: str) -> None:
        super().__init__(message)
        self.problem = (line, ".".join(map(str, key)), message)


def shown_path(path: Path) -> str:
    """Return a path as the user knows it: relative where it lies below the working directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def load_yaml(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        ConfigError: the file is missing, unreadable, no YAML, or has duplicate keys (all of them are told).
    """
    file = shown_path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError([Problem(file, None, "", "there is no such file")]) from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start})"
        raise ConfigError([Problem(file, None, "", message)]) from None
    except OSError as error:
        raise ConfigError([Problem(file, None, "", f"cannot be read: {error.strerror}")]) from None
    return parse_yaml(text, file)


def parse_yaml(text: str, file: str) -> Document:
    """Read YAML text; ``file`` is the name used in errors, which are those of ``load_yaml``."""
    try:
        _check_depth(text, file)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        context = f" {error.context}" if error.context else ""
        hint = " (indent with spaces)" if "\\t" in str(error.problem) or "\t" in str(error.problem) else ""
        raise ConfigError(
            [Problem(file, line, "", f"is not valid YAML: {error.problem}{context}{hint}")]
        ) from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0) or 0) + 1
        reason = getattr(error, "reason", None) or str(error).splitlines()[0]
        raise ConfigError([Problem(file, line, "", f"is not valid YAML: {reason}")]) from None
    if node is None:
        raise ConfigError([Problem(file, None, "", "is empty")])
    reader = _Reader()
    try:
        data = reader.value(node, (), ())
    except _RefusedError as refused:
        reader.problems.append(refused.problem)
        data = None
    if reader.problems:
        raise ConfigError(Problem(file, *problem) for problem in reader.problems)
    return Document(file, data, reader.lines)


def _check_depth(text: str, file: str) -> None:
    """Refuse deep nesting before nodes are made of it: libyaml makes them by recursion, without a limit."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            line = None if event.start_mark is None else event.start_mark.line + 1
            raise ConfigError([Problem(file, line, "", f"is nested more than {_DEEPEST} levels deep")])


class _Reader:
    """Turns nodes into data and remembers their lines."""

    def __init__(self) -> None:
        self.lines: dict[Key, int] = {}
        self.problems: list[tuple[int, str, str]] = []
        self._count = 0

    def value(self, node: Any, key: Key, parents: tuple[int, ...]) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(key, line)
        self._count += 1
        if id(node) in parents:
            raise _RefusedError(line, key, "refers to itself through an alias")
        if self._count > _LARGEST:
            raise _RefusedError(
                line, key, f"the file holds more than {_LARGEST} values with its aliases written out"
            )
        if len(parents) > _DEEPEST:  # through aliases
            raise _RefusedError(line, key, f"is nested more than {_DEEPEST} levels deep")
        inside = (*parents, id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return {
                name: self.value(child, (*key, name), inside)
                for name, child in self._pairs(node, key, inside)
            }
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(child, (*key, index), inside) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, line, key)
        raise _RefusedError(
            line, key, f"the tag {node.tag.replace(_TAG, '!!')} is not allowed; write plain values"
        )

    def _pairs(self, node: Any, key: Key, parents: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
        """Yield the pairs of a mapping; those merged with ``<<`` come first and give way to its own."""
        merged: dict[str, Any] = {}
        own: dict[str, tuple[int, Any]] = {}
        for name_node, child in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise _RefusedError(line, key, "a key must be text")
            name = name_node.value
            if name_node.tag == _TAG + "merge":
                sources = child.value if isinstance(child, yaml.SequenceNode) else [child]
                for source in sources:
                    if not isinstance(source, yaml.MappingNode) or id(source) in parents:
                        raise _RefusedError(line, (*key, name), "'<<' takes a mapping, or a list of mappings")
                    for merged_name, merged_child in self._pairs(source, key, (*parents, id(source))):
                        merged.setdefault(merged_name, merged_child)
                continue
            if name in own:
                shown = ".".join(map(str, (*key, name)))
                message = f"is written twice (first in line {own[name][0]}); keep one"
                self.problems.append((line, shown, message))
                continue
            own[name] = (line, child)
        # after those of merged mappings, so that a key's own line counts
        self.lines.update({(*key, name): line for name, (line, _) in own.items()})
        yield from ((name, child) for name, child in merged.items() if name not in own)
        yield from ((name, child) for name, (_, child) in own.items())


def _scalar(node: Any, line: int, key: Key) -> Any:
    """Return the value of a scalar node: None, a boolean, a number or text."""
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    try:
        if kind == "null":
            return None
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind == "int":
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            return int(text, base)
        if kind == "float":
            return float(re.sub(r"\.(?=[iInN])", "", text))
    except (ValueError, KeyError):
        raise _RefusedError(
            line, key, f"'{text}' is not a value of the type {node.tag.replace(_TAG, '!!')}"
        ) from None
    if kind in ("str", "merge"):
        return text
    raise _RefusedError(
        line, key, f"the tag {node.tag.replace(_TAG, '!!')} is not allowed; write plain values"
    )
