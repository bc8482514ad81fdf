"""JSON schemas of config.yaml and of the study files, generated from the models: help and completion for editors.

A study's sections are completed by its conditions and scales, so in those sections no key is required here; what is
missing in the end the loader tells. Draft 7, since that is what editors' YAML servers know best.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orrery.config import extensions
from orrery.config.conditions import Grid
from orrery.config.errors import OrreryError
from orrery.config.sections import Branch, Copies, Record, Streams, Training
from orrery.config.study_file import SECTIONS, Override, StudyFile
from orrery.config.workflow import WorkflowConfig

Schema = dict[str, Any]

STUDY = "schemas/study.schema.json"
CONFIG = "schemas/config.schema.json"

_SECTION_MODELS: dict[str, type[BaseModel]] = {
    "training": Training,
    "streams": Streams,
    "copies": Copies,
    "record": Record,
}
_FAMILY_SECTIONS: dict[str, extensions.Family] = {
    "dataset": "data",
    "system": "systems",
    "analysis": "analyses",
}
_PART = "-part"
"""Ending of the definitions in which no key is required."""


def generate() -> dict[str, str]:
    """Return the text of each schema file by its path below the root of the repository."""
    config = WorkflowConfig.model_json_schema(mode="validation", by_alias=True)
    return {STUDY: _text(_study(), "An Orrery study"), CONFIG: _text(config, "The config.yaml of Orrery")}


def _study() -> Schema:
    settings = {
        section: {
            name: extensions.settings_of(extensions.load(family, name))
            for name in extensions.built_in(family)
        }
        for section, family in _FAMILY_SECTIONS.items()
    }
    models: list[type[BaseModel]] = [StudyFile, Override, Grid, Branch, *_SECTION_MODELS.values()]
    models += [model for chosen in settings.values() for model in chosen.values()]
    refs, top = models_json_schema([(model, "validation") for model in models], by_alias=True)
    definitions: Schema = top["$defs"]
    for section, chosen in settings.items():
        key = extensions.KEYS[_FAMILY_SECTIONS[section]]
        for name, model in chosen.items():
            own = copy.deepcopy(definitions[_name(refs[model, "validation"])])
            described = (
                own.setdefault("properties", {}).get(key, {}).get("description", f"the built-in '{name}'")
            )
            own["properties"] = {
                key: {"const": name, "description": described},
                **_without(own["properties"], key),
            }
            own["title"] = name
            definitions[f"{section}-{name}"] = own
    definitions |= {name + _PART: _loosened(schema) for name, schema in definitions.items()}
    for section, chosen in settings.items():
        definitions[section] = _chosen(section, list(chosen), strict=True)
        definitions[section + _PART] = _chosen(section, list(chosen), strict=False)

    study = definitions[_name(refs[StudyFile, "validation"])]
    grid = _name(refs[Grid, "validation"])
    models_of = {section: _name(refs[model, "validation"]) for section, model in _SECTION_MODELS.items()}
    override = {
        section: _described(
            definitions["Override" if "Override" in definitions else "StudyFile"], section, schema
        )
        for section, schema in {
            **_sections(models_of, part=True),
            "branch": _nullable(_name(refs[Branch, "validation"]) + _PART),
        }.items()
    }
    override["axes"] = definitions["Override"]["properties"]["axes"]
    definitions["condition"] = {
        "description": "what this condition changes; everything else is that of the study, or of the condition that a "
        "branch leaves",
        "anyOf": [
            {"type": "object", "properties": override, "additionalProperties": False},
            {"type": "null"},
        ],
    }
    for section, schema in _sections(models_of, part=False).items():
        study["properties"][section] = _described(study, section, schema)
    study["properties"]["conditions"] |= _conditions(grid)
    partial = copy.deepcopy(study)
    partial["properties"] = {
        key: schema if key in SECTIONS else _loosened(schema)
        for key, schema in _without(partial["properties"], "scales").items()
    }
    partial["properties"]["conditions"] = _conditions(grid + _PART)
    partial["required"] = []
    partial["title"] = "scale"
    definitions["scale"] = partial
    for scale in definitions["Scales"]["properties"].values():
        scale["anyOf"] = [{"$ref": "#/$defs/scale"}, {"type": "null"}]
    return {**study, "$defs": definitions}


def _sections(models: Mapping[str, str], *, part: bool) -> dict[str, Schema]:
    """Return the schema of each section; with ``part``, as a condition overrides it."""
    ending = _PART if part else ""
    sections = {section: _nullable(section + ending) for section in ("dataset", "system")}
    sections |= {section: _nullable(name + _PART) for section, name in models.items()}
    entries = {"$ref": f"#/$defs/analysis{ending}"}
    return sections | {"analyses": {"type": "object", "additionalProperties": entries}}


def _nullable(name: str) -> Schema:
    return {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}


def _chosen(section: str, names: list[str], *, strict: bool) -> Schema:
    """Return any built-in member of a family, or one's own."""
    key = extensions.KEYS[_FAMILY_SECTIONS[section]]
    word = {
        "type": "string",
        "description": f"built in: {', '.join(names)}; or the import path package.module",
    }
    own: Schema = {"type": "object", "title": "one's own, by import path"}
    if strict:
        own |= {"properties": {key: word | {"pattern": r"\."}}, "required": [key]}
    else:
        # an override need not say what it overrides, so here anything goes that no built-in one claims
        own |= {"properties": {key: word | {"not": {"enum": names}}}}
    return {"anyOf": [*({"$ref": f"#/$defs/{section}-{name}{_PART}"} for name in names), own]}


