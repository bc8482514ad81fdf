"""Types for names that settings of an extension refer to, so that a misspelt one is told before anything runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from orrery.config.errors import nearest

CONDITIONS = "conditions"
"""Key of the validation context that holds the names of the study's conditions."""


def _known_condition(name: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get(CONDITIONS)
    if known and name not in known:
        raise ValueError(f"there is no condition '{name}' in this study; {nearest(name, known)}")
    return name


ConditionName = Annotated[str, AfterValidator(_known_condition)]
"""The name of a condition; it must be one of the study's when a study is loaded, and any text elsewhere."""
