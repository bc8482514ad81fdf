"""Checks sections of a study against their models, and those of extensions against the modules that they name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from orrery.config import extensions
from orrery.config.errors import OrreryError
from orrery.config.messages import MISSING
from orrery.config.names import CONDITIONS
from orrery.config.places import Places, Problems
from orrery.config.validation import validate
from orrery.config.yaml_file import Key

Model = TypeVar("Model", bound=BaseModel)

ANALYSIS_KEYS = ("method", "of", "conditions", "gather", "steps")
"""What the settings of every analysis have."""

_ANALYSIS = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class Checker:
    """Checks sections and adds what is wrong to ``problems``.

    ``conditions`` are the names that settings may refer to; where none is known, any will do.

    Most conditions share most of their settings: data that passed once are not checked again.
    """

    def __init__(self, problems: Problems, conditions: Sequence[str] = ()) -> None:
        self.problems = problems
        self._context = {CONDITIONS: conditions}
        self._passed: dict[tuple[Key, str], Any] = {}

    def section(self, at: Key, model: type[Model], data: Any, places: Places) -> Model | None:
        """Return the settings of the section at ``at``, or None where something is wrong."""
        known = (at, json.dumps(data, sort_keys=True, default=str))
        if known not in self._passed:
            settings = validate(model, data, places, at, self.problems, self._context)
            if settings is None:
                return None
            self._passed[known] = settings
        found: Model = self._passed[known]
        return found

    def extension(
        self, family: extensions.Family, at: Key, data: Any, places: Places
    ) -> dict[str, Any] | None:
        """Return the settings of a system or dataset as plain JSON with all defaults, or None."""
        model = self._model(family, at, data, places)
        if model is None:
            return None
        key = extensions.KEYS[family]
        # the key that chooses need not be a setting of the module
        given = data if key in model.model_fields else {name: data[name] for name in data if name != key}
        settings = self.section(at, model, given, places)
        return (
            None if settings is None else {key: data[key]} | settings.model_dump(mode="json", by_alias=True)
        )

    def analysis(self, name: str, data: Any, places: Places) -> BaseModel | None:
        """Return the settings of one analysis, or None."""
        at: Key = ("analyses", name)
        model = self._model("analyses", at, data, places)
        if model is None:
            return None
        lacking = [key for key in ANALYSIS_KEYS if key not in model.model_fields]
        if lacking:
            message = (
                f"the settings of '{data['method']}' lack {', '.join(lacking)}; "
                "derive them from orrery.analyses.api.AnalysisSettings"
            )
            self.problems.add(places.problem((*at, "method"), message))
            return None
        return self.section(at, model, data, places)

    def analyses(self, entries: Mapping[str, Any], places: Places) -> dict[str, BaseModel | None]:
        """Return the settings of all analyses by name; None for one in which something is wrong."""
        for name in entries:
            if not _ANALYSIS.fullmatch(name) or name == "trajectory":
                message = f"'{name}' cannot name an analysis; use letters, digits, _ and -, not 'trajectory'"
                self.problems.add(places.problem(("analyses", name), message))
        return {name: self.analysis(name, data, places) for name, data in entries.items()}

    def _model(self, family: extensions.Family, at: Key, data: Any, places: Places) -> type[BaseModel] | None:
        key = extensions.KEYS[family]
        if key not in data:
            known = ", ".join(extensions.built_in(family))
            message = f"{MISSING}; built in are {known}" if known else MISSING
            self.problems.add(places.problem((*at, key), message, missing=True))
            return None
        try:
            return extensions.settings_of(extensions.load(family, data[key]))
        except OrreryError as error:
            self.problems.add(places.problem((*at, key), str(error)))
            return None
