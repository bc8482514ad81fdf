"""What was published: the files at their stable place, by the marker that was written when they were complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


def describe_files(place: Path, paths: Iterable[Path]) -> dict[str, list[Any]]:
    """Size and SHA-256 of each published file by its path below ``place``, for the marker."""
    return {
        str(path.relative_to(place)): [path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()]
        for path in sorted(paths)
    }


def find_markers(results: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the marker of each publication below the results folder, with what it says of the files.

    A folder that Orrery did not publish has none; a marker that cannot be read says nothing.
    """
    for marker in sorted(results.glob("*/published@*.json")):
        if marker.parent.is_symlink() or not marker.is_file():
            continue
        try:
            files = json.loads(marker.read_bytes())["files"]
        except (OSError, ValueError, KeyError, TypeError):
            files = {}
        yield marker, files if isinstance(files, dict) else {}


def is_as_published(place: Path, name: str, described: Any) -> bool:
    """Whether a file below ``place`` still has the bytes that were published; one behind a link has not."""
    try:
        path = (place / name).resolve(strict=True)
        if path != place.resolve() / name or path.stat().st_size != described[0]:
            return False
        return bool(hashlib.sha256(path.read_bytes()).hexdigest() == described[1])
    except (OSError, TypeError, IndexError):
        return False
