"""Disks and folders that refuse, clocks that jump, two workflows in one folder: a sentence, and nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orrery.provenance.manifest import verify

from .disks import disk, kinds
from .processes import running, wait_for
from .table import holds

TINY = "studies/tiny.yaml"
CLAIMED = {"claims tiny", "report tiny", "publish tiny", "index"}
BOUND = [sys.executable, str(Path(__file__).with_name("bound.py"))]
"""What binds root, too, to permission bits."""

# Stage: what is removed so that it has to be made again, the target that makes it, and the words of its store.
FILLED = {
    "training": ("trajectories/descent", "trajectories", "results/store/trajectories/descent/rate=0.0"),
    "analysis": ("analyses/tiny/weights", "analyses", "results/store/analyses/tiny/weights/"),
    "report": ("reports", "descent", "results/store/reports/descent@"),
}


def change_a_criterion(lab: Any) -> None:
    lab.replace(TINY, "above: 0.001", "above: 0.002")


def sentences(text: str) -> list[str]:
    """What the workflow itself says on the console."""
    return [line for line in text.splitlines() if line.startswith("orrery: ")]


def remove(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def check_whole(lab: Any, built: Any, wanted: bool = True) -> None:
    """Every manifest is that of the session's build, with all its bytes; all of them are there if that is wanted."""
    found, expected = lab.manifests(), built.manifests()
    assert found.items() <= expected.items()
    assert not wanted or found == expected
    for name in found:
        assert verify(lab.path("results/store") / name) == []


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("stage", FILLED)
def test_a_full_disk(stage: str, kind: str, lab: Any, built: Any) -> None:
    """A few blocks are free when the job begins; the store of its result does not fit."""
    folder, target, store = FILLED[stage]
    remove(lab.path("results/store") / folder)
    with disk(kind, lab) as small:
        small.leave(5)
        outcome = small.snakemake(target)
        assert outcome.code == 1
        assert "Traceback" not in outcome.out + outcome.err
        told = sentences(outcome.err)
        assert told, outcome.err
        for line in told:
            assert line.startswith(f"orrery: the disk that holds {store}"), line
            assert line.endswith("is full; free space and run again, what is finished is kept")
        assert len(told) == len(set(told)) <= 2  # one for each job that ran
        logs = [path.read_text() for path in small.results.glob("logs/*/**/*.log")]
        assert not any("Traceback" in log for log in logs)
        check_whole(small.lab, built, wanted=False)
        left = [path for path in (small.results / "store" / folder).rglob("*") if "@" in path.name]
        assert all(path.with_suffix(".json").is_file() for path in left if path.is_dir()), left

        small.free()
        outcome = small.snakemake(target)
        assert outcome.code == 0, outcome.err
        check_whole(small.lab, built, wanted=target != "descent")


@pytest.mark.parametrize("kind", kinds())
def test_a_disk_without_any_room(kind: str, lab: Any) -> None:
    """It is said before a job begins: not even a log can be written."""
    change_a_criterion(lab)
    with disk(kind, lab) as small:
        small.leave(0)
        outcome = small.snakemake()
        assert outcome.code == 1
        assert "Traceback" not in outcome.out + outcome.err
        (told,) = (line for line in outcome.err.splitlines() if "is full" in line)
        assert told == (
            "the disk that holds results/store is full; free space and run again, what is finished is kept"
        )
        assert "rule claims" not in outcome.err


def forbid_writing(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o555)


def forbid_all(folder: Path) -> None:
    folder.chmod(0o000)


def allow(folder: Path) -> None:
    subprocess.run(["chmod", "-R", "u+rwX", folder], check=True)


# What is forbidden, how, and what the sentence names.
FORBIDDEN: dict[str, tuple[str, Callable[[Path], None], tuple[str, ...]]] = {
    "a read-only results folder": ("results", forbid_writing, ("results/store", "no permission")),
    "a results folder without permission": ("results", forbid_all, ("results/", "no permission")),
    "a read-only folder": (".snakemake", forbid_writing, (".snakemake", "no permission")),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_folder_that_may_not_be_used(what: str, lab: Any) -> None:
    name, forbid, words = FORBIDDEN[what]
    change_a_criterion(lab)
    whole = lab.manifests()
    forbid(lab.path(name))
    try:
        outcome = lab.snakemake(before=BOUND)
    finally:
        allow(lab.path(name))
    assert outcome.code == 1
    assert "Traceback" not in outcome.out + outcome.err
    (told,) = (line for line in outcome.err.splitlines() if "what is finished is kept" in line)
    for word in words:
        assert word in told
    assert lab.manifests() == whole
    assert lab.dry() == CLAIMED
    lab.build()
    assert lab.dry() == set()


def test_a_dataset_folder_without_permission(lab: Any, built: Any) -> None:
    remove(lab.path("results/store/trajectories/tiny"))
    folder = lab.manifest("data", "iris").with_suffix("")
    forbid_all(folder)
    try:
        outcome = lab.snakemake("trajectories", before=BOUND)
    finally:
        allow(folder)
    assert outcome.code == 1
    assert "Traceback" not in outcome.out + outcome.err
    told = sentences(outcome.err)
    assert told, outcome.err
    # Nothing vouches for what may not be read, so the dataset's own job is asked first, and says so.
    store = folder.relative_to(lab.folder)
    for line in told:
        assert line.startswith(f"orrery: {store}: no permission to read or write {store}")
    lab.build("trajectories")
    check_whole(lab, built)


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind == "mounted"])
def test_results_mounted_read_only(kind: str, lab: Any) -> None:
    change_a_criterion(lab)
    with disk(kind, lab) as small:
        small.mount_again("ro")
        assert small.snakemake("-n").code == 0
        outcome = small.snakemake()
        assert outcome.code == 1
        assert "Traceback" not in outcome.out + outcome.err
        assert "results/store cannot be written, its file system is read-only: " in outcome.err
        small.mount_again("rw")
        outcome = small.snakemake()
        assert outcome.code == 0, outcome.err


