"""Tell a whole store from one that is not: a missing chunk reads as NaN, without an error.

Needs nothing but the file system and JSON, so that a job can look before it imports anything heavy.
"""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError
from orrery.trajectory.layout import PARTIAL, SCHEMA, SCHEMA_VERSION
from orrery.trajectory.place import Place, files_in, place_at

ROOT = "zarr.json"

# Written last, when all states are on disk.
REQUIRED = ("step", "run", "seed", "copy", "runs/status", "runs/last_step", "tensors/size")


def complete(path: str | Place) -> list[str]:
    """Say what keeps the store at ``path`` from being a whole trajectory.

    Returns:
        One readable sentence per problem; empty where the store is whole.
    """
    return _examine(place_at(path))[1]


def missing_chunks(path: str | Place) -> list[str]:
    """Say which chunks of any Zarr version 3 store are missing, and which writes were left unfinished.

    Returns:
        One readable sentence per array with missing chunks and per leftover file.
    """
    place = place_at(path)
    return _look(place, files_in(place))[1]


def require_complete(path: str | Place) -> dict[str, dict[str, Any]]:
    """Refuse a store that is not a whole trajectory.

    Returns:
        The metadata of each array by its path in the store.

    Raises:
        OrreryError: with the first problem.
    """
    arrays, problems = _examine(place_at(path))
    if problems:
        more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise OrreryError(f"{problems[0]}{more}; record the trajectory again")
    return arrays


def _examine(store: Place) -> tuple[dict[str, dict[str, Any]], list[str]]:
    files = files_in(store)
    problem = _not_a_trajectory(store, files)
    if problem:
        return {}, [problem]
    arrays, problems = _look(store, files)
    absent = [name for name in REQUIRED if name not in arrays]
    return arrays, [f"{store} was not finished: it has no '{name}'" for name in absent[:1]] + problems


def _not_a_trajectory(store: Place, files: list[str]) -> str | None:
    if not isinstance(store, Path):
        if not files:
            return f"{store} does not exist"
    elif not store.exists():
        unfinished = store.with_name(store.name + PARTIAL)
        there = f"; an unfinished one lies at {unfinished}" if unfinished.exists() else ""
        return f"{store} does not exist{there}"
    if ROOT not in files:
        return f"{store} is not a Zarr store: it has no zarr.json"
    try:
        attributes = json.loads((store / ROOT).read_text())["attributes"]
    except (ValueError, KeyError):
        return f"{store}: its zarr.json cannot be read"
    if attributes.get("schema") != SCHEMA:
        return f"{store} is a Zarr store but not a trajectory: its attribute 'schema' is not '{SCHEMA}'"
    version = attributes.get("schema_version")
    if version != SCHEMA_VERSION:
        return f"{store} has schema version {version}; this version of Orrery reads {SCHEMA_VERSION}"
    return None


def _look(store: Place, files: list[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The metadata of all arrays of a store, and what is wrong with its chunks."""
    arrays: dict[str, dict[str, Any]] = {}
    problems = [
        f"{store}/{name} is left from a write that was interrupted"
        for name in files
        if name.endswith(PARTIAL)
    ]
    known = _consolidated(store) if ROOT in files else {}
    chunks: dict[str, set[str]] = {}
    for name in files:
        # An array without dimensions has the one chunk "c".
        node, found, chunk = f"/{name}/".rpartition("/c/")
        if found and not name.endswith(PARTIAL):
            chunks.setdefault(node.removeprefix("/") or ".", set()).add(chunk.rstrip("/"))
    for file in files:
        if file != ROOT and not file.endswith(f"/{ROOT}"):
            continue
        name = file.removesuffix(ROOT).rstrip("/") or "."
        metadata = known.get(name) or json.loads((store / file).read_text())
        if metadata["node_type"] == "array":
            arrays[name] = metadata
            problems.extend(_missing(store, name, metadata, chunks.get(name, set())))
    return arrays, problems


def _missing(store: Place, name: str, metadata: dict[str, Any], present: set[str]) -> list[str]:
    parts = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    grid = [math.ceil(size / part) for size, part in zip(metadata["shape"], parts, strict=True)]
    if len(present) >= math.prod(grid):
        return []
    keys = ("/".join(map(str, key)) for key in itertools.product(*map(range, grid)))
    first = next(key for key in keys if key not in present)
    return [
        f"{store}: array '{name}' has {len(present)} of {math.prod(grid)} chunks; "
        f"chunk {first} is the first that is missing"
    ]


def _consolidated(store: Place) -> dict[str, dict[str, Any]]:
    """The metadata gathered in the root of a finished store; empty for an unfinished one."""
    content = json.loads((store / ROOT).read_text())
    found: dict[str, dict[str, Any]] = (content.get("consolidated_metadata") or {}).get("metadata") or {}
    return found
