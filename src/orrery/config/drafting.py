"""The conditions of a study before their sections are checked: names, and the data that hold in each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orrery.config.conditions import Cell, Grid, GridError, Setting, expand
from orrery.config.errors import nearest
from orrery.config.merge import deep_merge, set_path
from orrery.config.places import Layer, Places, Problems, Set, Written
from orrery.config.study_file import SECTIONS, Override
from orrery.config.validation import validate
from orrery.config.yaml_file import Document, Key

_SAFE = re.compile(r"[A-Za-z0-9_=+][A-Za-z0-9_.=,+-]*")
_LONGEST = 120


@dataclass(frozen=True)
class Draft:
    """A condition whose sections are not checked yet.

    Attributes:
        name: its name; empty for the study itself, which stands in where no condition could be made.
        axes: its place on the axes of a grid, or on those that a named condition gives.
        data: what each section says, the study's settings and the condition's laid over each other.
        places: where that was written.
    """

    name: str
    axes: Mapping[str, Any]
    data: Mapping[str, Any]
    places: Places


@dataclass(frozen=True)
class Drafter:
    """Makes the drafts of one study at one scale; ``prefixes`` are the keys below which settings are written."""

    document: Document
    prefixes: tuple[Key, ...]
    places: Places
    problems: Problems

    def drafts(self, data: Mapping[str, Any]) -> list[Draft]:
        """Return all conditions that can be made of the data of a study; at least one, to have something checked."""
        base = {section: data.get(section) for section in SECTIONS}
        conditions = data.get("conditions")
        drafts: list[Draft] = []
        for name, over in (conditions if isinstance(conditions, Mapping) else {}).items():
            made = self._grid(over, base) if name == "grid" else self._named(name, over, base)
            for draft in made:
                key: Key = ("conditions", name)
                if not _SAFE.fullmatch(draft.name) or len(draft.name) > _LONGEST:
                    message = (
                        f"'{draft.name}' cannot name a condition, since names become file names; "
                        f"use at most {_LONGEST} letters, digits and . _ = , + -"
                    )
                    self.problems.add(self.places.problem(key, message))
                elif draft.name in (other.name for other in drafts):
                    self.problems.add(
                        self.places.problem(key, f"there are two conditions named '{draft.name}'; rename one")
                    )
                else:
                    drafts.append(draft)
        return drafts or [Draft("", {}, base, self.places)]

    def _named(self, name: str, over: Any, base: Mapping[str, Any]) -> Iterable[Draft]:
        key: Key = ("conditions", name)
        if validate(Override, over or {}, self.places, key, self.problems) is None:
            return
        changes = {section: value for section, value in (over or {}).items() if value is not None}
        known = base["analyses"] or {}
        for analysis in changes.get("analyses", {}):
            if analysis not in known:
                message = f"there is no analysis '{analysis}' in this study; {nearest(analysis, known)}"
                self.problems.add(self.places.problem((*key, "analyses", analysis), message))
        layers = (Written(self.document, (*prefix, *key)) for prefix in self.prefixes)
        # a section that a condition sets to null is the study's no more; a dataset can be dropped so
        data = deep_merge(base, over or {})
        yield Draft(name, dict((over or {}).get("axes") or {}), data, self.places.over(*layers))

    def _grid(self, data: Any, base: Mapping[str, Any]) -> Iterable[Draft]:
        key: Key = ("conditions", "grid")
        grid = validate(Grid, data, self.places, key, self.problems)
        if grid is None:
            return
        try:
            cells = expand(grid)
        except GridError as error:
            self.problems.add(self.places.problem((*key, *error.key), str(error)))
            return
        for cell in cells:
            draft = self._cell(key, cell, base)
            if draft is not None:
                yield draft

    def _cell(self, key: Key, cell: Cell, base: Mapping[str, Any]) -> Draft | None:
        data: Any = base
        layers: list[Layer] = []
        for setting in cell.settings:
            source: Key = (*key, *setting.source)
            try:
                _check_analysis(setting, base)
                data = set_path(data, setting.path, setting.value)
            except LookupError as error:
                message = f"{'.'.join(map(str, setting.path))} cannot be set: {error.args[0]}"
                self.problems.add(self.places.problem(source, message))
                return None
            layers.append(Set(setting.path, self.places.locate(source)))
        return Draft(cell.name, cell.axes, data, self.places.over(*layers))


def _check_analysis(setting: Setting, base: Mapping[str, Any]) -> None:
    """Refuse to make up an analysis by setting something in it."""
    known = base.get("analyses") or {}
    if setting.path[0] == "analyses" and (len(setting.path) < 3 or setting.path[1] not in known):
        word = str(setting.path[1]) if len(setting.path) > 1 else ""
        raise LookupError(
            f"write analyses.<name>.<setting> with an analysis of the study; {nearest(word, known)}"
        )
