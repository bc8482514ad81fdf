"""What was published: the files at their stable place, by the marker that was written when they were complete."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orrery.provenance.manifest import sha256_of


@dataclass(frozen=True)
class Publication:
    """What the marker of a publication says.

    Attributes:
        files: size and SHA-256 of each file by its path beside the marker; empty where the marker cannot be read.
        inputs: digest of each input that it was made of, by label.
    """

    files: Mapping[str, Any]
    inputs: Mapping[str, list[str]]


def describe_files(place: Path, paths: Iterable[Path]) -> dict[str, list[Any]]:
    """Size and SHA-256 of each published file by its path below ``place``, for the marker."""
    return {str(path.relative_to(place)): [path.stat().st_size, sha256_of(path)] for path in sorted(paths)}


def read_marker(marker: Path) -> Publication:
    """Return what a marker says; one that cannot be read says nothing."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(marker.read_bytes())
        return Publication(dict(content["files"]), dict(content.get("inputs", {})))
    return Publication({}, {})


def find_markers(results: Path) -> Iterator[tuple[Path, Publication]]:
    """Yield the marker of each publication below the results folder, with what it says.

    A folder that Orrery did not publish has none.
    """
    for marker in sorted(results.glob("*/published@*.json")):
        if marker.is_file() and not marker.parent.is_symlink():
            yield marker, read_marker(marker)


def is_as_published(place: Path, name: str, described: Any) -> bool:
    """Whether a file below ``place`` still has the bytes that were published; one behind a link has not."""
    try:
        path = (place / name).resolve(strict=True)
        if path != place.resolve() / name or path.stat().st_size != described[0]:
            return False
        return bool(sha256_of(path) == described[1])
    except (OSError, TypeError, IndexError):
        return False
