"""Conditions: named overrides, or a grid of axes with zipped axes and derived values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from orrery.config.arithmetic import Value, calculate
from orrery.config.closed import Closed
from orrery.config.errors import OrreryError, nearest
from orrery.config.merge import split_path
from orrery.config.study_file import SECTIONS
from orrery.config.texts import Form
from orrery.config.yaml_file import Key

AxisName = Annotated[
    str, Form(r"^[A-Za-z][A-Za-z0-9_]*$", "a name of letters, digits and _ (it can stand in arithmetic)")
]

_LABEL = re.compile(r"[A-Za-z0-9_.+-]+")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else [] if value is None else value


def _target(path: str) -> str:
    first = path.split(".", maxsplit=1)[0]
    if first not in SECTIONS:
        raise ValueError(
            f"'{path}' starts with '{first}', which no condition can change; {nearest(first, SECTIONS)}"
        )
    if "" in path.split("."):
        raise ValueError(f"'{path}' has an empty part; write keys joined by single dots")
    return path


Targets = Annotated[
    tuple[Annotated[str, BeforeValidator(_target)], ...],
    BeforeValidator(_as_list, json_schema_input_type=str | tuple[str, ...] | None),
]


class Axis(Closed):
    """One axis of a grid."""

    values: tuple[Any, ...] | dict[str, Any] = Field(description="a list of values, or {label: value}")
    sets: Targets = Field((), description="dotted path of what is set (system.optimizer.rate), or several")
    default: Any = Field(None, description="value (or label) that is left out of the names of conditions")

    @model_validator(mode="after")
    def _known_default(self) -> Self:
        if not self.values:
            raise ValueError("has no values; give at least one")
        for label in self.labels:
            if not _LABEL.fullmatch(label):
                raise ValueError(
                    f"the value '{label}' cannot stand in the name of a condition; write values as a mapping "
                    "{label: value} with labels of letters, digits, . _ + -"
                )
        if "default" in self.model_fields_set and _text(self.default) not in self.labels:
            raise ValueError(f"default {_text(self.default)} is none of the values {', '.join(self.labels)}")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"values has one twice: {', '.join(self.labels)}")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The values as they stand in names of conditions."""
        if isinstance(self.values, dict):
            return tuple(self.values)
        return tuple(_text(value) for value in self.values)

    @property
    def points(self) -> tuple[Point, ...]:
        """The values with their labels and coordinates."""
        named = isinstance(self.values, dict)
        values = tuple(self.values.values()) if isinstance(self.values, dict) else self.values
        default = _text(self.default) if "default" in self.model_fields_set else None
        return tuple(
            Point(label, value, label if named else value, label == default)
            for label, value in zip(self.labels, values, strict=True)
        )


class Derived(Closed):
    """A value calculated from those of the axes."""

    value: str | int | float = Field(description='arithmetic on the axes, such as "320 // width"')
    sets: Targets = Field((), description="dotted path of what is set, or several")


class Grid(Closed):
    """All combinations of the values of some axes."""

    axes: dict[AxisName, Axis] = Field(description="axes by name; the first varies slowest")
    zip: tuple[tuple[str, ...], ...] = Field((), description="groups of axes that advance together")
    derive: dict[AxisName, Derived] = Field({}, description="values calculated from those of the axes")

    @field_validator("axes")
    @classmethod
    def _some(cls, axes: dict[str, Axis]) -> dict[str, Axis]:
        if not axes:
            raise ValueError("is empty; a grid needs at least one axis")
        return axes

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        zipped = [name for group in self.zip for name in group]
        for name in zipped:
            if name not in self.axes:
                raise ValueError(f"zip names '{name}', which is no axis; {nearest(name, self.axes)}")
            if zipped.count(name) > 1:
                raise ValueError(f"zip names the axis '{name}' twice; it can advance with one group only")
        for group in self.zip:
            lengths = {name: len(self.axes[name].values) for name in group}
            if len(set(lengths.values())) > 1:
                told = ", ".join(f"{name} has {count}" for name, count in lengths.items())
                raise ValueError(f"zipped axes need equally many values, but {told}")
        for name in self.derive:
            if name in self.axes:
                raise ValueError(f"'{name}' is both an axis and a derived value; rename one")
        owners: dict[str, str] = {}
        items: list[tuple[str, Axis | Derived]] = [*self.axes.items(), *self.derive.items()]
        for name, item in items:
            for target in item.sets:
                if target in owners:
                    raise ValueError(f"{target} is set by both '{owners[target]}' and '{name}'; keep one")
                owners[target] = name
        return self


@dataclass(frozen=True)
class Point:
    """One value of an axis: label, value that is set, coordinate, and whether names leave it out."""

    label: str
    value: Any
    coordinate: Any
    default: bool


@dataclass(frozen=True)
class Setting:
    """A value that a grid puts at a path of the study; ``source`` is the key of the grid that says so."""

    path: Key
    value: Any
    source: Key


@dataclass(frozen=True)
class Cell:
    """One condition of a grid."""

    name: str
    axes: Mapping[str, Any]
    settings: tuple[Setting, ...]


def expand(grid: Grid) -> tuple[Cell, ...]:
    """Return the conditions of a grid, the first axis varying slowest.

    Raises:
        GridError: a derived value cannot be calculated.
    """
    groups: list[tuple[str, ...]] = []
    for name in grid.axes:
        group = next((group for group in grid.zip if name in group), (name,))
        if group not in groups:
            groups.append(group)
    steps = [list(zip(*(grid.axes[name].points for name in group), strict=True)) for group in groups]
    cells = []
    for combination in itertools.product(*steps):
        chosen = {
            name: point
            for group, points in zip(groups, combination, strict=True)
            for name, point in zip(group, points, strict=True)
        }
        cells.append(_cell(grid, {name: chosen[name] for name in grid.axes}))
    return tuple(cells)


class GridError(OrreryError):
    """Something wrong at ``key`` of the grid."""

    def __init__(self, key: Key, message: str) -> None:
        super().__init__(message)
        self.key = key


def _cell(grid: Grid, chosen: Mapping[str, Point]) -> Cell:
    settings = [
        Setting(split_path(target), point.value, ("axes", name))
        for name, point in chosen.items()
        for target in grid.axes[name].sets
    ]
    numbers: dict[str, Value] = {
        name: point.value for name, point in chosen.items() if type(point.value) in (int, float)
    }
    for name, derived in grid.derive.items():
        try:
            value = calculate(derived.value, numbers) if isinstance(derived.value, str) else derived.value
        except OrreryError as error:
            raise GridError(("derive", name, "value"), str(error)) from None
        if not isinstance(value, bool):
            numbers[name] = value
        settings += [Setting(split_path(target), value, ("derive", name)) for target in derived.sets]
    name = ",".join(f"{axis}={point.label}" for axis, point in chosen.items() if not point.default)
    coordinates = {axis: point.coordinate for axis, point in chosen.items()}
    return Cell(name or "default", coordinates, tuple(settings))


def _text(value: Any) -> str:
    """Return a value as it stands in the name of a condition."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
