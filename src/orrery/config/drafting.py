"""The conditions of a study before their sections are checked: names, and the data that hold in each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orrery.config.conditions import Grid, GridError, Setting, expand
from orrery.config.errors import nearest
from orrery.config.merge import deep_merge, lay_over_left, set_path
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
        data: what each section says, the study's settings and the condition's laid over each other; of a branch with
            those of the condition that it leaves between them.
        places: where that was written.
    """

    name: str
    axes: Mapping[str, Any]
    data: Mapping[str, Any]
    places: Places


@dataclass(frozen=True)
class _Outline:
    """What a condition changes, before it is known of what.

    Attributes:
        name: its name.
        axes: its place on the axes of a grid.
        key: where it was written.
        over: what a named condition changes; ``None`` for one of a grid.
        settings: what a grid changes.
    """

    name: str
    axes: Mapping[str, Any]
    key: Key
    over: Mapping[str, Any] | None
    settings: tuple[Setting, ...] = ()

    @property
    def leaves(self) -> str | None:
        """The name of the condition that it leaves, as far as that was written; ``None`` for one that is no branch."""
        data: Any = {"branch": (self.over or {}).get("branch")}
        for setting in self.settings:
            if setting.path[0] == "branch":
                data = set_path(data, setting.path, setting.value)
        branch = data["branch"]
        name = branch.get("of") if isinstance(branch, Mapping) else None
        return name if isinstance(name, str) else None


@dataclass(frozen=True)
class Drafter:
    """Makes the drafts of one study at one scale; ``prefixes`` are the keys below which settings are written."""

    document: Document
    prefixes: tuple[Key, ...]
    places: Places
    problems: Problems

    def drafts(self, data: Mapping[str, Any]) -> list[Draft]:
        """Return all conditions that can be made of the data of a study; at least one, to have something checked."""
        base = {section: data.get(section) for section in SECTIONS} | {"branch": None}
        conditions = data.get("conditions")
        outlines: dict[str, _Outline] = {}
        for name, over in (conditions if isinstance(conditions, Mapping) else {}).items():
            made = self._grid(over) if name == "grid" else self._named(name, over, base)
            for outline in made:
                if not _SAFE.fullmatch(outline.name) or len(outline.name) > _LONGEST:
                    message = (
                        f"'{outline.name}' cannot name a condition, since names become file names; "
                        f"use at most {_LONGEST} letters, digits and . _ = , + -"
                    )
                    self.problems.add(self.places.problem(outline.key, message))
                elif outline.name in outlines:
                    message = f"there are two conditions named '{outline.name}'; rename one"
                    self.problems.add(self.places.problem(outline.key, message))
                else:
                    outlines[outline.name] = outline
        drafts = [self._draft(outline, outlines, base) for outline in outlines.values()]
        return [draft for draft in drafts if draft is not None] or [Draft("", {}, base, self.places)]

    def _draft(
        self, outline: _Outline, outlines: Mapping[str, _Outline], base: Mapping[str, Any]
    ) -> Draft | None:
        """Lay a condition over the study; a branch over the condition that it leaves."""
        chain = [outline]
        # one that leaves itself in the end is told later
        while (left := outlines.get(chain[-1].leaves or "")) is not None and left not in chain:
            chain.append(left)
        data = base
        places = self.places
        for one in reversed(chain):
            layers: list[Layer] = []
            laid = self._laid(data if one is chain[-1] else _handed_on(data), one, layers)
            if laid is None:
                return None
            data = laid
            places = places.over(*layers)
        return Draft(outline.name, outline.axes, data, places)

    def _laid(
        self, data: Mapping[str, Any], outline: _Outline, layers: list[Layer]
    ) -> Mapping[str, Any] | None:
        """Lay what a condition changes over some settings, and add where that was written to ``layers``."""
        if outline.over is None:
            return self._laid_cell(data, outline, layers)
        layers += (Written(self.document, (*prefix, *outline.key)) for prefix in self.prefixes)
        # a section that a condition sets to null is the study's no more; a dataset can be dropped so
        if outline.leaves is not None:
            return lay_over_left(data, outline.over)
        laid: Mapping[str, Any] = deep_merge(data, outline.over)
        return laid

    def _laid_cell(
        self, data: Mapping[str, Any], outline: _Outline, layers: list[Layer]
    ) -> Mapping[str, Any] | None:
        laid: Mapping[str, Any] = data
        for setting in outline.settings:
            source: Key = (*outline.key, *setting.source)
            try:
                _check_analysis(setting, data)
                laid = set_path(laid, setting.path, setting.value)
            except LookupError as error:
                message = f"{'.'.join(map(str, setting.path))} cannot be set: {error.args[0]}"
                self.problems.add(self.places.problem(source, message))
                return None
            layers.append(Set(setting.path, self.places.locate(source)))
        return laid

    def _named(self, name: str, over: Any, base: Mapping[str, Any]) -> Iterable[_Outline]:
        key: Key = ("conditions", name)
        if validate(Override, over or {}, self.places, key, self.problems) is None:
            return
        changes = {section: value for section, value in (over or {}).items() if value is not None}
        known = base["analyses"] or {}
        for analysis in changes.get("analyses", {}):
            if analysis not in known:
                message = f"there is no analysis '{analysis}' in this study; {nearest(analysis, known)}"
                self.problems.add(self.places.problem((*key, "analyses", analysis), message))
        yield _Outline(name, dict((over or {}).get("axes") or {}), key, over or {})

    def _grid(self, data: Any) -> Iterable[_Outline]:
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
            yield _Outline(cell.name, cell.axes, key, None, cell.settings)


def _handed_on(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a branch takes over of the condition that it leaves: all but what that leaves, and with whom it trains."""
    training = {key: value for key, value in (data.get("training") or {}).items() if key != "together"}
    return {**data, "branch": None, "training": training}


def _check_analysis(setting: Setting, base: Mapping[str, Any]) -> None:
    """Refuse to make up an analysis by setting something in it."""
    known = base.get("analyses") or {}
    if setting.path[0] == "analyses" and (len(setting.path) < 3 or setting.path[1] not in known):
        word = str(setting.path[1]) if len(setting.path) > 1 else ""
        raise LookupError(
            f"write analyses.<name>.<setting> with an analysis of the study; {nearest(word, known)}"
        )
