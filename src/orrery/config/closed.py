"""The base of every settings model: an unknown key is an error, a value never changes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema

_SCALARS = {"int", "float", "bool", "str"}
_NOT_SCHEMAS = {"metadata", "default", "config", "serialization"}


def _strict_scalars(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict_scalars(item) for item in schema]
    if isinstance(schema, tuple):
        return tuple(_strict_scalars(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    copy = {key: value if key in _NOT_SCHEMAS else _strict_scalars(value) for key, value in schema.items()}
    if copy.get("type") in _SCALARS:
        copy.setdefault("strict", True)
    return copy


class Closed(BaseModel):
    """A closed, frozen pydantic model.

    Scalars are strict, since YAML has types of its own: ``true`` is no number, ``"3"`` is no number,
    ``2302.09160`` is no text. Lists become tuples where a tuple is asked for. Numbers are finite. A key that is
    a Python word gets an alias (``Field(alias="from")``): the study writes the alias, Python code may write
    either, and dumps carry the alias. Descriptions of fields are the help that an editor shows.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # pydantic's own `strict` would refuse a list for a tuple as well, so only the scalars are made strict
        strict: CoreSchema = _strict_scalars(handler(source))
        return strict
