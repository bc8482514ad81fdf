"""Text that must have a certain form, with the form told in words."""

from __future__ import annotations

import re
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class Form:
    """Metadata of an annotated text: it must match ``pattern``, which ``words`` describes to a reader."""

    def __init__(self, pattern: str, words: str) -> None:
        self.pattern = pattern
        self.words = words
        self._compiled = re.compile(pattern)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "pattern": self.pattern}

    def _check(self, text: str) -> str:
        if not self._compiled.search(text):
            raise ValueError(f"{text!r} is not {self.words}")
        return text
