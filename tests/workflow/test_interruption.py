"""Kill the workflow at any moment and run it again: the same bytes, nothing trained twice, nothing to clean by hand.

The laboratory holds one small study of two segments. Its jobs pause where the file ``pause`` holds a part of their
target, all data written and the manifest not, so that a kill can meet each stage there; what that file says changes no
digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orrery.provenance.manifest import verify

from .conftest import Laboratory, asking_for_forks, fork_server, once, stores
from .processes import alive, command_of, descendants, running, wait_for
from .table import holds

PAUSE = """    import time

    if any(part in payload["target"] for part in Path("pause").read_text().split()):
        Path("paused.tmp").write_text(payload["target"])
        Path("paused.tmp").rename("paused")
        time.sleep(60)
"""
STUDY = "studies/descent.yaml"
STAGES = {
    "dataset": "store/data/",
    "train": "steps=6-12@",
    "analyse": "store/analyses/",
    "compare": "store/comparisons/",
    "figures": "store/figures/",
    "claims": "store/claims/",
    "report": "store/reports/",
    "publish": "descent/published@",
    "index": "report/published@",
}
"""Scripts, and what the target of the job to be met says."""
KILLS = 20


def kill_snakemake(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def kill_all(process: int) -> None:
    os.killpg(process, signal.SIGKILL)


def ask_to_end(process: int) -> None:
    os.kill(process, signal.SIGTERM)


def press_control_c(process: int) -> None:
    os.killpg(process, signal.SIGINT)


WAYS: tuple[Callable[[int], None], ...] = (kill_snakemake, kill_all, ask_to_end, press_control_c)


def prepare(folder: Path, clone: Laboratory) -> None:
    """The laboratory before anything is built."""
    lab = clone.copy(folder)
    lab.path("config.yaml").write_text("studies: [descent]\ndevice: cpu\n")
    lab.replace(STUDY, "steps: 12, seeds: 4", "steps: 12, segment: 6, seeds: 4")
    lab.replace(STUDY, "system: {kind", "dataset: {name: iris}\nsystem: {kind")
    lab.replace(STUDY, "values: [0.01, 0.02]", "values: [0.01]")
    for script in list(STAGES)[:-2]:
        path = lab.path(f"scripts/{script}.py")
        path.write_text(path.read_text().replace("\n\n\nif __name__", f"\n{PAUSE}\n\nif __name__"))
    last = '    write_atomically(Path(payload["target"]), json.dumps(marker).encode())\n'
    lab.replace("src/orrery/stages/publish.py", last, PAUSE + last)
    lab.path("pause").write_text("")


@pytest.fixture(scope="session")
def unbuilt(clone: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """The laboratory before anything is built; never changed by a test."""
    return once(tmp_path_factory, "unbuilt", lambda folder: prepare(folder, clone))


@pytest.fixture(scope="session")
def left_alone(unbuilt: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """The same, built without interruption; the file ``seconds`` says how long it took."""

    def build(folder: Path) -> None:
        lab = unbuilt.copy(folder)
        began = time.monotonic()
        lab.build()
        lab.path("seconds").write_text(str(time.monotonic() - began))

    return once(tmp_path_factory, "left-alone", build)


def results(lab: Laboratory) -> dict[str, bytes]:
    """The manifests, which hold the digest of every byte of data, and what people read of it."""
    published = {
        f"published/{name}": lab.path(f"results/descent/{name}") for name in ("numbers.json", "claims.json")
    }
    return lab.manifests() | {name: path.read_bytes() for name, path in published.items()}


def digest(found: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, content in sorted(found.items()):
        whole.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def check_nothing_half(lab: Laboratory, whole: dict[str, bytes]) -> None:
    """Every manifest that stands is that of the run left alone, and its store is whole."""
    for name, content in lab.manifests().items():
        assert whole[name] == content
        assert verify(lab.path("results/store") / name) == []


def interrupt(process: Any, way: Callable[[int], None], forks: str = "") -> None:
    """Interrupt a workflow, and wait until it and all that it started have ended, its forks among them."""
    workers = descendants(process.pid)
    if forks:
        workers += descendants(fork_server().pid)
    way(process.pid)
    process.wait(timeout=120)
    # Seconds are enough: what goes on as an orphan would go on for a minute.
    deadline = time.monotonic() + 10
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < deadline, [command_of(worker) for worker in workers if alive(worker)]
        time.sleep(0.02)


def finish(lab: Laboratory, whole: dict[str, bytes], finished: dict[str, int]) -> None:
    """Run again, with no other word, and compare with the run left alone."""
    lab.build()
    assert results(lab) == whole
    assert {name: when for name, when in stores(lab).items() if name in finished} == finished
    assert not [
        path for ending in ("partial", "lock", "tmp") for path in lab.path("results").rglob(f"*.{ending}")
    ]
    assert lab.dry() == set()


@holds(
    "results",
    "a run killed at a random moment by SIGKILL (of Snakemake, of all), SIGTERM or Ctrl-C, 20 times",
    "what was not finished, to the same bytes; what was finished is kept",
)
@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill_at_a_random_moment(
    number: int, unbuilt: Laboratory, left_alone: Laboratory, tmp_path: Path, record_property: Any
) -> None:
    """Started from nothing, interrupted at a moment drawn from the whole duration, run again to the end."""
    whole = results(left_alone)
    way = WAYS[number % len(WAYS)]
    # Every other round the jobs are forks of a process that this run has not started.
    forks = asking_for_forks() if number // len(WAYS) % 2 else ""
    share = random.Random(f"moment {number}").uniform(0.02, 0.9)
    seconds = share * float(left_alone.path("seconds").read_text())
    killed = False
    while not killed:
        lab = unbuilt.copy(tmp_path / f"{seconds:.3f}")
        with running(lab, forks=forks) as process:
            time.sleep(seconds)
            killed = process.poll() is None
            if killed:
                interrupt(process, way, forks)
        seconds /= 2  # this run was faster than the one that was timed: earlier, then
    check_nothing_half(lab, whole)
    finished = stores(lab)
    finish(lab, whole, finished)
    found = digest(results(lab))
    record_property("digest", found)
    print(f"\nkill {number + 1:2}: {way.__name__} after {share:4.0%}, {len(finished)} results kept: {found}")


def meet(lab: Laboratory, process: Any) -> str:
    """Wait until a job that is to pause has written all its data and pauses; its target."""
    wait_for(lab.path("paused").exists, process)
    target = lab.path("paused").read_text()
    lab.path("paused").unlink()
    return target


@holds("results", "SIGKILL in the middle of each stage", "the job that was met, and what reads it")
def test_a_kill_in_the_middle_of_each_stage(
    unbuilt: Laboratory, left_alone: Laboratory, tmp_path: Path
) -> None:
    """One laboratory, killed in stage after stage and started again each time, until all is built."""
    whole = results(left_alone)
    lab = unbuilt.copy(tmp_path / "lab")
    finished: dict[str, int] = {}
    ahead = list(STAGES.values())
    while ahead:
        lab.path("pause").write_text(" ".join(ahead))
        with running(lab, cores=1) as process:
            target = meet(lab, process)
            interrupt(process, WAYS[len(ahead) % 2])
        check_nothing_half(lab, whole)
        assert not lab.path(target).exists()
        now = stores(lab)
        assert {name: when for name, when in now.items() if name in finished} == finished
        finished = now
        (met,) = (part for part in ahead if part in target)
        ahead.remove(met)
    lab.path("pause").write_text("")
    finish(lab, whole, finished)


def test_jobs_in_forks_give_the_same_bytes(
    unbuilt: Laboratory, left_alone: Laboratory, tmp_path: Path
) -> None:
    """All jobs of a run as forks, one of them killed with Snakemake in the middle; what they used is known."""
    whole = results(left_alone)
    lab = unbuilt.copy(tmp_path / "lab")
    lab.path("pause").write_text(STAGES["analyse"])
    forks = asking_for_forks()
    with running(lab, cores=1, forks=forks) as process:
        target = meet(lab, process)
        (watcher,) = (child for child in descendants(fork_server().pid) if descendants(child))
        assert descendants(watcher)
        interrupt(process, kill_snakemake, forks)
    assert descendants(fork_server().pid) == []
    assert not lab.path(target).exists()
    lab.path("pause").write_text("")
    with running(lab, cores=1, forks=forks) as process:
        assert process.wait(timeout=120) == 0
    assert results(lab) == whole
    for benchmark in lab.path("results/benchmarks").rglob("*.tsv"):
        used = json.loads(benchmark.with_suffix(".usage.json").read_text())
        assert used["processor_seconds"] > 0
        # Of the packages alone, which a process that only waits has not loaded.
        assert used["memory"] > 150


@holds("results", "a job that runs into its time limit", "its segment; those before are kept")
def test_a_time_limit_loses_one_segment(unbuilt: Laboratory, left_alone: Laboratory, tmp_path: Path) -> None:
    """SIGTERM to the job, as a scheduler sends it; the next run goes on from the checkpoint before."""
    whole = results(left_alone)
    lab = unbuilt.copy(tmp_path / "lab")
    lab.path("pause").write_text(STAGES["train"])
    with running(lab, "trajectories") as process:
        meet(lab, process)
        (job,) = (
            worker for worker in descendants(process.pid) if "train.py" in command_of(worker).split("-c ")[0]
        )
        os.kill(job, signal.SIGTERM)
        assert process.wait(timeout=60) == 1
    finished = stores(lab)
    assert [name.partition("@")[0] for name in finished if name.startswith("trajectories/")] == [
        "trajectories/descent/rate=0.01/block=000+steps=0-6"
    ]
    manifest = lab.manifest("trajectories", "descent/rate=0.01/block=000,steps=0-6")
    written = manifest.stat().st_mtime_ns
    assert {job for job in lab.dry() if job.startswith("train")} == {
        "train descent/rate=0.01/block=000,steps=6-12"
    }
    lab.path("pause").write_text("")
    finish(lab, whole, finished)
    assert manifest.stat().st_mtime_ns == written
