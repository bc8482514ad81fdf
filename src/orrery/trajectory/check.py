"""Tell a whole store from one that is not: a missing chunk reads as NaN, without an error.

Needs nothing but the file system and JSON, so that a job can look before it imports anything heavy.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError
from orrery.trajectory.layout import PARTIAL, SCHEMA, SCHEMA_VERSION

# Written last, when all states are on disk.
REQUIRED = ("step", "run", "seed", "copy", "runs/status", "runs/last_step", "tensors/size")


def complete(path: str | Path) -> list[str]:
    """Say what keeps the store at ``path`` from being a whole trajectory.

    Returns:
        One readable sentence per problem; empty where the store is whole.
    """
    return _examine(Path(path))[1]


def _examine(store: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    problem = _not_a_trajectory(store)
    if problem:
        return {}, [problem]
    arrays, problems = _look(store)
    absent = [name for name in REQUIRED if name not in arrays]
    return arrays, [f"{store} was not finished: it has no '{name}'" for name in absent[:1]] + problems


def _not_a_trajectory(store: Path) -> str | None:
    if not store.exists():
        unfinished = store.with_name(store.name + PARTIAL)
        there = f"; an unfinished one lies at {unfinished}" if unfinished.exists() else ""
        return f"{store} does not exist{there}"
    root = store / "zarr.json"
    if not root.is_file():
        return f"{store} is not a Zarr store: it has no zarr.json"
    try:
        attributes = json.loads(root.read_text())["attributes"]
    except (ValueError, KeyError):
        return f"{store}: its zarr.json cannot be read"
    if attributes.get("schema") != SCHEMA:
        return f"{store} is a Zarr store but not a trajectory: its attribute 'schema' is not '{SCHEMA}'"
    version = attributes.get("schema_version")
    if version != SCHEMA_VERSION:
        return f"{store} has schema version {version}; this version of Orrery reads {SCHEMA_VERSION}"
    return None


def missing_chunks(path: str | Path) -> list[str]:
    """Say which chunks of any Zarr version 3 store are missing, and which writes were left unfinished.

    Returns:
        One readable sentence per array with missing chunks and per leftover file.
    """
    return _look(Path(path))[1]


def require_complete(path: str | Path) -> dict[str, dict[str, Any]]:
    """Refuse a store that is not a whole trajectory.

    Returns:
        The metadata of each array by its path in the store.

    Raises:
        OrreryError: with the first problem.
    """
    arrays, problems = _examine(Path(path))
    if problems:
        more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise OrreryError(f"{problems[0]}{more}; record the trajectory again")
    return arrays


def _look(store: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The metadata of all arrays of a store, and what is wrong with its chunks."""
    arrays: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    known = _consolidated(store)
    for folder, folders, files in os.walk(store):
        folders.sort()
        problems.extend(
            f"{Path(folder) / name} is left from a write that was interrupted"
            for name in files
            if name.endswith(PARTIAL)
        )
        if "zarr.json" not in files:
            continue
        name = Path(folder).relative_to(store).as_posix()
        metadata = known.get(name) or json.loads((Path(folder) / "zarr.json").read_text())
        if metadata["node_type"] == "array":
            folders.clear()
            arrays[name] = metadata
            problems.extend(_missing(store, name, metadata, set(_chunk_files(Path(folder) / "c", problems))))
    return arrays, problems


def _missing(store: Path, name: str, metadata: dict[str, Any], present: set[str]) -> list[str]:
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


def _consolidated(store: Path) -> dict[str, dict[str, Any]]:
    """The metadata gathered in the root of a finished store; empty for an unfinished one."""
    root = store / "zarr.json"
    content = json.loads(root.read_text()) if root.is_file() else {}
    found: dict[str, dict[str, Any]] = (content.get("consolidated_metadata") or {}).get("metadata") or {}
    return found


def _chunk_files(root: Path, problems: list[str]) -> Iterator[str]:
    if root.is_file():
        yield ""
    for folder, _, files in os.walk(root):
        inner = os.path.relpath(folder, root)
        for name in files:
            if name.endswith(PARTIAL):
                problems.append(f"{Path(folder) / name} is left from a write that was interrupted")
            else:
                yield name if inner == "." else f"{inner}/{name}"
