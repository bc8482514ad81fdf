"""Trajectories in an object store: sent whole or held for nothing, read there, checked there, told in a sentence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
import torch
import zarr
from tests.object_server import BUCKET, KEYS, ObjectServer, serve
from tests.unit.trajectory_examples import Part, write

import orrery
from orrery.config.errors import OrreryError
from orrery.plan.job import Job
from orrery.provenance import object_store
from orrery.provenance.job import run_job
from orrery.provenance.location import bytes_of, location_of
from orrery.provenance.manifest import quick_check, read_manifest, store_of, verify
from orrery.provenance.object_store import UnreachableError
from orrery.provenance.objects import ObjectPath
from orrery.provenance.rehash import rehash
from orrery.trajectory.checkpoint import read_checkpoint, write_checkpoint
from orrery.trajectory.place import open_array
from orrery.trajectory.trajectory import Trajectory

PLACE = f"s3://{BUCKET}/runs"
MANY = (Part("w", (300,)),)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with serve(tmp_path_factory.mktemp("objects") / "buckets") as server:
        yield server


@pytest.fixture
def server(running: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    point_at(monkeypatch, running.variables)
    yield running
    running.gate.let_all()
    running.gate.parts = True
    ObjectPath(PLACE).remove()
    forget()


def point_at(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    forget()


def forget() -> None:
    object_store.connect.cache_clear()
    object_store._filesystem.cache_clear()


def job(results: Path, place: str | None = PLACE, rate: float = 0.1, **execution: Any) -> dict[str, Any]:
    one = Job("trajectories", "s", "s/c/block=000", {"rate": rate}, "a", {"numpy": "2"}, {})
    return {**one.payload(str(results)), "execution": {"trajectories": place, **execution}}


def train(out: Path) -> None:
    write(out / "data.zarr", steps=range(40), runs=range(8), seeds=range(8), copies=[0] * 8, parts=MANY)
    write_checkpoint(out / "checkpoint.zarr", 39, {"w": torch.arange(6.0).reshape(2, 3)})
    (out / "provenance.json").write_text("{}")


def refuse(out: Path) -> None:
    raise AssertionError("nothing was to be produced")


def give_up(*arguments: Any) -> None:
    raise UnreachableError("no answer")


def manifest(payload: dict[str, Any]) -> Path:
    return Path(payload["target"])


def test_bytes_lie_there_and_the_manifest_is_that_of_a_local_store(
    server: ObjectServer, tmp_path: Path
) -> None:
    away, here = job(tmp_path / "away"), job(tmp_path / "here", None)
    assert run_job(away, train)
    assert run_job(here, train)
    assert manifest(away).read_bytes() == manifest(here).read_bytes()
    store = store_of(manifest(away))
    assert sorted(path.name for path in store.iterdir()) == ["job.json", "location.json", "provenance.json"]
    content = read_manifest(manifest(away))
    lies = bytes_of(store)
    assert str(lies) == f"{PLACE}/s/c/block=000@{away['digest']}/{content['digest'][:16]}"
    assert isinstance(lies, ObjectPath)
    assert lies.files() == {name: size for name, (size, _) in content["files"].items()}
    assert quick_check(manifest(away)) == verify(manifest(away)) == []


def test_what_is_read_there_is_what_is_read_here(server: ObjectServer, tmp_path: Path) -> None:
    away, here = job(tmp_path / "away"), job(tmp_path / "here", None)
    for payload in (away, here):
        run_job(payload, train)
    one, other = (bytes_of(store_of(manifest(payload))) for payload in (away, here))
    there, local = (Trajectory.open(lies / "data.zarr") for lies in (one, other))
    for name in local.dataset.variables:
        np.testing.assert_array_equal(there.dataset[name].values, local.dataset[name].values, str(name))
    np.testing.assert_array_equal(there.array()[5:8, 3:11, 17].values, local.array()[5:8, 3:11, 17].values)
    step, state = read_checkpoint(one / "checkpoint.zarr")
    assert step == 39
    assert torch.equal(state["w"], torch.arange(6.0).reshape(2, 3))
    by_address = orrery.open(f"{one}/data.zarr", steps=(3, 7))
    assert by_address.steps == [3, 4, 5, 6, 7]
    assert orrery.open(str(store_of(manifest(away)))).steps == list(range(40))


@pytest.mark.parametrize("parts", [True, False])
def test_shards_are_read_through_zarr(server: ObjectServer, tmp_path: Path, parts: bool) -> None:
    server.gate.parts = parts

    values = np.arange(600, dtype="f4").reshape(20, 30)
    array = zarr.create_array(tmp_path / "a", shape=(20, 30), chunks=(5, 5), shards=(10, 10), dtype="f4")
    array[...] = values
    there = ObjectPath(f"{PLACE}/a")
    there.send(
        tmp_path / "a",
        [str(p.relative_to(tmp_path / "a")) for p in (tmp_path / "a").rglob("*") if p.is_file()],
    )
    np.testing.assert_array_equal(np.asarray(open_array(there)[3:17, 8:22]), values[3:17, 8:22])


def test_a_large_file_is_sent_in_parts(server: ObjectServer, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(20_000_000)
    (tmp_path / "large").write_bytes(content)
    there = ObjectPath(f"{PLACE}/b")
    there.send(tmp_path, ["large"])
    assert there.files() == {"large": len(content)}
    assert (there / "large").read_bytes() == content


def test_damage_is_found_and_named(server: ObjectServer, tmp_path: Path) -> None:
    payload = job(tmp_path)
    run_job(payload, train)
    lies = location_of(store_of(manifest(payload)))
    assert lies is not None
    chunk = next(name for name in lies.files() if name.startswith("data.zarr/state/c/"))
    good = (lies / chunk).read_bytes()
    store = object_store.connect(BUCKET)
    obstore.put(store, f"{lies.key}/{chunk}", good[:-1] + bytes([good[-1] ^ 1]))
    assert quick_check(manifest(payload)) == []
    (damage,) = verify(manifest(payload))
    assert (damage.file, damage.what) == (chunk, "its bytes differ from what was written")
    with pytest.raises(OrreryError, match="cannot be read, its bytes are not those that were written"):
        Trajectory.open(lies / "data.zarr").array().values  # noqa: B018
    obstore.put(store, f"{lies.key}/more", b"x")
    lies.remove([chunk])
    for check in (quick_check, verify):
        assert [(d.file, d.what) for d in check(manifest(payload))] == [
            (chunk, "is missing"),
            ("more", "was not written by the job"),
        ]
    with pytest.raises(OrreryError, match=r"array 'state' has \d+ of \d+ chunks"):
        Trajectory.open(lies / "data.zarr")
    manifest(payload).unlink()
    assert run_job(payload, train)
    assert verify(manifest(payload)) == []


def test_all_bytes_gone(server: ObjectServer, tmp_path: Path) -> None:
    payload = job(tmp_path)
    run_job(payload, train)
    lies = location_of(store_of(manifest(payload)))
    assert lies is not None
    lies.remove()
    assert [damage.what for damage in verify(manifest(payload))] == [f"nothing lies at {lies}"]


def test_an_interrupted_way_there_leaves_nothing_that_looks_whole_and_is_gone_on_with(
    server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = job(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(ObjectPath, "send", give_up)
        with pytest.raises(UnreachableError):
            run_job(payload, train)
    assert not manifest(payload).exists()
    assert not manifest(payload).with_suffix("").exists()
    # What was made is sent, not made again.
    assert not run_job(payload, refuse)
    assert verify(manifest(payload)) == []
    assert not list(tmp_path.rglob("*.partial"))


def test_what_was_not_sent_and_is_no_longer_whole_is_made_again(
    server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = job(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(ObjectPath, "send", give_up)
        with pytest.raises(UnreachableError):
            run_job(payload, train)
    partial = manifest(payload).with_name(manifest(payload).stem + ".partial")
    chunk = next(path for path in (partial / "data.zarr" / "state" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-1])
    left = location_of(partial)
    assert left is not None
    obstore.put(object_store.connect(BUCKET), f"{left.key}/half", b"x")
    assert run_job(payload, train)
    assert verify(manifest(payload)) == []


def test_a_change_of_place_leaves_results_where_they_are(server: ObjectServer, tmp_path: Path) -> None:
    payload = job(tmp_path)
    run_job(payload, train)
    first = location_of(store_of(manifest(payload)))
    for place in (None, f"{PLACE}/elsewhere"):
        manifest(payload).unlink()
        assert not run_job(job(tmp_path, place), refuse)
        assert location_of(store_of(manifest(payload))) == first
    # Made anew it goes to the new place, and what it replaces goes.
    assert run_job(job(tmp_path, f"{PLACE}/elsewhere", take_over=False), train)
    second = location_of(store_of(manifest(payload)))
    assert str(second).startswith(f"{PLACE}/elsewhere/s/c/")
    assert first is not None
    assert first.files() == {}
    assert run_job(job(tmp_path, None, take_over=False), train)
    assert location_of(store_of(manifest(payload))) is None
    assert server.names() == []
    assert verify(manifest(payload)) == []


def test_forced_anew_at_the_same_place(server: ObjectServer, tmp_path: Path) -> None:
    payload = job(tmp_path, take_over=False)
    for _ in range(2):
        assert run_job(payload, train)
        assert verify(manifest(payload)) == []


def test_killed_after_all_was_sent(server: ObjectServer, tmp_path: Path) -> None:
    """The bytes are still here, the manifest is not: they are read there, found whole, and dropped here."""
    payload = job(tmp_path)
    run_job(payload, train)
    train_again = store_of(manifest(payload))
    train(train_again)
    manifest(payload).unlink()
    assert not run_job(payload, refuse)
    assert not (train_again / "data.zarr").exists()
    assert verify(manifest(payload)) == []


def test_a_moved_results_folder_finds_its_bytes(server: ObjectServer, tmp_path: Path) -> None:
    payload = job(tmp_path / "one")
    run_job(payload, train)
    shutil.move(tmp_path / "one", tmp_path / "two")
    assert verify(manifest(job(tmp_path / "two"))) == []


@pytest.mark.parametrize(
    ("variables", "place", "reason"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, PLACE, "no answer"),
        ({"AWS_ENDPOINT_URL": "http://user:hidden@127.0.0.1:9"}, PLACE, "no answer"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, PLACE, "the secret key does not fit"),
        ({}, "s3://no-such-bucket/x", "there is no such bucket"),
    ],
)
def test_what_is_refused_is_one_sentence_before_anything_is_made(
    server: ObjectServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    place: str,
    reason: str,
) -> None:
    point_at(monkeypatch, {**server.variables, **variables})
    with pytest.raises(UnreachableError) as caught:
        run_job(job(tmp_path, place), refuse)
    told = str(caught.value)
    assert place in told
    assert reason in told
    assert "127.0.0.1" in told
    assert "\n" not in told
    assert not any(secret in told for secret in ("hidden", "wrong", KEYS["AWS_SECRET_ACCESS_KEY"]))
    point_at(monkeypatch, server.variables)


def test_nothing_is_called_damaged_where_nobody_answers(
    server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = job(tmp_path)
    run_job(payload, train)
    with monkeypatch.context() as patched:
        point_at(patched, {**server.variables, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
        ((group, found),) = rehash([(manifest(payload),)], 2)
        assert group == (manifest(payload),)
        assert isinstance(found, UnreachableError)
        with pytest.raises(UnreachableError):
            quick_check(manifest(payload))
    forget()


def test_no_key_is_written_anywhere(server: ObjectServer, tmp_path: Path) -> None:
    payload = job(tmp_path)
    run_job(payload, train)
    text = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEYS["AWS_SECRET_ACCESS_KEY"].encode() not in text
    assert server.address.encode() not in text


def test_keys_and_address_from_the_files_of_aws(
    server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(f"[profile lab]\nregion = us-east-1\nendpoint_url = {server.address}\n")
    (tmp_path / "credentials").write_text(
        f"[lab]\naws_access_key_id = {KEYS['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {KEYS['AWS_SECRET_ACCESS_KEY']}\n"
    )
    files = {
        "AWS_PROFILE": "lab",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }
    with monkeypatch.context() as patched:
        point_at(patched, files)
        payload = job(tmp_path / "results")
        assert run_job(payload, train)
        assert verify(manifest(payload)) == []
    forget()
