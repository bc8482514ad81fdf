"""What is written down of a result: the digest of its bytes and of those that it was made of.

The times of files say little: a copy, a restored backup or a clock that was set back gives others to the same bytes.
So whether a result was made of what its inputs hold now is read from what the job wrote down. Reading that of ten
thousand results takes seconds, so it is kept by the size and the times of the files it was read from.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError
from orrery.provenance.manifest import read_manifest, sha256_of, write_atomically
from orrery.provenance.published import read_marker

VERSION = 1
Inputs = Mapping[str, list[str]]


@dataclass(frozen=True)
class Record:
    """What is known of one result.

    Attributes:
        digest: of its bytes.
        inputs: digest of each input that it was made of, by label.
        store: the folder of its bytes as its manifest names it; empty for a publication.
    """

    digest: str
    inputs: Inputs
    store: str


class Records:
    """Reads records, and keeps them in a file; a file that cannot be read or written is none.

    Args:
        cache: the file.
    """

    def __init__(self, cache: Path | None) -> None:
        self._cache = cache
        self._kept: dict[str, list[Any]] = {}
        self._used: dict[str, list[Any]] = {}
        if cache is not None:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                content = json.loads(cache.read_bytes())
                if content["version"] == VERSION:
                    self._kept = dict(content["records"])

    def read(self, target: Path) -> Record | None:
        """Return the record of the result behind a manifest or the marker of a publication.

        Returns:
            ``None`` where it is not there, was edited, or its store or a published file is gone: then nothing
            vouches for it.
        """
        if target.name.startswith("published@"):
            return _read_publication(target)
        place = str(target)
        signature = _signature(target)
        if signature is None:
            return None
        with contextlib.suppress(KeyError, TypeError, ValueError):
            kept_signature, digest, inputs, store = self._kept[place]
            of_job = _signature(target.parent / store / "job.json")
            if kept_signature == [signature, of_job]:
                self._used[place] = self._kept[place]
                return Record(digest, inputs, store)
        record = _read(target)
        if record is not None:
            of_job = _signature(target.parent / record.store / "job.json")
            self._used[place] = [[signature, of_job], record.digest, record.inputs, record.store]
        return record

    def save(self) -> None:
        """Write down what was asked for, where it differs from what was kept."""
        if self._cache is None or self._used == self._kept:
            return
        with contextlib.suppress(OSError):
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            content = json.dumps({"version": VERSION, "records": self._used}, separators=(",", ":"))
            write_atomically(self._cache, content.encode("ascii"))


def _read_publication(marker: Path) -> Record | None:
    said = read_marker(marker)
    if not said.files or not all((marker.parent / name).is_file() for name in said.files):
        return None
    return Record(sha256_of(marker), said.inputs, "")


def _read(target: Path) -> Record | None:
    try:
        manifest = read_manifest(target)
        store = str(manifest["store"])
        job = json.loads((target.parent / store / "job.json").read_bytes())
        return Record(str(manifest["digest"]), dict(job["inputs"]), store)
    except (OSError, ValueError, KeyError, TypeError, OrreryError):
        return None


def _signature(path: Path) -> list[int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size, found.st_ino]
