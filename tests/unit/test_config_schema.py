"""The schemas are what the models say, accept what the loader accepts, and help an editor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orrery.config.merge import deep_merge
from orrery.config.schema import CONFIG, STUDY, generate, main
from orrery.config.yaml_file import load_yaml

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted((ROOT / "studies").glob("*.yaml"))


@pytest.fixture(scope="module")
def study() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(generate()[STUDY]))


def told(validator: jsonschema.Draft7Validator, data: Any) -> list[str]:
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(data)]


def test_the_files_are_what_the_models_say() -> None:
    for name, text in generate().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, (
            "run: python -m orrery.config.schema --write"
        )


def test_they_are_schemas() -> None:
    for text in generate().values():
        jsonschema.Draft7Validator.check_schema(json.loads(text))


def test_write_and_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(tmp_path)]) == 1
    assert main(["--folder", str(tmp_path), "--write"]) == 0
    assert main(["--folder", str(tmp_path)]) == 0
    assert "schemas/study.schema.json: differs from the models" in capsys.readouterr().out


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_fit(study: jsonschema.Draft7Validator, path: Path) -> None:
    assert told(study, load_yaml(path).data) == []
    assert path.read_text(encoding="utf-8").startswith(
        "# yaml-language-server: $schema=../schemas/study.schema.json\n"
    )


def test_the_config_fits() -> None:
    path = ROOT / "config.yaml"
    validator = jsonschema.Draft7Validator(json.loads(generate()[CONFIG]))
    assert told(validator, load_yaml(path).data) == []
    assert told(validator, {"scale": "papr"})
    assert path.read_text(encoding="utf-8").startswith(
        "# yaml-language-server: $schema=schemas/config.schema.json\n"
    )


SMALL: dict[str, Any] = {
    "title": "t",
    "system": {"kind": "mine.system", "anything": 1},
    "training": {"steps": 3, "seeds": {"count": 2}},
    "conditions": {"base": None, "other": {"axes": {"x": 2}, "system": {"more": 2}}},
    "analyses": {"a": {"method": "mine.analysis", "anything": 2}},
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"training": {"seeds": 5}},
        {"system": None},
        {"dataset": {"name": "digits"}},
        {"dataset": {"name": "mine.data", "x": 1}},
        {"conditions": {"grid": {"axes": {"w": {"values": [1], "sets": "training.steps"}}}}},
        {
            "conditions": {
                "grid": {"axes": {"w": {"values": {"a": 1}, "sets": ["training.steps"], "default": "a"}}}
            }
        },
        {"scales": {"laptop": {"training": {"steps": 1}, "title": "x"}, "paper": None}},
        {"record": {"state": [], "steps": {"logarithmic": 3}, "evaluate": None}},
        {"streams": {"label-noise": {"hold": 3}}},
    ],
)
def test_what_fits(study: jsonschema.Draft7Validator, change: dict[str, Any]) -> None:
    assert told(study, deep_merge(SMALL, change)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"titel": "t"},
        {"title": 3},
        {"system": {"kind": "netwrok"}},
        {"system": {"kind": "network", "netwrok": {}}},
        {"system": {"kind": "network", "optimizer": {"kind": "sdg", "rate": 0.1}}},
        {"dataset": {"name": "digits", "sample": 3}},
        {"training": {"stps": 1}},
        {"training": {"steps": -1}},
        {"training": {"steps": "3"}},
        {"conditions": {"other": {"training": {"stps": 1}}}},
        {"conditions": {"other": {"training": {"steps": -1}}}},
        {"conditions": {"other": {"axes": {"steps": [2]}}}},
        {"conditions": {"grid": {"axes": {"w": {"valus": [1]}}}}},
        {"analyses": {"a": {"method": "nothing"}}},
        {"scales": {"laptp": {}}},
        {"scales": {"laptop": {"trainig": {}}}},
        {"claims": {"a": {"statement": "s"}}},
    ],
)
def test_what_does_not_fit(study: jsonschema.Draft7Validator, change: dict[str, Any]) -> None:
    assert told(study, deep_merge(SMALL, change)) != []


def properties(schema: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every key that a schema knows, at any depth, with what it says about it."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from properties(item, f"{place}/{index}")
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "properties" and place.rpartition("/")[2] != "properties":
                yield from ((f"{place}/{name}", told) for name, told in value.items())
            yield from properties(value, f"{place}/{key}")


@pytest.mark.parametrize(("name", "least"), [(STUDY, 300), (CONFIG, 7)])
def test_every_key_is_described(name: str, least: int) -> None:
    found = dict(properties(json.loads(generate()[name]), ""))
    assert len(found) > least
    assert [place for place, told in found.items() if not told.get("description")] == []
