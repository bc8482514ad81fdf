"""The manifest: equal data, equal digest; whatever happens to a store is named."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.provenance.manifest import (
    build,
    quick_check,
    read_manifest,
    store_of,
    verify,
    write_atomically,
    write_manifest,
)

CHUNK = "data.zarr/state/c/0/1"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "lr=0.1@00ff"
    (folder / "data.zarr/state/c/0").mkdir(parents=True)
    (folder / "data.zarr/zarr.json").write_text("{}")
    (folder / "data.zarr/state/c/0/0").write_bytes(b"0" * 3_000_000)
    (folder / CHUNK).write_bytes(b"1" * 1000)
    (folder / "numbers.json").write_text("[]")
    return folder


@pytest.fixture
def manifest(store: Path) -> Path:
    path = store.with_name(store.name + ".json")
    write_manifest(store, path, {"status": [0, 0]})
    return path


def test_digest_is_sha256_of_the_sorted_lines(store: Path) -> None:
    lines = ""
    for name in (CHUNK.replace("1", "0"), CHUNK, "data.zarr/zarr.json", "numbers.json"):
        content = (store / name).read_bytes()
        lines += f"{name} {len(content)} {hashlib.sha256(content).hexdigest()}\n"
    assert build(store)["digest"] == hashlib.sha256(lines.encode()).hexdigest()


def test_manifest_names_store_and_files(store: Path, manifest: Path) -> None:
    content = read_manifest(manifest)
    assert content["store"] == store.name
    assert content["files"][CHUNK] == [1000, hashlib.sha256(b"1" * 1000).hexdigest()]
    assert content["status"] == [0, 0]
    assert store_of(manifest) == store
    assert verify(manifest) == quick_check(manifest) == []


def test_equal_data_elsewhere_and_later_give_equal_bytes(store: Path, manifest: Path, tmp_path: Path) -> None:
    before = manifest.read_bytes()
    moved = tmp_path / "elsewhere" / store.name
    moved.parent.mkdir()
    store.rename(moved)
    for file in moved.rglob("*"):
        os.utime(file, (1, 1))
    path = moved.with_name(moved.name + ".json")
    write_manifest(moved, path, {"status": [0, 0]})
    assert path.read_bytes() == before


def test_provenance_and_leftovers_are_no_data(store: Path, manifest: Path) -> None:
    digest = read_manifest(manifest)["digest"]
    (store / "provenance.json").write_text("{}")
    (store / "job.json").write_text("{}")
    (store / "data.zarr/state/c/0/0.5e1f.partial").write_text("torn")
    (store / ".snakemake_timestamp").touch()
    assert build(store)["digest"] == digest
    assert verify(manifest) == []


def test_a_file_named_like_provenance_deeper_down_is_data(store: Path) -> None:
    digest = build(store)["digest"]
    (store / "data.zarr/job.json").write_text("{}")
    assert build(store)["digest"] != digest


def test_a_flipped_byte_is_named(store: Path, manifest: Path) -> None:
    content = bytearray((store / CHUNK).read_bytes())
    content[500] ^= 1
    (store / CHUNK).write_bytes(content)
    assert quick_check(manifest) == []
    (damage,) = verify(manifest)
    assert damage.file == CHUNK
    assert "differ" in damage.what
    assert store.name in str(damage)


def test_missing_short_and_unexpected_files_are_named(store: Path, manifest: Path) -> None:
    (store / CHUNK).unlink()
    (store / "numbers.json").write_text("[1]")
    (store / "data.zarr/more").write_text("")
    for check in (quick_check, verify):
        assert [(damage.file, damage.what) for damage in check(manifest)] == [
            ("data.zarr/more", "was not written by the job"),
            (CHUNK, "is missing"),
            ("numbers.json", "has 3 bytes, 2 were written"),
        ]


def test_a_missing_store_is_named(store: Path, manifest: Path) -> None:
    store.rename(store.with_name("other"))
    for check in (quick_check, verify):
        (damage,) = check(manifest)
        assert "folder lr=0.1@00ff is missing" in str(damage)


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: content.update(store="other@11"),
        lambda content: content.update(status=[0, 1]),
        lambda content: content.update(digest="0" * 64),
        lambda content: content["files"].pop(CHUNK),
        lambda content: content.pop("seal"),
        lambda content: content.update(schema=99),
    ],
)
def test_an_edited_manifest_is_noticed(manifest: Path, edit: object) -> None:
    content = json.loads(manifest.read_text())
    edit(content)  # type: ignore[operator]
    manifest.write_text(json.dumps(content))
    with pytest.raises(OrreryError, match="delete it"):
        read_manifest(manifest)
    for check in (quick_check, verify):
        (damage,) = check(manifest)
        assert "delete it" in damage.what


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_torn_manifest_is_noticed(manifest: Path, content: bytes) -> None:
    manifest.write_bytes(content)
    with pytest.raises(OrreryError, match="run the workflow again"):
        read_manifest(manifest)


def test_an_absent_manifest_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="does not exist"):
        read_manifest(tmp_path / "x.json")


def test_an_empty_store_and_a_link_are_refused(tmp_path: Path, store: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(OrreryError, match="holds no data"):
        build(empty)
    with pytest.raises(OrreryError, match="not a folder"):
        build(tmp_path / "none")
    (store / "link").symlink_to(CHUNK)
    with pytest.raises(OrreryError, match="plain files"):
        build(store)


def test_extra_keys_may_not_hide_those_of_the_manifest(store: Path, tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="'files'"):
        write_manifest(store, tmp_path / "m.json", {"files": {}})


def test_progress_counts_every_byte(manifest: Path) -> None:
    counted: list[int] = []
    verify(manifest, workers=2, progress=counted.append)
    assert sum(counted) == sum(size for size, _ in read_manifest(manifest)["files"].values())


def test_an_atomic_write_leaves_old_bytes_and_no_rest_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.json"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["m.json"]


def test_an_atomic_write_removes_what_killed_writers_of_the_same_file_left(tmp_path: Path) -> None:
    left = tmp_path / ".m@[1].json.0123abcd.tmp"
    other = tmp_path / ".m@[1].html.0123abcd.tmp"
    for path in (left, other):
        path.write_bytes(b"half")
    write_atomically(tmp_path / "m@[1].json", b"new")
    assert sorted(os.listdir(tmp_path)) == [other.name, "m@[1].json"]


def test_an_atomic_write_that_another_takes_for_a_leftover_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.json"
    sync = os.fsync

    def swept(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        write_atomically(path, b"another's")

    monkeypatch.setattr(os, "fsync", swept)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["m.json"]
