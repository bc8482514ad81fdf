"""Run one job: take over an equal earlier result, or produce a new one that appears only when it is whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError
from orrery.provenance.canonical import digest
from orrery.provenance.location import (
    LOCATION,
    PARTIAL,
    check_location,
    drop_local,
    leave_bytes,
    location_of,
    place_of,
    send_away,
)
from orrery.provenance.lock import StoreLock
from orrery.provenance.manifest import (
    build,
    manifest_bytes,
    quick_check,
    read_manifest,
    sealed,
    verify,
    write_atomically,
)
from orrery.provenance.storage import refused, remove_while_written

Payload = Mapping[str, Any]


def key(payload: Payload, inputs: Mapping[str, list[str]]) -> str:
    """Return the key of a job: its own spec without the code upstream, and the bytes of what it reads.

    Args:
        payload: the job as the plan hands it out.
        inputs: digest of the bytes of each input, by label.
    """
    own = {name: payload[name] for name in ("stage", "settings", "code", "software")}
    return digest({**own, "order": payload.get("order", ""), "inputs": inputs})


def run_job(payload: Payload, produce: Callable[[Path], None]) -> bool:
    """Bring the result of a job into being.

    A result whose key equals that of an earlier one of the same name takes over its bytes, and ``produce`` is
    not called; unless the payload says under ``execution`` that nothing may be taken over. Otherwise ``produce``
    writes into a fresh folder that gets its name only when it is whole; the manifest comes last. Two processes
    never write one store.

    Where the payload says under ``execution`` that the bytes of trajectories lie in an object store, those of a
    trajectory are sent there when they are whole and hashed. What was made and could not be sent is sent by the
    next run, and not made again.

    Args:
        payload: the job as the plan hands it out.
        produce: writes the result into the folder that it is given.

    Returns:
        Whether anything was produced.

    Raises:
        OrreryError: an input is damaged, another process is at work on the same result, or an object store does
            not answer.
        OSError: the file system refuses to read or write; what was written until then is removed.
    """
    target = Path(payload["target"])
    store = target.with_suffix("")
    target.parent.mkdir(parents=True, exist_ok=True)
    with StoreLock(store):
        inputs = {
            label: [_digest_of(Path(path)) for path in paths] for label, paths in payload["inputs"].items()
        }
        own_key = key(payload, inputs)
        may_take_over = payload.get("execution", {}).get("take_over", True)
        for sibling in _siblings(payload, store) if may_take_over else ():
            if _takes_over(sibling, own_key, target, store):
                drop_local(store)  # a job that was killed after it had sent its bytes has left them
                return False
        place = _place(payload)
        if place:
            check_location(place)
        partial = _partial(store)
        content = _unsent(partial, own_key) if may_take_over else None
        produced = content is None
        try:
            if content is None:
                _make_fresh(partial, store)
                produce(partial)
                content = sealed({**build(partial, sync=True), "store": store.name})
                record = {
                    "name": payload["name"],
                    "spec": payload["spec"],
                    "key": own_key,
                    "inputs": inputs,
                }
                (partial / "job.json").write_text(
                    json.dumps({**record, "manifest": content}, indent=1, sort_keys=True)
                )
            replaced = location_of(store)
            remote = place_of(_below_its_stage(payload), content, place) if place else None
            if location_of(partial) not in (remote, replaced):
                leave_bytes(location_of(partial))  # it was being sent elsewhere
            if remote is None:
                (partial / LOCATION).unlink(missing_ok=True)
            else:
                send_away(partial, content, remote)
            # Only now, so that a job that was forced and fails has cost nothing that was whole.
            if store.exists():
                shutil.rmtree(store)
            os.rename(partial, store)
            drop_local(store)
            if replaced != remote:
                leave_bytes(replaced)
        except Exception as error:
            # Of a full disk, half a store would only take more; after a failure of ours it may show what went wrong.
            if refused(error):
                remove_while_written(partial)
            raise
        write_atomically(target, manifest_bytes(content))
    return produced


def _below_its_stage(payload: Payload) -> str:
    """Path of the store below the folder of its stage."""
    stage = Path(payload["results"]) / "store" / payload["stage"]
    return str(Path(payload["target"]).with_suffix("").relative_to(stage))


def _place(payload: Payload) -> str | None:
    """The object store that the bytes of a job go to; ``None`` where they stay beside their manifest."""
    place: str | None = payload.get("execution", {}).get("trajectories")
    return place if payload["stage"] == "trajectories" else None


def _unsent(partial: Path, own_key: str) -> dict[str, Any] | None:
    """The manifest of what an earlier run made whole and could not send, all its bytes read again; else ``None``."""
    if location_of(partial) is None:
        return None
    try:
        record = json.loads((partial / "job.json").read_bytes())
        content: dict[str, Any] = record["manifest"]
        whole = record["key"] == own_key and build(partial)["files"] == content["files"]
    except (OSError, ValueError, KeyError, TypeError, OrreryError):
        return None
    return content if whole else None


def _make_fresh(partial: Path, store: Path) -> None:
    """Make an empty folder to write into, and remove what an interrupted run has left, sent away or not."""
    if partial.exists():
        left = location_of(partial)
        if left != location_of(store):
            leave_bytes(left)
        shutil.rmtree(partial)
    partial.mkdir(parents=True)


def _partial(store: Path) -> Path:
    return store.with_name(store.name + PARTIAL)


def _siblings(payload: Payload, store: Path) -> list[Path]:
    """Earlier results of the same readable name, the job's own first, then the newest."""
    name = Path(payload["target"]).name.rpartition("@")[0]
    found = [path.parent for path in store.parent.glob(f"{_literal(name)}@*/job.json")]
    whole = [path for path in found if not path.name.endswith(PARTIAL)]
    return sorted(whole, key=lambda path: (path != store, -(path / "job.json").stat().st_mtime))


def _literal(name: str) -> str:
    return name.replace("[", "[[]")


def _takes_over(sibling: Path, own_key: str, target: Path, store: Path) -> bool:
    """Whether the earlier result has the same key and is whole; if so its manifest now stands at ``target``."""
    try:
        record = json.loads((sibling / "job.json").read_text())
        if record["key"] != own_key:
            return False
        manifest = manifest_bytes(record["manifest"])
    except (OSError, ValueError, KeyError):
        return False
    # Under another name until the bytes are found whole: a manifest in its place means that they are.
    doubted = target.with_name(f".{target.name}.tmp")
    write_atomically(doubted, manifest)
    damaged = quick_check(doubted) if _is_vouched(sibling, manifest) else verify(doubted)
    if damaged:
        doubted.unlink()
        return False
    os.replace(doubted, target)
    return True


def _is_vouched(store: Path, manifest: bytes) -> bool:
    """Whether the manifest of a store stands beside it; a store without one was doubted, so all its bytes are read."""
    try:
        return store.with_name(f"{store.name}.json").read_bytes() == manifest
    except OSError:
        return False


def _digest_of(manifest: Path) -> str:
    """Digest of the bytes of an input, after a look at the number and sizes of its files."""
    content = read_manifest(manifest)
    damaged = quick_check(manifest)
    if damaged:
        raise OrreryError(
            f"{damaged[0]}; delete {manifest} and run again, and only what it stands for is made anew."
        )
    return str(content["digest"])