@holds("results", "the clock set back by a day, and a claim's criterion changed", CLAIMED)
def test_a_clock_set_back_by_a_day(lab: Any) -> None:
    """All results are of tomorrow; what is made today must not look older than what it is made of."""
    tomorrow = time.time() + 86400
    for path in [*lab.path("results").rglob("*"), *lab.path(".snakemake").rglob("*")]:
        os.utime(path, (tomorrow, tomorrow))
    assert lab.dry() == set()
    change_a_criterion(lab)
    assert lab.dry() == CLAIMED
    lab.build()
    assert lab.dry() == set()


def test_two_workflows_at_once(mine: Any, built: Any) -> None:
    """The second is refused by the folder's lock, and the first goes on."""
    with running(mine, "descent") as first:
        wait_for(lambda: list(mine.path("results/store").rglob("*.partial")), first)
        second = mine.snakemake("descent")
        assert second.code == 1
        assert "Traceback" not in second.out + second.err
        assert "no other Snakemake process" in second.err
        assert first.wait(timeout=300) == 0, mine.path("background.log").read_text()
    expected = {name: content for name, content in built.manifests().items() if "/descent" in name}
    assert mine.manifests() == expected
    assert mine.dry("descent") == set()


def test_two_workflows_at_once_without_the_lock_of_the_folder(mine: Any, built: Any) -> None:
    """With ``--nolock`` the locks of the stores hold: each is written once, and who comes second says so or waits."""
    written: dict[Path, int] = {}

    def note() -> bool:
        # Folders come and go meanwhile, which os.walk bears and rglob does not.
        for folder, _, files in os.walk(mine.path("results/store")):
            if "job.json" in files and ".partial" not in folder:
                path = Path(folder, "job.json")
                assert written.setdefault(path, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
        return first.poll() is not None and second.poll() is not None

    with running(mine, "descent", "--nolock") as first:
        wait_for(lambda: list(mine.path("results/store").rglob("*.partial")), first)
        with running(mine, "descent", "--nolock", log="second.log") as second:
            wait_for(note)
    codes = [first.returncode, second.returncode]
    texts = [mine.path(name).read_text() for name in ("background.log", "second.log")]
    for code, text in zip(codes, texts, strict=True):
        assert "Traceback" not in text
        if code != 0:
            told = sentences(text)
            assert told, text
            assert all("is being written by process" in line for line in told), told
    mine.build("descent")
    expected = {name: content for name, content in built.manifests().items() if "/descent" in name}
    assert mine.manifests() == expected
    check_whole(mine, built, wanted=False)


@holds("results", "results moved, and found by a link, by `results:` in the config, or both", ())
@pytest.mark.parametrize("how", ["a link", "the config", "both"])
def test_results_in_another_place(how: str, lab: Any, tmp_path: Path) -> None:
    """Moved to another disk, with a link to them or the new place in the config: nothing is rebuilt."""
    elsewhere = tmp_path / "elsewhere" / "kept"
    elsewhere.parent.mkdir()
    shutil.move(lab.path("results"), elsewhere)
    if how != "the config":
        lab.path("results").symlink_to(elsewhere)
    if how != "a link":
        with lab.path("config.yaml").open("a") as config:
            config.write(f"results: {elsewhere}\n")
    outcome = lab.snakemake("-n")
    assert outcome.code == 0, outcome.err
    assert "Nothing to be done" in outcome.out + outcome.err
    shutil.rmtree(lab.path(".snakemake"))
    change_a_criterion(lab)
    outcome = lab.build()
    assert all(f"\n{rule} " in outcome.err for rule in ("claims", "report", "publish", "index")), outcome.err
    assert "\ntrain " not in outcome.err
    assert "Nothing to be done" in (done := lab.snakemake("-n")).out + done.err
