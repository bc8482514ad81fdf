"""Data checked against a model, with pydantic's findings told in our words."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from orrery.config.errors import OrreryError, nearest
from orrery.config.messages import MISSING, is_mismatch, message_of, mismatch_of_all
from orrery.config.places import Places, Problems
from orrery.config.yaml_file import Key

Model = TypeVar("Model", bound=BaseModel)


def validate(
    model: type[Model],
    data: Any,
    places: Places,
    at: Key,
    problems: Problems,
    context: Mapping[str, Any] | None = None,
) -> Model | None:
    """Check ``data``, which stands at ``at``, against ``model``; ``context`` is what its validators may ask.

    Returns:
        The settings, or None where there were problems; those are added to ``problems``.
    """
    try:
        return model.model_validate(data, by_alias=True, by_name=False, context=context)
    except ValidationError as error:
        for path, message in _told(model, data, error.errors(include_url=False)):
            problems.add(places.problem((*at, *path), message, missing=message.startswith(MISSING)))
    except OrreryError as error:
        problems.add(places.problem(at, str(error)))
    return None


def _told(model: type[BaseModel], data: Any, errors: Iterable[Any]) -> Iterable[tuple[Key, str]]:
    located = [(*_path_in(data, error["loc"], error["type"]), error) for error in errors]
    groups = dict(_without_other_branches(located))
    guesses: set[Key] = set()
    for path, group in groups.items():
        if group[0]["type"] == "extra_forbidden":
            known = nearest(str(path[-1]), known_keys(model, data, path[:-1]))
            guesses.update({(*path[:-1], known.split("'")[1])} if "'" in known else ())
            yield path, f"is not a known key here; {known}"
    for path, group in groups.items():
        kind = group[0]["type"]
        # a key that is missing since it is misspelt, a list that is too short since its items are wrong
        told_already = (kind == "missing" and path in guesses) or (
            kind == "too_short" and any(other[: len(path)] == path != other for other in groups)
        )
        if kind == "extra_forbidden" or told_already:
            continue
        if len(group) > 1 and all(is_mismatch(error) for error in group):
            yield path, mismatch_of_all(group)
            continue
        for error in group:
            if kind.startswith("union_tag"):
                yield (*path, str(error["ctx"]["discriminator"]).strip("'")), message_of(error)
            else:
                yield path, message_of(error)


def _path_in(data: Any, location: Sequence[str | int], kind: str) -> tuple[Key, dict[Key, str]]:
    """Split pydantic's location into the path within ``data`` and the branches of unions that it took."""
    path: list[str | int] = []
    branches: dict[Key, str] = {}
    here = data
    for index, token in enumerate(location):
        last = index == len(location) - 1
        inside = (isinstance(here, Mapping) and token in here) or (
            isinstance(here, list | tuple) and isinstance(token, int) and 0 <= token < len(here)
        )
        # The kind `momentum` has a key `momentum`; what has further places inside is no number.
        if inside and not last and isinstance(here, Mapping) and here.get("kind") == token:
            inside = isinstance(here[token], Mapping | list | tuple)
        if inside:
            path.append(token)
            here = here[token]
        elif last and kind == "missing" and isinstance(here, Mapping | list | tuple):
            path.append(token)
        else:
            branches[tuple(path)] = branches.get(tuple(path), "") + f"/{token}"
    return tuple(path), branches


def _without_other_branches(
    located: list[tuple[Key, dict[Key, str], Any]],
) -> Iterable[tuple[Key, list[Any]]]:
    """Group errors by place; where a union was tried, keep those of the branch that came nearest."""
    unions: dict[Key, dict[str, list[tuple[Key, Any]]]] = {}
    for path, branches, error in located:
        for position, branch in branches.items():
            unions.setdefault(position, {}).setdefault(branch, []).append((path, error))
    dropped: set[int] = set()
    for position, tried in unions.items():
        fits = {
            branch: members
            for branch, members in tried.items()
            if not any(path == position and is_mismatch(error) for path, error in members)
        }
        if fits and len(tried) > 1:
            best = min(fits, key=lambda branch: len(fits[branch]))
            for branch, members in tried.items():
                if branch != best:
                    dropped.update(id(error) for _, error in members)
    groups: dict[Key, list[Any]] = {}
    for path, _, error in located:
        if id(error) not in dropped:
            groups.setdefault(path, []).append(error)
    return groups.items()


def known_keys(model: type[BaseModel], data: Any, path: Key) -> set[str]:
    """Return the keys that ``model`` knows in the mapping at ``path`` of ``data``."""
    annotations: list[Any] = [model]
    here = data
    for token in path:
        models = [kind for annotation in annotations for kind in _alternatives(annotation)]
        annotations = [inner for kind in _fitting(models, here) for inner in _inside(kind, token)]
        here = here[token]
    models = [kind for annotation in annotations for kind in _alternatives(annotation)]
    return {name for kind in _fitting(models, here) if _is_model(kind) for name in field_names(kind)}


def field_names(model: type[BaseModel]) -> dict[str, Any]:
    """Return the annotation of each key of a model, by the name that a file writes."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _alternatives(annotation: Any) -> list[Any]:
    """Return the members of a union (of unions), or the annotation itself."""
    annotation = getattr(annotation, "__value__", annotation)
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [kind for member in get_args(annotation) for kind in _alternatives(member)]
    return [annotation]


def _fitting(kinds: list[Any], data: Any) -> list[Any]:
    """Drop the models whose ``kind`` (any field with a fixed choice) is not that of ``data``, if any is left."""

    def fits(kind: Any) -> bool:
        if not _is_model(kind) or not isinstance(data, Mapping):
            return True
        return all(
            name not in data or data[name] in get_args(annotation)
            for name, annotation in field_names(kind).items()
            if get_origin(annotation) is Literal
        )

    return [kind for kind in kinds if fits(kind)] or kinds


def _inside(kind: Any, token: str | int) -> list[Any]:
    """Return the annotations that the value at key or index ``token`` of ``kind`` may have."""
    if _is_model(kind):
        names = field_names(kind)
        return [names[str(token)]] if str(token) in names else []
    return [argument for argument in get_args(kind) if argument is not Ellipsis]
