"""From the data of one study file to a resolved study: scale, conditions, settings of extensions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from orrery.config import extensions
from orrery.config.claims import Scale
from orrery.config.conditions import Grid, GridError, Setting, expand
from orrery.config.errors import OrreryError, nearest
from orrery.config.merge import deep_merge, set_path
from orrery.config.places import Places, Problems, Set, Written
from orrery.config.study import Condition, ResolvedStudy
from orrery.config.sections import Copies, Device, Record, Streams, Training
from orrery.config.study_file import SECTIONS, Override, StudyFile
from orrery.config.validation import validate
from orrery.config.yaml_file import Document, Key

MODELS: dict[str, type[BaseModel]] = {
    "training": Training,
    "streams": Streams,
    "copies": Copies,
    "record": Record,
}
"""The sections whose shape does not depend on an extension."""

ANALYSIS_KEYS = ("method", "of", "conditions", "gather", "steps")
"""What the settings of every analysis have."""

_SAFE = re.compile(r"[A-Za-z0-9_=+][A-Za-z0-9_.=,+-]*")
_ANALYSIS = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_LONGEST_NAME = 120


@dataclass(frozen=True)
class _Draft:
    """A condition before its sections are checked."""

    name: str
    key: Key
    axes: Mapping[str, Any]
    data: Mapping[str, Any]
    places: Places


class Resolver:
    """Resolves one study file at one scale; collects problems instead of raising them."""

    def __init__(self, document: Document, scale: Scale, device: Device, problems: Problems) -> None:
        self.document = document
        self.scale = scale
        self.device = device
        self.problems = problems
        self._checked: dict[tuple[str, str], Any] = {}

    def resolve(self, path: Path) -> ResolvedStudy | None:
        """Return the study, or None where there were problems."""
        before = len(self.problems)
        places = Places((Written(self.document),))
        data = self.document.data
        if not isinstance(data, Mapping):
            self.problems.add(
                places.problem((), "must be a mapping of keys such as title, system, conditions")
            )
            return None
        scales = data.get("scales")
        over = scales.get(self.scale) if isinstance(scales, Mapping) else None
        if isinstance(over, Mapping):
            if "scales" in over:
                self.problems.add(places.problem(("scales", self.scale, "scales"), "scales cannot be nested"))
                return None
            data = deep_merge(data, over)
            places = places.over(Written(self.document, ("scales", self.scale)))
        study = validate(StudyFile, data, places, (), self.problems)
        if study is None:
            # what the extensions say about the well-formed rest is told in the same go
            data = {
                key: value for key, value in data.items() if key not in SECTIONS or _well_formed(key, value)
            }
        analyses = self._analyses(data.get("analyses") or {}, places)
        drafts = self._drafts(data, places)
        conditions = {draft.name: self._condition(draft, analyses) for draft in drafts}
        if len(self.problems) > before or study is None:
            return None
        return ResolvedStudy(
            name=path.stem,
            path=path,
            title=study.title,
            summary=study.summary,
            paper=study.paper,
            scale=self.scale,
            conditions={name: condition for name, condition in conditions.items() if condition is not None},
            analyses={name: settings for name, settings in analyses.items() if settings is not None},
            claims=study.claims,
            figures=study.figures,
        )

    # conditions -------------------------------------------------------------------------------------------------

    def _drafts(self, data: Mapping[str, Any], places: Places) -> list[_Draft]:
        """Expand the conditions; where there is none to be had, the study itself is checked in their place."""
        base = {section: data.get(section) for section in SECTIONS}
        drafts: list[_Draft] = []
        conditions = data.get("conditions")
        for name, over in (conditions if isinstance(conditions, Mapping) else {}).items():
            key: Key = ("conditions", name)
            if name == "grid":
                drafts += self._grid_drafts(over, base, places)
            elif validate(Override, over or {}, places, key, self.problems) is not None:
                self._check_name(name, places, key)
                self._check_analyses_known((over or {}).get("analyses"), base, places, key)
                merged = {
                    section: deep_merge(base[section], (over or {}).get(section, base[section]))
                    for section in SECTIONS
                }
                drafts.append(_Draft(name, key, {}, merged, places.over(*self._layers(key))))
        seen: set[str] = set()
        for draft in drafts:
            if draft.name in seen:
                self.problems.add(places.problem(draft.key, f"there are two conditions named '{draft.name}'"))
            seen.add(draft.name)
        return drafts or [_Draft("", (), {}, base, places)]

    def _layers(self, key: Key) -> Iterable[Written]:
        yield Written(self.document, key)
        yield Written(self.document, ("scales", self.scale, *key))

    def _grid_drafts(self, data: Any, base: Mapping[str, Any], places: Places) -> Iterable[_Draft]:
        key: Key = ("conditions", "grid")
        grid = validate(Grid, data, places, key, self.problems)
        if grid is None:
            return
        try:
            cells = expand(grid)
        except GridError as error:
            self.problems.add(places.problem((*key, *error.key), str(error)))
            return
        for cell in cells:
            merged: Any = base
            layers = []
            for setting in cell.settings:
                try:
                    self._check_setting(setting, base)
                    merged = set_path(merged, setting.path, setting.value)
                except LookupError as error:
                    shown = ".".join(map(str, setting.path))
                    message = f"{shown} cannot be set: {error.args[0]}"
                    self.problems.add(places.problem((*key, *setting.source), message))
                    return
                source = places.locate((*key, *setting.source)).key
                layers.append(Set(self.document, setting.path, source))
            self._check_name(cell.name, places, (*key, "axes"))
            yield _Draft(cell.name, key, cell.axes, merged, places.over(*layers))

    def _check_setting(self, setting: Setting, base: Mapping[str, Any]) -> None:
        known = base.get("analyses") or {}
        if setting.path[0] == "analyses" and (len(setting.path) < 3 or setting.path[1] not in known):
            word = str(setting.path[1]) if len(setting.path) > 1 else ""
            raise LookupError(
                f"write analyses.<name>.<setting> with an analysis of the study; {nearest(word, known)}"
            )

    def _check_name(self, name: str, places: Places, key: Key) -> None:
        if not _SAFE.fullmatch(name) or len(name) > _LONGEST_NAME:
            message = (
                f"'{name}' cannot name a condition; use up to {_LONGEST_NAME} letters, digits and . _ = , + - "
                "(names become file names)"
            )
            self.problems.add(places.problem(key, message))

    def _check_analyses_known(self, over: Any, base: Mapping[str, Any], places: Places, key: Key) -> None:
        known = base["analyses"] if isinstance(base["analyses"], Mapping) else {}
        for name in over or {}:
            if name not in known:
                message = f"there is no analysis '{name}' in this study; {nearest(name, known)}"
                self.problems.add(places.problem((*key, "analyses", name), message))

    def _condition(self, draft: _Draft, analyses: Mapping[str, BaseModel | None]) -> Condition | None:
        data, places = draft.data, draft.places
        before = len(self.problems)
        sections: dict[str, Any] = {}
        for section, model in MODELS.items():
            value = data.get(section) or {}
            if section == "training" and isinstance(value, Mapping):
                value = {"device": self.device} | dict(value)
            sections[section] = self._once(section, model, value, places)
        dataset = self._extension("data", data.get("dataset"), places, "dataset")
        system = self._extension("systems", data.get("system"), places, "system")
        if data.get("system") is None:
            message = "is required and missing: the study or the condition says what evolves"
            self.problems.add(places.problem(("system",), message))
        settings: dict[str, BaseModel] = {}
        entries = data.get("analyses") or {}
        for name, shared in analyses.items():
            if shared is None or name not in entries:
                continue
            own = self._analysis(name, entries[name], places)
            if own is None:
                continue
            self._check_shared(name, shared, own, places)
            if any(fnmatchcase(draft.name, pattern) for pattern in getattr(shared, "conditions", ())):
                settings[name] = own
        if len(self.problems) > before or system is None:
            return None
        condition = Condition(draft.name, draft.axes, dataset, system, analyses=settings, **sections)
        self._check_windows(condition, places)
        return condition

    def _check_shared(self, name: str, shared: BaseModel, own: BaseModel, places: Places) -> None:
        for key in ("method", "of", "conditions", "gather", "compare"):
            if getattr(shared, key, None) != getattr(own, key, None):
                message = "is the same for all conditions; change it in the study's analyses, or name a second analysis"
                self.problems.add(places.problem(("analyses", name, key), message))

    def _check_windows(self, condition: Condition, places: Places) -> None:
        steps = condition.training.steps
        window = getattr(condition.record.steps, "window", None)
        if window is not None and window[1] > steps:
            message = f"ends at step {window[1]}, but training.steps is {steps}"
            self.problems.add(places.problem(("record", "steps", "window"), message))
        for name, settings in condition.analyses.items():
            window = getattr(settings, "steps", None)
            if window is None:
                continue
            place = ("analyses", name, "steps")
            if not 0 <= window[0] <= window[1]:
                message = f"must be [first, last] with 0 <= first <= last, not {list(window)}"
                self.problems.add(places.problem(place, message))
            elif window[1] > steps:
                message = f"ends at step {window[1]}, but training.steps is {steps} in '{condition.name}'"
                self.problems.add(places.problem(place, message))

    # what extensions check --------------------------------------------------------------------------------------

    def _once(self, section: str, model: type[BaseModel], data: Any, places: Places, at: Key = ()) -> Any:
        """Check a section; the same data that passed for an earlier condition are not checked again."""
        text = (section, json.dumps(data, sort_keys=True, default=str))
        if text not in self._checked:
            checked = validate(model, data, places, at or (section,), self.problems)
            if checked is None:
                return None
            self._checked[text] = checked
        return self._checked[text]

    def _extension(
        self, family: extensions.Family, data: Any, places: Places, section: str
    ) -> dict[str, Any] | None:
        """Check the settings of a system or dataset and return them as plain JSON with all defaults."""
        if data is None:
            return None
        key = extensions.KEYS[family]
        model = self._model(family, data, places, (section,))
        if model is None:
            return None
        # the choosing key need not be a setting of the module
        given = data if key in model.model_fields else {name: data[name] for name in data if name != key}
        settings: BaseModel | None = self._once(section, model, given, places)
        return (
            None if settings is None else {key: data[key]} | settings.model_dump(mode="json", by_alias=True)
        )

    def _model(self, family: extensions.Family, data: Any, places: Places, at: Key) -> type[BaseModel] | None:
        key = extensions.KEYS[family]
        if not isinstance(data, Mapping):
            self.problems.add(places.problem(at, f"must be a mapping with the key '{key}', not {data!r}"))
            return None
        if key not in data:
            known = ", ".join(extensions.built_in(family))
            message = f"is required and missing; built in are {known}" if known else "is required and missing"
            self.problems.add(places.problem((*at, key), message))
            return None
        try:
            return extensions.settings_of(extensions.load(family, data[key]))
        except OrreryError as error:
            self.problems.add(places.problem((*at, key), str(error)))
            return None

    def _analysis(self, name: str, data: Any, places: Places) -> BaseModel | None:
        at: Key = ("analyses", name)
        model = self._model("analyses", data, places, at)
        if model is None:
            return None
        missing = [key for key in ANALYSIS_KEYS if key not in model.model_fields]
        if missing:
            message = (
                f"the settings of '{data['method']}' lack {', '.join(missing)}; "
                "derive them from orrery.analyses.api.AnalysisSettings"
            )
            self.problems.add(places.problem((*at, "method"), message))
            return None
        settings: BaseModel | None = self._once(".".join(map(str, at)), model, data, places, at)
        return settings

    def _analyses(self, entries: Any, places: Places) -> dict[str, BaseModel | None]:
        if not isinstance(entries, Mapping):
            return {}
        analyses: dict[str, BaseModel | None] = {}
        for name, data in entries.items():
            if not _ANALYSIS.fullmatch(name) or name == "trajectory":
                message = f"'{name}' cannot name an analysis; use letters, digits, _ and -, not 'trajectory'"
                self.problems.add(places.problem(("analyses", name), message))
            analyses[name] = self._analysis(name, data, places)
        return analyses


def _well_formed(section: str, value: Any) -> bool:
    if section == "analyses":
        return isinstance(value, Mapping) and all(isinstance(entry, Mapping) for entry in value.values())
    return value is None or isinstance(value, Mapping)
