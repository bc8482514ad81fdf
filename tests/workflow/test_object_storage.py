"""Trajectories in an object store: the same manifests, nothing stale, damage made good, kills that cost nothing."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.object_server import BUCKET, KEYS, ObjectServer, serve

from orrery.provenance import object_store
from orrery.provenance.objects import ObjectPath

from .processes import running, wait_for
from .table import holds

PLACE = f"s3://{BUCKET}/studies"
FIRST = "tiny/slow/block=000,steps=0-10"
THERE = f"studies/{FIRST.replace(',', '+')}"
TRAINED = "results/store/trajectories"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with serve(tmp_path_factory.mktemp("objects") / "buckets") as started:
        yield started


@pytest.fixture(autouse=True)
def environment(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    object_store.connect.cache_clear()
    yield
    server.gate.let_all()
    ObjectPath(PLACE).remove()
    object_store.connect.cache_clear()


def send_to(lab: Any, place: str = PLACE) -> None:
    config = lab.path("config.yaml")
    lines = [line for line in config.read_text().splitlines() if not line.startswith("trajectories:")]
    config.write_text("\n".join([*lines, f"trajectories: {place}", ""]))


def anew(clone: Any, tmp_path: Path) -> Any:
    """A laboratory in which nothing was built and whose trajectories go to the object store."""
    lab = clone.copy(tmp_path / "away")
    send_to(lab)
    return lab


def test_a_study_in_an_object_store(clone: Any, built: Any, server: ObjectServer, tmp_path: Path) -> None:
    """Built, read, published, damaged, made good and pruned: the manifests are always those of a local build."""
    lab = anew(clone, tmp_path)
    lab.build()
    assert lab.manifests() == built.manifests()
    assert lab.dry() == set()
    here = {path.name for path in lab.path(TRAINED).rglob("*") if path.is_file() and "@" not in path.name}
    assert here == {"job.json", "provenance.json", "location.json"}
    for name in ("numbers.json", "claims.json", "trajectories.json"):
        assert (
            lab.path(f"results/tiny/{name}").read_bytes() == built.path(f"results/tiny/{name}").read_bytes()
        )
    for path in [*lab.path("results").rglob("*"), *lab.path(".snakemake").rglob("*")]:
        if path.is_file():
            content = path.read_bytes()
            assert KEYS["AWS_SECRET_ACCESS_KEY"].encode() not in content, path
            assert server.address.encode() not in content, path

    import orrery

    opened = orrery.open("tiny", "slow", results=lab.path("results"))
    assert (
        opened.dataset["state"].values.tobytes()
        == orrery.open("tiny", "slow", results=built.path("results")).dataset["state"].values.tobytes()
    )

    assert lab.snakemake("verify").code == 0
    manifest = lab.manifest("trajectories", FIRST)
    (chunk,) = (name for name in server.names(f"{THERE}@") if "data.zarr/state/c/" in name)
    ObjectPath(f"s3://{BUCKET}").remove([chunk])
    outcome = lab.snakemake("verify")
    assert outcome.code == 1
    assert f"data.zarr{chunk.partition('data.zarr')[2]}: is missing" in outcome.err
    assert f"trajectories {FIRST}: its manifest is removed" in outcome.err
    assert "Traceback" not in outcome.err
    lab.build()
    assert lab.manifests() == built.manifests()
    assert lab.dry() == set()
    assert lab.snakemake("verify").code == 0

    lab.replace(
        "studies/tiny.yaml",
        "slow: {system: {optimizer: {rate: 0.1}}}",
        "slow: {system: {optimizer: {rate: 0.15}}}",
    )
    lab.build()
    before = server.names()
    listed = lab.snakemake("prune")
    gone = manifest.relative_to(lab.folder).with_suffix("")
    size = re.search(rf"([\d,]+)  {re.escape(str(gone))}$", listed.out, re.MULTILINE)
    assert size is not None, listed.out
    away = sum((server.folder / BUCKET / name).stat().st_size for name in before if f"/{gone.name}/" in name)
    assert int(size[1].replace(",", "")) > away > 0
    assert server.names() == before
    assert lab.snakemake("prune", ORRERY_PRUNE="yes").code == 0
    left = server.names()
    assert set(left) < set(before)
    assert not any(f"{THERE}@" in name and gone.name in name for name in left)
    assert lab.snakemake("verify").code == 0
    assert lab.dry() == set()


@holds("config", "`trajectories`: an object store for their bytes, another one, or none", ())
def test_the_place_of_bytes_makes_nothing_stale(lab: Any, built: Any, server: ObjectServer) -> None:
    """What is there is found where it lies; what is new goes to the new place."""
    send_to(lab)
    assert lab.dry() == set()
    assert server.names() == []
    lab.manifest("trajectories", FIRST).with_suffix("").joinpath("job.json").unlink()
    lab.build()
    assert lab.manifests() == built.manifests()
    assert {name.partition("@")[0] for name in server.names()} == {THERE}
    send_to(lab, f"{PLACE}/elsewhere")
    assert lab.dry() == set()
    lab.replace("config.yaml", f"trajectories: {PLACE}/elsewhere\n", "")
    assert lab.dry() == set()
    assert lab.snakemake("verify").code == 0


@holds(
    "results",
    "Snakemake killed while a trajectory is on its way to an object store",
    "nothing that looks whole is left; the next run sends what was trained, and trains it no second time",
)
def test_killed_on_the_way(clone: Any, built: Any, server: ObjectServer, tmp_path: Path) -> None:
    lab = anew(clone, tmp_path)
    server.gate.close_after(5)
    with running(lab, "trajectories", cores=1) as process:
        wait_for(server.gate.waiting.is_set, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert lab.manifests("trajectories") == {}
    (partial,) = lab.path(TRAINED).rglob("*.partial")
    trained = (partial / "provenance.json").read_bytes()
    assert len(server.names()) == 5
    server.gate.let_all()
    lab.build()
    assert lab.manifests() == built.manifests()
    assert not list(lab.path(TRAINED).rglob("*.partial"))
    store = partial.with_name(partial.name.removesuffix(".partial"))
    assert (store / "provenance.json").read_bytes() == trained
    assert lab.dry() == set()
    assert lab.snakemake("verify").code == 0


def test_no_answer(clone: Any, built: Any, server: ObjectServer, tmp_path: Path) -> None:
    """One sentence that names the address; nothing is removed, and with an answer the next run completes."""
    lab = anew(clone, tmp_path)
    dead = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    outcome = lab.snakemake("trajectories", **dead)
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    (told, *_) = (line for line in outcome.err.splitlines() if line.startswith("orrery: "))
    assert PLACE in told
    assert "http://127.0.0.1:9: no answer" in told
    assert lab.manifests("trajectories") == {}
    lab.build()
    assert lab.manifests() == built.manifests()
    outcome = lab.snakemake("verify", **dead)
    assert outcome.code == 1
    assert "could not be read, and nothing is known of them" in outcome.err
    assert "http://127.0.0.1:9: no answer" in outcome.err
    assert "Traceback" not in outcome.err
    assert lab.manifests() == built.manifests()
    assert lab.dry() == set()
