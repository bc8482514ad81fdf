"""What happens to results: lost records, lost and damaged bytes, killed runs, other numbers of cores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from .processes import alive, descendants, running, wait_for

TINY = "studies/tiny.yaml"
DAMAGED = "tiny/slow/block=000,steps=0-10"
LOST = "tiny/fast/block=000,steps=10-20"
READERS = {
    "train tiny/slow/block=000,steps=10-20",
    *(
        f"analyse tiny/{name}/block=000"
        for name in ("weights/slow", "weights/fast", "koopman/slow", "koopman/fast")
    ),
    "compare tiny/koopman",
    "figures tiny/koopman",
    "claims tiny",
    "report tiny",
    "publish tiny",
    "index",
}
"""What reads the damaged trajectory or the lost one."""


def test_no_records_of_snakemake(lab: Any) -> None:
    shutil.rmtree(lab.path(".snakemake"))
    assert lab.dry() == set()
    lab.replace(TINY, "above: 0.001", "above: 0.002")
    assert lab.dry() == {"claims tiny", "report tiny", "publish tiny", "index"}


def test_moved_elsewhere(lab: Any, tmp_path: Path) -> None:
    """A clone of the repository, put beside results that were made in another folder."""
    shutil.rmtree(lab.path(".snakemake"))
    lab.folder.rename(tmp_path / "elsewhere")
    assert type(lab)(tmp_path / "elsewhere").dry() == set()


def test_damage_is_found_and_made_good(lab: Any) -> None:
    manifest = lab.manifest("trajectories", DAMAGED)
    store = manifest.with_suffix("")
    written = json.loads(manifest.read_text())
    chunk = next(name for name in written["files"] if "/c/" in name and name.startswith("data.zarr/state"))
    whole = lab.manifests()

    outcome = lab.snakemake("verify")
    assert outcome.code == 0
    assert "all bytes are as their manifests say" in outcome.out + outcome.err

    for damage in (Path.unlink, flip_a_byte):
        content = (store / chunk).read_bytes()
        damage(store / chunk)
        outcome = lab.snakemake("verify")
        assert outcome.code == 1
        for words in (str(store.relative_to(lab.folder)), chunk, f"trajectories {DAMAGED}"):
            assert words in outcome.err
        assert "Traceback" not in outcome.err
        if damage is Path.unlink:
            (store / chunk).write_bytes(content)

    # As verify says: without its manifest the result is made again, and what reads it is looked at. A manifest that
    # is lost beside bytes that are as they were costs no training.
    manifest.unlink()
    lost = lab.manifest("trajectories", LOST)
    lost.unlink()
    made = (lost.with_suffix("") / chunk).stat().st_mtime_ns
    assert lab.dry() == {f"train {DAMAGED}", f"train {LOST}", *READERS}
    lab.build()
    assert lab.manifests() == whole
    assert (lost.with_suffix("") / chunk).stat().st_mtime_ns == made
    assert lab.snakemake("verify").code == 0
    assert lab.dry() == set()


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_an_edited_manifest_is_refused(lab: Any) -> None:
    manifest = lab.manifest("trajectories", DAMAGED)
    content = json.loads(manifest.read_text())
    content["digest"] = "0" * 64
    manifest.write_text(json.dumps(content))
    outcome = lab.snakemake("verify")
    assert outcome.code == 1
    assert "was edited since it was written" in outcome.err


def test_killed_while_it_trains(lab: Any) -> None:
    """SIGKILL of Snakemake alone: the job goes with it, and the next run gives the bytes of one that was left alone."""
    lab.replace(TINY, "slow: {system:", "slow: {training: {steps: 2000, segment: 2000}, system:")
    tile = "tiny/slow/block=000,steps=0-2000"
    with running(lab, "trajectories", cores=1) as begun:
        partial = wait_for(
            lambda: next(lab.path("results/store/trajectories").glob("tiny/*/*.partial/data.zarr*"), None),
            begun,
        )
        workers = descendants(begun.pid)
        begun.kill()
        begun.wait()
        wait_for(lambda: not any(alive(worker) for worker in workers))
    assert partial.exists()
    assert not list(lab.path("results/store/trajectories").glob("tiny/*/*steps=0-2000@*.json"))

    left_alone = lab.copy(lab.folder.with_name("left-alone"))
    for other in left_alone.path("results/store/trajectories").glob("tiny/*/*steps=0-2000*"):
        shutil.rmtree(other) if other.is_dir() else other.unlink()
    for one, cores in ((lab, 1), (left_alone, 2)):
        one.build("trajectories", cores=cores)
    found = lab.manifests("trajectories")
    assert any(name.startswith(f"trajectories/{tile}@") for name in found)
    assert found == left_alone.manifests("trajectories")
    assert not list(lab.path("results").rglob("*.partial"))
    assert not list(lab.path("results").rglob("*.lock"))
