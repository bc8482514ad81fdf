"""Where the bytes of a store lie: in its folder, or in an object store that a file in the folder names.

The folder stays in either case, with what is told about the bytes (``job.json``, ``provenance.json``); the manifest
says nothing of the place, so that equal bytes have equal manifests wherever they lie. The name in the object store
holds the digest of the bytes, so that other bytes never come to lie among those that somebody reads.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError
from orrery.provenance.object_store import UnreachableError
from orrery.provenance.objects import SCHEME, ObjectPath

LOCATION = "location.json"
PARTIAL = ".partial"
_ABOUT = frozenset({"provenance.json", "job.json", LOCATION})


def bytes_of(store: Path) -> Path | ObjectPath:
    """Return where the bytes behind the folder of a store lie: the folder itself, or an object store."""
    remote = location_of(store)
    return store if remote is None else remote


def location_of(store: Path) -> ObjectPath | None:
    """Return the place in an object store that the folder of a store names, if it names one."""
    try:
        url = json.loads((store / LOCATION).read_bytes())["bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ObjectPath(url) if isinstance(url, str) and url.startswith(SCHEME) else None


def check_location(place: str) -> None:
    """Make sure that an object store answers, before hours of work that end there.

    Raises:
        UnreachableError: it does not, or refuses.
    """
    ObjectPath(place).ask()


def place_of(name: str, content: Mapping[str, Any], place: str) -> ObjectPath:
    """Return where the bytes of a result lie in an object store.

    Args:
        name: of the result below its stage, with its digest.
        content: the manifest of the data.
        place: ``s3://bucket/prefix``.
    """
    return ObjectPath(f"{place}/{name}/{str(content['digest'])[:16]}")


def send_away(folder: Path, content: Mapping[str, Any], remote: ObjectPath) -> None:
    """Copy the data of a folder to an object store and look whether all of it came to lie there.

    The folder names the place before the first byte is sent, so that what a killed job has sent can be found.

    Args:
        folder: where the data lie, complete and closed.
        content: the manifest of the data.
        remote: where to, as ``place_of`` says.

    Raises:
        UnreachableError: the object store did not answer, or refused.
        OrreryError: it does not hold what was sent.
    """
    written = {file: int(size) for file, (size, _) in content["files"].items()}
    (folder / LOCATION).write_text(json.dumps({"bytes": remote.url}) + "\n", encoding="utf-8")
    # Of an earlier attempt whose bytes were others below the same first digits, or of a person.
    remote.remove(file for file in remote.files() if file not in written)
    remote.send(folder, written)
    if remote.files() != written:
        raise OrreryError(
            f"{remote} does not hold what was sent there: look at the object store and run again"
        )


def drop_local(store: Path) -> None:
    """Remove the data from the folder of a store whose bytes lie in an object store; what is about them stays."""
    if location_of(store) is None:
        return
    for path in store.iterdir():
        if path.name in _ABOUT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def remove_bytes(store: Path) -> None:
    """Remove what the folder of a store names in an object store, unless the store beside it stands for it.

    Args:
        store: the folder of a store, or the one in which it was being written; it stays.

    Raises:
        UnreachableError: the object store did not answer, or refused.
    """
    remote = location_of(store)
    if remote is None:
        return
    other = store.with_name(store.name.removesuffix(PARTIAL))
    if other != store and location_of(other) == remote:
        return
    remote.remove()


def leave_bytes(remote: ObjectPath | None) -> None:
    """Remove bytes that were replaced; where that fails nothing is wrong but the space they take, so it is told."""
    if remote is None:
        return
    try:
        remote.remove()
    except UnreachableError as error:
        print(f"{remote} is of no use any more and could not be removed: {error}")


def size_away(store: Path) -> int:
    """Bytes that lie in an object store behind a folder, as its ``job.json`` says; 0 where none do."""
    if location_of(store) is None:
        return 0
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        files = json.loads((store / "job.json").read_bytes())["manifest"]["files"]
        return sum(int(size) for size, _ in files.values())
    return 0
