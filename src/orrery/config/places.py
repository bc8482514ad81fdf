"""Where a setting was written: the file, the line and the key behind a value that several layers made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from orrery.config.errors import ConfigError, Problem
from orrery.config.yaml_file import Document, Key


@dataclass(frozen=True)
class Place:
    """File, line and key of a value, how much of the path was found, and the path if the key is another."""

    file: str
    line: int | None
    key: Key
    depth: float
    about: str = ""


class Layer(Protocol):
    """One source of settings."""

    def find(self, path: Key) -> Place | None:
        """Return the place of the longest part of ``path`` that this layer wrote, or None."""


@dataclass(frozen=True)
class Written:
    """What a document says below ``prefix``; a partial layer need not have what is missing from the whole."""

    document: Document
    prefix: Key = ()
    partial: bool = False

    def find(self, path: Key) -> Place | None:
        for depth in range(len(path), -1, -1):
            line = self.document.lines.get((*self.prefix, *path[:depth]))
            if line is not None:
                return Place(self.document.file, line, (*self.prefix, *path), depth)
        return None


@dataclass(frozen=True)
class Set:
    """One value put at ``target`` by a grid, which says so at ``source``."""

    target: Key
    source: Place

    def find(self, path: Key) -> Place | None:
        shared = min(len(path), len(self.target))
        if tuple(map(str, path[:shared])) != tuple(map(str, self.target[:shared])):
            return None
        # of a mapping on the way to the target only what no file wrote is the grid's doing
        depth = len(path) if shared == len(self.target) else len(path) - 0.5
        return replace(self.source, depth=depth, about=".".join(map(str, path)))


@dataclass(frozen=True)
class Elsewhere:
    """Values that come from no file, such as ``--config scale=paper``."""

    name: str
    keys: frozenset[Key]

    @classmethod
    def of(cls, name: str, data: object) -> Elsewhere:
        """Cover all keys of a nested mapping."""
        return cls(name, frozenset(_keys(data, ())))

    def find(self, path: Key) -> Place | None:
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.keys:
                return Place(self.name, None, path, depth)
        return None


def _keys(data: object, prefix: Key) -> Iterable[Key]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield (*prefix, str(key))
            yield from _keys(value, (*prefix, str(key)))


@dataclass(frozen=True)
class Places:
    """Layers, the lowest first; of equally good places the one of the higher layer counts."""

    layers: tuple[Layer, ...]

    def over(self, *layers: Layer) -> Places:
        """Return these places with more layers on top."""
        return Places((*self.layers, *layers))

    def locate(self, path: Key, *, missing: bool = False) -> Place:
        """Return where the value at ``path`` was written, or else the nearest mapping around it.

        Of several equally near ones it is that of the highest layer. For a ``missing`` value, partial layers do
        not count, since they need not have it.
        """
        best: Place | None = None
        for layer in self.layers:
            if missing and isinstance(layer, Written) and layer.partial:
                continue
            place = layer.find(path)
            if place is not None and (best is None or place.depth >= best.depth):
                best = place
        assert best is not None, "the lowest layer is a document, which finds every path"
        return best

    def problem(self, path: Key, message: str, *, missing: bool = False) -> Problem:
        """Return the problem ``message`` at ``path``."""
        place = self.locate(path, missing=missing)
        if place.about:
            message = f"{place.about} {message}"
        return Problem(place.file, place.line, ".".join(map(str, place.key)), message)


@dataclass
class Problems:
    """Problems in the order in which they were met, each told once."""

    found: dict[Problem, None] = field(default_factory=dict)

    def add(self, *problems: Problem) -> None:
        """Remember problems."""
        self.found.update(dict.fromkeys(problems))

    def __len__(self) -> int:
        return len(self.found)

    def raise_if_any(self) -> None:
        """Raise ``ConfigError`` with all problems, in the order of files and lines, if there are any."""
        if self.found:
            raise ConfigError(self.in_order())

    def in_order(self) -> list[Problem]:
        """Return the problems file by file, line by line."""
        files = list(dict.fromkeys(problem.file for problem in self.found))
        return sorted(self.found, key=lambda problem: (files.index(problem.file), problem.line or 0))