def _conditions(grid: str) -> Schema:
    return {
        "type": "object",
        "description": "named overrides, or a grid of axes",
        "properties": {"grid": {"$ref": f"#/$defs/{grid}", "description": "all combinations of some axes"}},
        "additionalProperties": {"$ref": "#/$defs/condition"},
    }


def _described(owner: Schema, key: str, schema: Schema) -> Schema:
    """Keep what the model says about a key for the reader."""
    told = owner.get("properties", {}).get(key, {})
    return schema | {name: told[name] for name in ("description",) if name in told}


def _loosened(schema: Any) -> Any:
    """Return a schema in which no key is required and branches may overlap; references lead to such ones."""
    if isinstance(schema, list):
        return [_loosened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    loose = {}
    for key, value in schema.items():
        if key in ("required", "discriminator", "default") and not _is_property_table(schema):
            continue
        if key == "$ref":
            loose[key] = value + _PART
        elif key == "oneOf":
            loose["anyOf"] = _loosened(value)
        else:
            loose[key] = _loosened(value)
    return loose


def _is_property_table(schema: Schema) -> bool:
    """Whether a mapping holds schemas by the names of keys, one of which may be called ``required``."""
    return bool(schema) and all(isinstance(value, dict) for value in schema.values())


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


def _name(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).removeprefix("#/$defs/")


def _text(schema: Schema, title: str) -> str:
    """Return a schema as text in the form of draft 7, with the definitions that it uses."""
    definitions: Schema = schema.pop("$defs", {})
    top = {"$schema": "http://json-schema.org/draft-07/schema#", **schema, "title": title}
    used: dict[str, Any] = {}
    open_ends = [top]
    while open_ends:
        for name in sorted(_references(open_ends.pop())):
            if name not in used:
                used[name] = definitions[name]
                open_ends.append(used[name])
    if used:
        top["definitions"] = {name: used[name] for name in sorted(used)}
    return json.dumps(_draft_7(top), indent=1, ensure_ascii=False) + "\n"


def _references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {name for item in schema for name in _references(item)}
    if not isinstance(schema, dict):
        return set()
    own = {_name(schema)} if isinstance(schema.get("$ref"), str) else set()
    return own | {name for value in schema.values() for name in _references(value)}


def _draft_7(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_draft_7(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        key: _draft_7(value) for key, value in schema.items() if key not in ("discriminator", "prefixItems")
    }
    if isinstance(schema.get("prefixItems"), list):
        plain["items"] = _draft_7(schema["prefixItems"])
    if isinstance(schema.get("$ref"), str):
        reference = {"$ref": plain.pop("$ref").replace("#/$defs/", "#/definitions/")}
        # draft 7 reads nothing beside a reference
        return {"allOf": [reference], **plain} if plain else reference
    return plain


def main(arguments: list[str] | None = None) -> int:
    """Write the schemas, or say which differ from what the models say."""
    parser = argparse.ArgumentParser(
        prog="python -m orrery.config.schema", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--write", action="store_true", help="write the files; otherwise they are only compared"
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="root of the repository; default: here")
    options = parser.parse_args(arguments)
    stale = []
    try:
        for name, text in generate().items():
            path = options.folder / name
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
                if options.write:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text, encoding="utf-8")
    except OrreryError as error:
        print(error, file=sys.stderr)
        return 1
    for name in stale:
        print(f"{name}: written" if options.write else f"{name}: differs from the models; run with --write")
    return 0 if options.write or not stale else 1


if __name__ == "__main__":
    sys.exit(main())
