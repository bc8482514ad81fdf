"""Tell a whole store from one that is not: a missing chunk reads as NaN, without an error.

Needs nothing but the file system and JSON, so that a job can look before it imports anything heavy.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError
from orrery.trajectory.layout import PARTIAL, SCHEMA, SCHEMA_VERSION

# Written last, when all states are on disk.
REQUIRED = ("step", "run", "seed", "copy", "runs/status", "runs/last_step", "tensors/size")


@dataclass(frozen=True)
class _Node:
    """An array or group on disk with the names of the chunk files that lie beneath it."""

    name: str
    metadata: dict[str, Any]
    chunks: frozenset[str]

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunk files along each axis."""
        shape = self.metadata["shape"]
        parts = self.metadata["chunk_grid"]["configuration"]["chunk_shape"]
        return tuple(math.ceil(size / part) for size, part in zip(shape, parts, strict=True))


def complete(path: str | Path) -> list[str]:
    """Say what keeps the store at ``path`` from being a whole trajectory.

    Returns:
        One readable sentence per problem; empty where the store is whole.
    """
    store = Path(path)
    if not store.exists():
        unfinished = store.with_name(store.name + PARTIAL)
        return [
            f"{store} does not exist"
            + (f"; an unfinished one lies at {unfinished}" if unfinished.exists() else "")
        ]
    root = store / "zarr.json"
    if not root.is_file():
        return [f"{store} is not a Zarr store: it has no zarr.json"]
    try:
        attributes = json.loads(root.read_text())["attributes"]
    except (ValueError, KeyError):
        return [f"{store}: its zarr.json cannot be read"]
    if attributes.get("schema") != SCHEMA:
        return [f"{store} is a Zarr store but not a trajectory: its attribute 'schema' is not '{SCHEMA}'"]
    version = attributes.get("schema_version")
    if version != SCHEMA_VERSION:
        return [f"{store} has schema version {version}; this version of Orrery reads {SCHEMA_VERSION}"]
    absent = [name for name in REQUIRED if not (store / name / "zarr.json").is_file()]
    return [f"{store} was not finished: it has no '{name}'" for name in absent[:1]] + missing_chunks(store)


def missing_chunks(path: str | Path) -> list[str]:
    """Say which chunks of any Zarr version 3 store are missing, and which writes were left unfinished.

    Returns:
        One readable sentence per array with missing chunks and per leftover file.
    """
    store = Path(path)
    problems: list[str] = []
    for node in _nodes(store, problems):
        expected = math.prod(node.grid)
        if len(node.chunks) >= expected:
            continue
        first = next(
            key
            for key in itertools.product(*map(range, node.grid))
            if "/".join(map(str, key)) not in node.chunks
        )
        problems.append(
            f"{store}: array '{node.name}' has {len(node.chunks)} of {expected} chunks; "
            f"chunk {'/'.join(map(str, first))} is the first that is missing"
        )
    return problems


def require_complete(path: str | Path) -> None:
    """Refuse a store that is not a whole trajectory.

    Raises:
        OrreryError: with the first problem.
    """
    problems = complete(path)
    if problems:
        more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise OrreryError(f"{problems[0]}{more}; record the trajectory again")


def _nodes(store: Path, problems: list[str]) -> Iterator[_Node]:
    """Walk over the arrays of a store, reporting leftovers of interrupted writes on the way."""
    for folder, folders, files in os.walk(store):
        folders.sort()
        problems.extend(
            f"{Path(folder) / name} is left from a write that was interrupted"
            for name in files
            if name.endswith(PARTIAL)
        )
        if "zarr.json" not in files:
            continue
        metadata = json.loads((Path(folder) / "zarr.json").read_text())
        if metadata["node_type"] != "array":
            continue
        folders.clear()
        name = Path(folder).relative_to(store).as_posix()
        yield _Node(name, metadata, frozenset(_chunk_files(Path(folder) / "c", problems)))


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
