"""Many stores hashed again by one pool: each once, told in the order given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orrery.provenance.inventory import find_links, find_results, size_of
from orrery.provenance.manifest import manifest_bytes, read_manifest, write_manifest
from orrery.provenance.rehash import AHEAD, bytes_described, group_by_store, rehash


def make_store(folder: Path, number: int, files: int = 3) -> Path:
    store = folder / f"name-{number:03d}@{number:016x}"
    store.mkdir(parents=True)
    for index in range(files):
        (store / f"chunk-{index}").write_bytes(bytes([number % 256, index]) * 500)
    manifest = folder / f"{store.name}.json"
    write_manifest(store, manifest)
    return manifest


@pytest.mark.parametrize("workers", [1, 3])
def test_all_damage_is_told_in_the_order_given(tmp_path: Path, workers: int) -> None:
    manifests = [make_store(tmp_path, number) for number in range(AHEAD + 10)]
    for number in (AHEAD + 5, 2):
        (tmp_path / f"name-{number:03d}@{number:016x}" / "chunk-1").write_bytes(b"x" * 1000)
    manifests[20].write_text("{")
    counted: list[int] = []
    groups = group_by_store(manifests)
    found = list(rehash(groups, workers, counted.append))
    assert [group for group, _ in found] == [(path,) for path in manifests]
    assert [group[0] for group, damage in found if damage] == [manifests[n] for n in (2, 20, AHEAD + 5)]
    # All bytes but those of the store whose manifest is no list of files.
    assert sum(counted) == sum(map(bytes_described, manifests)) == (len(manifests) - 1) * 3000


def test_a_store_of_two_names_is_hashed_once(tmp_path: Path) -> None:
    first = make_store(tmp_path, 1)
    second = tmp_path / "name-001@ffffffffffffffff.json"
    second.write_bytes(manifest_bytes(read_manifest(first)))
    third = tmp_path / "name-001@eeeeeeeeeeeeeeee.json"
    third.write_text(json.dumps({**read_manifest(first), "digest": "0" * 64}))
    groups = group_by_store([first, second, third])
    assert groups == [(first, second), (third,)]
    counted: list[int] = []
    assert [bool(damage) for _, damage in rehash(groups, 2, counted.append)] == [False, True]
    assert sum(counted) == 3000


def test_what_belongs_to_a_result_and_its_size(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    manifest = make_store(root / "analyses" / "s", 1)
    other = make_store(elsewhere, 2)
    (root / "linked").symlink_to(elsewhere)
    link = root / "analyses" / other.name
    link.symlink_to(other)
    for name in ("a@0000000000000001.partial", ".name-001@0000000000000001.json.1a2b.tmp", "notes.txt"):
        (root / "analyses" / "s" / name).touch()
    found = {(str(result), path.name) for result, path in find_results(root)}
    one = "analyses/s/name-001@0000000000000001"
    assert found == {
        (one, "name-001@0000000000000001"),
        (one, manifest.name),
        (one, ".name-001@0000000000000001.json.1a2b.tmp"),
        ("analyses/s/a@0000000000000001", "a@0000000000000001.partial"),
        ("analyses/name-002@0000000000000002", other.name),
    }
    assert list(find_links(root)) == [root / "linked"]
    assert size_of(manifest.with_name("name-001@0000000000000001")) == 3000
    assert size_of(link) == len(str(other))
