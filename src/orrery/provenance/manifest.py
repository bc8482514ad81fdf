"""The manifest of a store: the digest of its bytes, and of each of its files.

The manifest is the one declared output of a job. It says what the data are, never when, where or by what they
were made, so that equal data have an equal manifest digest and a rebuild that changes nothing stops there.
Times, hosts, versions and specs lie in ``provenance.json`` and ``job.json`` inside the store, which it leaves out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError
from orrery.provenance.canonical import canonical
from orrery.provenance.location import bytes_of
from orrery.provenance.objects import ObjectPath
from orrery.provenance.storage import refused

SCHEMA = 1
NOT_DATA = frozenset({"provenance.json", "job.json", "location.json"})
"""Files at the top of a store that are about the data and not data."""
_OWN_KEYS = frozenset({"schema", "digest", "store", "files", "seal"})
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Damage:
    """One thing wrong with a store or its manifest.

    Attributes:
        store: the store as the user knows it (path without the ending ``.json`` of its manifest).
        file: path of the file inside the store (a chunk, an array's metadata), ``""`` for the whole store.
        what: what is wrong with it.
    """

    store: str
    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.store}: {self.file}: {self.what}" if self.file else f"{self.store}: {self.what}"


def is_leftover(name: str) -> bool:
    """Whether a file of this name is what an interrupted writer or a file system leaves behind."""
    return (
        name.endswith((".partial", ".tmp", ".lock"))
        or name.startswith(".nfs")
        or name == ".snakemake_timestamp"
    )


def build(store: Path, workers: int | None = None, sync: bool = False) -> dict[str, Any]:
    """Describe the data of a store: its files with sizes and digests, and one digest over all of them.

    Args:
        store: folder of the store.
        workers: hashing threads; the number of processors where ``None``.
        sync: force each file and folder to the disk while at it.

    Returns:
        ``{"schema", "digest", "store", "files": {path: [size, sha256]}}``; the digest is the SHA-256 of the lines
        ``path size sha256`` sorted by path.

    Raises:
        OrreryError: the store is not a folder, holds no data, or holds something else than files and folders.
    """
    sizes = dict(_scan(store))
    if not sizes:
        raise OrreryError(f"store {store} holds no data, so it has no manifest: write its data first")
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        digests = list(pool.map(lambda name: sha256_of(store / name, sync=sync), sizes))
    files: dict[str, list[Any]] = {
        name: [size, sha] for (name, size), sha in zip(sizes.items(), digests, strict=True)
    }
    if sync:
        for folder, _, _ in os.walk(store):
            _sync_folder(Path(folder))
    return {"schema": SCHEMA, "digest": _digest_of(files), "store": store.name, "files": files}


def write_manifest(store: Path, path: Path, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Force the data of a store to the disk, then write its manifest in one step.

    Args:
        store: folder of the store, complete and closed.
        path: the manifest to write, beside the store.
        extra: further keys that follow from the data alone (status of runs, shapes); never times or hosts.

    Returns:
        The manifest as written.

    Raises:
        OrreryError: as ``build``, or ``extra`` uses a key of the manifest itself.
    """
    clash = sorted(_OWN_KEYS & set(extra or {}))
    if clash:
        raise OrreryError(f"a manifest writes the key '{clash[0]}' itself: give the extra entry another name")
    content = sealed({**build(store, sync=True), **(extra or {})})
    write_atomically(path, manifest_bytes(content))
    return content


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest with the seal over all that it says, so that a later edit of it is noticed."""
    return {**content, "seal": _seal(content)}


def manifest_bytes(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a sealed manifest as they stand in its file: equal content, equal bytes."""
    text = json.dumps(content, sort_keys=True, indent=0, ensure_ascii=True, allow_nan=False)
    return text.encode("ascii") + b"\n"


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest.

    Raises:
        OrreryError: it is missing, unreadable, of another schema, or was edited since it was written.
        OSError: the file system refuses to read it.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise OrreryError(f"manifest {path} does not exist: run the workflow to build it") from None
    except (OSError, ValueError) as error:
        if refused(error):
            raise  # nothing is known of the manifest, so that to delete it would be the wrong advice
        raise OrreryError(
            f"manifest {path} cannot be read ({error}): delete it and run the workflow again"
        ) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise OrreryError(
            f"manifest {path} has another schema than {SCHEMA}: delete it and run the workflow again"
        )
    try:
        untouched = content.get("seal") == _seal(content) and content["digest"] == _digest_of(
            content["files"]
        )
    except (KeyError, TypeError, ValueError, OrreryError):
        untouched = False
    if not untouched:
        raise OrreryError(
            f"manifest {path} was edited since it was written: delete it and run the workflow again"
        )
    return content


def store_of(path: Path, content: Mapping[str, Any] | None = None) -> Path:
    """Return the folder that a manifest describes: beside it, under the name that it holds."""
    return path.parent / str((content or read_manifest(path))["store"])


def quick_check(path: Path) -> list[Damage]:
    """Compare a store with its manifest by names and sizes of files only: one ``stat`` for each, or one listing.

    Returns:
        What is wrong, sorted by file; empty where all is there.

    Raises:
        UnreachableError: the bytes lie in an object store that does not answer.
    """
    try:
        content = read_manifest(path)
    except OrreryError as error:
        return [Damage(_name(path), "", str(error))]
    return _compare(path, content)


def verify(
    path: Path, workers: int | None = None, progress: Callable[[int], None] | None = None
) -> list[Damage]:
    """Hash a store again and compare it with its manifest.

    Args:
        path: the manifest.
        workers: hashing threads; the number of processors where ``None``.
        progress: called with the number of bytes of each block hashed, from several threads.

    Returns:
        What is wrong, sorted by file; empty where all bytes are as they were written.

    Raises:
        UnreachableError: the bytes lie in an object store that does not answer.
    """
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        return begin_verify(path, pool, progress)()


def begin_verify(
    path: Path, pool: Executor, progress: Callable[[int], None] | None = None
) -> Callable[[], list[Damage]]:
    """Have a store hashed again by a pool of threads, file by file.

    Args:
        path: the manifest.
        pool: hashes the files; hashing leaves the interpreter to the other threads.
        progress: as for ``verify``.

    Returns:
        A function that waits for the files of this store and returns what is wrong, as ``verify`` does.

    Raises:
        UnreachableError: the bytes lie in an object store that does not answer; the function may raise it too.
    """
    try:
        content = read_manifest(path)
    except OrreryError as error:
        unreadable = [Damage(_name(path), "", str(error))]
        return lambda: unreadable
    store = bytes_of(store_of(path, content))
    found = _compare(path, content)
    broken = {damage.file for damage in found}
    if "" in broken:
        return lambda: found

    def check(name: str, written: str) -> Damage | None:
        try:
            same = _hashed(store / name, progress) == written
        except OSError as error:
            return Damage(_name(path), name, f"cannot be read ({error.strerror or error})")
        return None if same else Damage(_name(path), name, "its bytes differ from what was written")

    checks = [
        pool.submit(check, name, sha) for name, (_, sha) in content["files"].items() if name not in broken
    ]

    def finish() -> list[Damage]:
        differing = [damage for future in checks if (damage := future.result())]
        return sorted([*found, *differing], key=lambda damage: damage.file)

    return finish


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, also after a crash, finds the old bytes or the new ones, never a part.

    What writers of the same file that were killed have left beside it is removed.

    Raises:
        OSError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    stem = f".{path.name[:100]}."
    for left in path.parent.glob(f"{escape(stem)}*.tmp"):
        left.unlink(missing_ok=True)
    temporary = path.with_name(f"{stem}{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise
        # Another writer of the same file took this one for a leftover.
        write_atomically(path, content)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _compare(path: Path, content: Mapping[str, Any]) -> list[Damage]:
    store, name = store_of(path, content), _name(path)
    if not store.is_dir():
        return [Damage(name, "", f"its folder {store.name} is missing")]
    lies = bytes_of(store)
    if isinstance(lies, ObjectPath):
        present = lies.files()
        if not present:
            return [Damage(name, "", f"nothing lies at {lies}")]
    else:
        try:
            present = dict(_scan(lies))
        except OrreryError as error:
            return [Damage(name, "", str(error))]
    found = []
    for file, (size, _) in content["files"].items():
        if file not in present:
            found.append(Damage(name, file, "is missing"))
        elif present[file] != size:
            found.append(Damage(name, file, f"has {present[file]:,} bytes, {size:,} were written"))
    found += [
        Damage(name, file, "was not written by the job") for file in present if file not in content["files"]
    ]
    return sorted(found, key=lambda damage: damage.file)


def _scan(store: Path) -> Iterator[tuple[str, int]]:
    """Yield path inside the store (with ``/``) and size of each data file, sorted by path."""
    if not store.is_dir():
        raise OrreryError(f"store {store} is not a folder: a manifest describes a folder with data")
    found: list[tuple[str, int]] = []
    pending = [("", str(store))]
    while pending:
        prefix, folder = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_leftover(entry.name) or (not prefix and entry.name in NOT_DATA):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append((f"{prefix}{entry.name}/", entry.path))
                elif entry.is_file(follow_symlinks=False):
                    found.append((prefix + entry.name, entry.stat(follow_symlinks=False).st_size))
                else:
                    raise OrreryError(
                        f"{entry.path} is neither a file nor a folder: a store holds plain files only"
                    )
    yield from sorted(found)


def sha256_of(path: Path, sync: bool = False, progress: Callable[[int], None] | None = None) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Args:
        path: the file.
        sync: force it to the disk while at it.
        progress: called with the number of bytes of each block hashed.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        # One buffer for the whole file, and not a fresh one for each block.
        buffer = bytearray(min(_BLOCK, max(os.fstat(file.fileno()).st_size, 1)))
        view = memoryview(buffer)
        while count := file.readinto(buffer):
            digest.update(view[:count])
            if progress is not None:
                progress(count)
        if sync:
            os.fsync(file.fileno())
    return digest.hexdigest()


def _hashed(file: Path | ObjectPath, progress: Callable[[int], None] | None) -> str:
    return file.sha256(progress) if isinstance(file, ObjectPath) else sha256_of(file, progress=progress)


def _digest_of(files: Mapping[str, Any]) -> str:
    lines = (f"{name} {size} {sha}\n" for name, (size, sha) in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _seal(content: Mapping[str, Any]) -> str:
    """Digest of all that the manifest says, so that an edit of it is noticed."""
    rest = {key: value for key, value in content.items() if key != "seal"}
    return hashlib.sha256(canonical(rest).encode("ascii")).hexdigest()[:16]


def _name(path: Path) -> str:
    return str(path).removesuffix(".json")


def _sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where the file system knows that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
