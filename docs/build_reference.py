"""Write docs/reference.md, every key of a study and of config.yaml, from the models that check them.

``python docs/build_reference.py`` says whether the page is current; with ``--write`` it writes it.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from orrery.analyses.api import AnalysisSettings
from orrery.config import extensions
from orrery.config.claims import Claim
from orrery.config.conditions import Grid
from orrery.config.sections import Branch, Copies, Record, Streams, Training
from orrery.config.study_file import StudyFile
from orrery.config.workflow import WorkflowConfig

PAGE = Path(__file__).resolve().parent / "reference.md"
TOP = """# Reference: every key

<!-- Written by docs/build_reference.py from the models of the code. Change the descriptions there, not here. -->

Every key that a study (`studies/<name>.yaml`) and `config.yaml` may have, with its type and its default. A key that is
not listed here is an error, and the message names the nearest one that is. [Write a study](write-a-study.md) explains
how the parts work together.

A dash in the column *default* means that the key must be given; *derived*, that it follows from other keys where it is
absent. Numbers are finite; `1e-3` is a number, `true` is none. An editor that speaks the YAML language server shows the
same texts while you type, if the file begins with `# yaml-language-server: $schema=../schemas/study.schema.json`.
"""
SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("training", "How far the system is iterated, for which seeds, and in which portions.", Training),
    ("streams", "Changes to the named streams of random numbers.", Streams),
    ("copies", "Slightly perturbed copies of every run.", Copies),
    ("record", "What is written down. The start, step 0, always is.", Record),
    ("conditions.grid", "All combinations of the values of some axes.", Grid),
    ("branch", "In a condition: where its runs leave those of another, and start from their states.", Branch),
    ("claims", "Each entry of `claims`, by its identifier.", Claim),
)
FAMILIES: tuple[tuple[extensions.Family, str], ...] = (
    ("data", "dataset"),
    ("systems", "system"),
    ("analyses", "analysis"),
)
INTRODUCTIONS = {
    "data": "`dataset` names one of these by `name`, or one of your own as `package.module`; see [datasets](data.md).",
    "systems": "`system` names one of these by `kind`, or one of your own; see [write a system](write-a-system.md).",
    "analyses": "Every entry of `analyses` names one of these by `method`, or one of your own; "
    "see [write an analysis](write-an-analysis.md).",
}


def generate() -> str:
    """Return the text of the page."""
    parts = [
        TOP,
        *_chapter("config.yaml", "", WorkflowConfig, path=""),
        *_chapter("A study", "", StudyFile, path="", skip=("claims",)),
    ]
    for title, words, model in SECTIONS:
        parts += _chapter(title, words, model)
    parts += [
        "## Every analysis\n",
        "What every entry of `analyses` may have, whatever its method.\n",
        *_model("analysis", AnalysisSettings.model_json_schema(by_alias=True)),
    ]
    for family, word in FAMILIES:
        parts += [
            f"## The built-in {'datasets' if family == 'data' else family}\n",
            INTRODUCTIONS[family] + "\n",
        ]
        for name in extensions.built_in(family):
            module = extensions.load(family, name)
            settings = extensions.settings_of(module)
            common = set(AnalysisSettings.model_fields) if family == "analyses" else set()
            shown = {extensions.KEYS[family], *common}
            parts += [f"### {word}: {name}\n", _first_paragraph(module.__doc__) + "\n"]
            parts += _model(name, settings.model_json_schema(by_alias=True), hide=shown)
    return "\n".join(parts).rstrip() + "\n"


def _chapter(
    title: str, words: str, model: type[BaseModel], path: str | None = None, skip: tuple[str, ...] = ()
) -> list[str]:
    schema = model.model_json_schema(by_alias=True)
    words = words or _first_paragraph(inspect.getdoc(model))
    return [f"## {title}\n", words + "\n", *_model(title if path is None else path, schema, skip=skip)]


def _model(
    title: str, schema: Mapping[str, Any], hide: set[str] | None = None, skip: tuple[str, ...] = ()
) -> list[str]:
    """Return the table of a model and, below it, those of the models inside of it."""
    definitions = schema.get("$defs", {})
    headings = _headings(title, schema, definitions, skip)
    lines = _table(schema, headings, hide or set(), skip)
    for name, heading in headings.items():
        inner = definitions[name]
        lines += [f"#### {heading}\n", _first_paragraph(inner.get("description")) + "\n"]
        lines += _table(
            inner, headings, {"kind"} if "const" in inner["properties"].get("kind", {}) else set(), ()
        )
    return lines


def _headings(
    path: str, schema: Mapping[str, Any], definitions: Mapping[str, Any], skip: tuple[str, ...]
) -> dict[str, str]:
    """Return the heading of every model below ``schema`` by the name of its definition, each once."""
    found: dict[str, str] = {}
    owners = _owners([schema, *definitions.values()], skip)
    waiting = [(path, schema)]
    while waiting:
        above, current = waiting.pop(0)
        for key, field in current.get("properties", {}).items():
            names = [] if key in skip else list(dict.fromkeys(_references(field)))
            for name in names:
                if name in found:
                    continue
                inner = definitions[name]
                # A model that several keys share is called by its own name.
                last = key if len(owners[name]) == 1 else _words(inner.get("title", ""))
                place = f"{above} › {last}" if above else last
                kind = inner.get("properties", {}).get("kind", {}).get("const")
                alone = len(names) == 1 or last != key
                found[name] = (
                    f"{place}: {kind}"
                    if kind is not None
                    else place
                    if alone
                    else f"{place} ({_words(inner['title'])})"
                )
                waiting.append((place, inner))
    return found


def _owners(schemas: Iterable[Mapping[str, Any]], skip: tuple[str, ...]) -> dict[str, set[str]]:
    """Return the keys under which each definition stands."""
    owners: dict[str, set[str]] = {}
    for schema in schemas:
        for key, field in schema.get("properties", {}).items():
            for name in () if key in skip else _references(field):
                owners.setdefault(name, set()).add(key)
    return owners


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _references(field: Any) -> list[str]:
    if isinstance(field, list):
        return [name for item in field for name in _references(item)]
    if not isinstance(field, dict):
        return []
    own = [_definition(field)] if "$ref" in field else []
    return own + [
        name
        for key, value in field.items()
        if key not in ("discriminator", "default")
        for name in _references(value)
    ]


def _definition(field: Mapping[str, Any]) -> str:
    return str(field["$ref"]).removeprefix("#/$defs/")


def _table(
    schema: Mapping[str, Any], headings: Mapping[str, str], hide: set[str], skip: tuple[str, ...]
) -> list[str]:
    rows = []
    for key, field in schema.get("properties", {}).items():
        if key not in hide:
            kind = "see [below](#claims)" if key in skip else _type(field, headings)
            needed = key in schema.get("required", ())
            told = _cell(field.get("description", ""))
            rows.append(f"| `{key}` | {kind} | {_default(field, needed=needed)} | {told} |")
    if not rows:
        return ["No settings of its own.\n"]
    return ["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""]


def _default(field: Mapping[str, Any], *, needed: bool) -> str:
    if needed:
        # What is filled in from other keys is required of the model, and not of the writer.
        return "derived" if "where absent" in field.get("description", "") else "–"
    value = field.get("default")
    if value is None or value in ({}, []):
        return "none"
    return "its defaults" if isinstance(value, dict) else _value(value)


def _type(field: Mapping[str, Any], headings: Mapping[str, str]) -> str:
    if "const" in field:
        return _value(field["const"])
    if "enum" in field:
        return ", ".join(_value(value) for value in field["enum"])
    if "$ref" in field:
        heading = headings[_definition(field)]
        shown = heading.rpartition(": ")[2] if ": " in heading else heading.rpartition(" › ")[2]
        return f"[{shown}](#{anchor(heading)})"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in field:
            parts = [_type(part, headings) for part in field[word] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(parts))
    kind = field.get("type")
    if kind == "array":
        if "prefixItems" in field:
            return f"[{', '.join(_type(item, headings) for item in field['prefixItems'])}]"
        return f"list of {_type(field.get('items', {}), headings)}"
    if kind == "object":
        inner = field.get("additionalProperties")
        return f"mapping to {_type(inner, headings)}" if isinstance(inner, dict) and inner else "mapping"
    names = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
    return names.get(str(kind), "anything") + _bounds(field)


def _bounds(field: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": "&gt;", "maximum": "≤", "exclusiveMaximum": "&lt;"}
    told = [f"{sign} {field[word]:g}" for word, sign in signs.items() if word in field]
    return f" {', '.join(told)}" if told else ""


def _value(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return f"`{text}`"


def _cell(text: str) -> str:
    """Return a description as it may stand in a table: no markup of its own, on one line."""
    return _prose(text).replace("|", "\\|").replace("*", "\\*")


def _first_paragraph(text: str | None) -> str:
    return _prose((text or "").strip().split("\n\n")[0])


def _prose(text: str) -> str:
    parts = " ".join(text.split()).replace("``", "`").split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.replace(" ", "-")


def main(arguments: list[str] | None = None) -> int:
    """Compare the page with what the models say, or write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the page; otherwise it is only compared")
    text = generate()
    if parser.parse_args(arguments).write:
        PAGE.write_text(text, encoding="utf-8")
        print(f"{PAGE.name}: written")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.name}: differs from the models; run docs/build_reference.py --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
