"""A whole study on a real Slurm: what jobs get there, what becomes of them when they are killed, and the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.workflow.conftest import Laboratory, stores
from tests.workflow.processes import running, wait_for

from .conftest import Submitting, prepare
from .slurm import Slurm

MAPS = "studies: [descent]\ndevice: cpu\n"


def submitting(lab: Any, slurm: Slurm, to: Path) -> Submitting:
    """A copy of a laboratory that submits its jobs."""
    lab.copy(to)
    return Submitting(to, slurm)


def states(lab: Submitting) -> dict[str, str]:
    """How each job of a folder ended, by number."""
    return {number: said["JobState"] for number, said in lab.submitted().items()}


def test_a_study_has_the_same_bytes_as_on_one_machine(clone: Any, slurm: Slurm, tmp_path: Path) -> None:
    """Every training job asks for a GPU, gets one of its own in its partition, and tells which."""
    here = prepare(clone, tmp_path / "here", "studies: [tiny]\n")
    there = submitting(here, slurm, tmp_path / "there")
    here.build()
    there.build_there()
    assert there.manifests() == here.manifests()
    assert there.dry() == set()

    jobs = there.submitted()
    assert set(states(there).values()) == {"COMPLETED"}
    seen = [line.split() for line in there.path("devices").read_text().splitlines()]
    assert len(seen) == 4
    for target, number, device in seen:
        assert "store/trajectories/" in target
        assert jobs[number]["Partition"] == "gpu"
        assert jobs[number]["TresPerJob"] == "gres:gpu:1"
        assert device in {"0", "1"}
    assert {number for number, said in jobs.items() if said["Partition"] == "gpu"} == {
        one for _, one, _ in seen
    }
    assert all("TresPerJob" not in said for said in jobs.values() if said["Partition"] == "cpu")
    # Asked for as computed: the first training job's memory, in the table of Slurm and in that of a dry run.
    assert all(
        int(said["MinMemoryNode"].removesuffix("M")) >= 700
        for said in jobs.values()
        if said["MinMemoryNode"] != "0"
    )

    logs = {
        str(path.relative_to(there.path("results/logs/slurm")))
        for path in there.path("results/logs/slurm").rglob("*.log")
    }
    assert len(logs) == len(jobs)
    assert any(name.startswith("rule_train/tiny_slow_block=000+steps=0-10_") for name in logs)


def test_jobs_that_are_cancelled_or_exceed_their_limits_are_tried_again(
    clone: Any, slurm: Slurm, tmp_path: Path
) -> None:
    """One by scancel, one by its memory, one by its time; the second attempt asks for twice as much."""
    here = prepare(
        clone, tmp_path / "here", MAPS, descent=("values: [0.01, 0.02]", "values: [0.01, 0.02, 0.04]")
    )
    there = submitting(here, slurm, tmp_path / "there")
    here.build("trajectories")
    there.path("behave").write_text("rate=0.01/ cancel\nrate=0.02/ memory\nrate=0.04/ time\n")
    with running(there, "trajectories", "--set-resources", "train:runtime=1") as process:
        met = wait_for(there.path("met-cancel").is_file, process) and there.path("met-cancel")
        wait_for(met.read_text)
        cancelled = met.read_text()
        slurm.ask("scancel", cancelled)
        assert process.wait(timeout=300) == 0, there.path("background.log").read_text()
    assert there.manifests() == here.manifests()
    assert there.dry("trajectories") == set()

    found = there.submitted()
    first = {action: there.path(f"met-{action}").read_text() for action in ("cancel", "memory", "time")}
    assert found[first["cancel"]]["JobState"] == "CANCELLED"
    assert found[first["time"]]["JobState"] == "TIMEOUT"
    assert found[first["memory"]]["JobState"] in {"OUT_OF_MEMORY", "FAILED", "CANCELLED"}
    assert sorted(states(there).values()).count("COMPLETED") == 3
    for number in first.values():
        again = found[
            min(
                (other for other, said in found.items() if said["Comment"] == found[number]["Comment"]),
                key=lambda other: (int(other) <= int(number), int(other)),
            )
        ]
        assert int(again["MinMemoryNode"][:-1]) == 2 * int(found[number]["MinMemoryNode"][:-1])


def test_snakemake_killed_and_started_again(clone: Any, slurm: Slurm, tmp_path: Path) -> None:
    """What it had submitted is cancelled, what was finished stays, and no two jobs write one store."""
    here = prepare(
        clone, tmp_path / "here", MAPS, descent=("steps: 12, seeds: 4", "steps: 12, segment: 6, seeds: 4")
    )
    here.replace("studies/descent.yaml", "values: [0.01, 0.02]", "values: [0.01]")
    there = submitting(here, slurm, tmp_path / "there")
    here.build()
    there.path("behave").write_text("rate=0.01/block=000+steps=6-12 pause\n")
    with running(there) as process:
        wait_for(there.path("met-pause").is_file, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    number = wait_for(there.path("met-pause").read_text)
    assert there.submitted()[number]["JobState"] == "RUNNING", (
        "a job outlives the Snakemake that submitted it"
    )
    finished = stores(there)
    assert finished
    outcome = there.snakemake()
    assert outcome.code == 0, outcome.out + outcome.err
    assert f"Slurm job {number} of a run that was killed is cancelled" in outcome.err
    assert there.submitted()[number]["JobState"] == "CANCELLED"
    assert there.manifests() == here.manifests()
    assert {name: when for name, when in stores(there).items() if name in finished} == finished
    trained = [line.split()[0] for line in there.path("devices").read_text().splitlines()]
    repeated = {target for target in trained if trained.count(target) > 1}
    # What ran when Snakemake was killed is all that was trained again.
    assert any("rate=0.01/block=000+steps=6-12" in target for target in repeated)
    assert not {f"{Path(target).relative_to('results/store')}" for target in repeated} & set(finished)
    assert "is being written by" not in "".join(
        path.read_text() for path in there.path("results/logs").rglob("*.log")
    )
    assert there.dry() == set()


def test_arrays_ask_for_what_their_largest_member_takes(clone: Any, slurm: Slurm, tmp_path: Path) -> None:
    here = prepare(clone, tmp_path / "here", MAPS, descent=("seeds: 4, block: 4", "seeds: 4, block: 2"))
    there = submitting(here, slurm, tmp_path / "there")
    here.build("trajectories")
    refused = there.snakemake("trajectories", "--slurm-array-jobs", "train", "--jobs", "2")
    assert refused.code != 0
    assert "jobs: 2 with slurm-array-jobs would wait for ever" in refused.err
    assert "Traceback" not in refused.err
    there.build_there("trajectories", "--slurm-array-jobs", "train")
    assert there.manifests() == here.manifests()
    members = [said for said in there.submitted().values() if "ArrayTaskId" in said]
    assert len(members) == 4
    assert len({said["ArrayJobId"] for said in members}) == 1


def test_analyses_computed_by_dask_workers_that_run_as_slurm_jobs(
    clone: Any, slurm: Slurm, tmp_path: Path
) -> None:
    """The way to a Dask cluster over several nodes: a scheduler and two workers, each submitted, and their address."""
    here = prepare(clone, tmp_path / "here", "studies: [tiny]\ndevice: cpu\n")
    here.build("trajectories")
    there = submitting(here, slurm, tmp_path / "there")
    here.build()
    found = tmp_path / "scheduler.json"
    common = f"--host 127.0.0.1 --no-dashboard --scheduler-file {found}"
    dask = f"{sys.executable} -m distributed.cli"
    for what in (
        f"{dask}.dask_scheduler --port 0 {common}",
        *[f"{dask}.dask_worker {common} --nthreads 1 --local-directory {tmp_path}"] * 2,
    ):
        said = subprocess.run(
            ["sbatch", "--parsable", "--mem=1500", f"--output={tmp_path}/%j.dask", "--wrap", what],
            env=there.environment(),
            cwd=there.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stderr
    address = json.loads(wait_for(lambda: found.is_file() and found.read_text()))["address"]
    there.path("config.yaml").write_text(
        f"studies: [tiny]\ndevice: cpu\nparallelism: {{dask: '{address}'}}\n"
    )
    plain = Laboratory(there.folder)
    outcome = plain.snakemake("analyses")
    dask_said = "".join(path.read_text() for path in tmp_path.glob("*.dask"))
    assert outcome.code == 0, outcome.err + dask_said
    assert plain.manifests("analyses") == here.manifests("analyses")
    assert plain.manifests("comparisons") == here.manifests("comparisons")
    assert dask_said.count("Start worker at") == 2, dask_said


def test_a_mistake_in_the_file_of_the_cluster_is_a_sentence(clone: Any, slurm: Slurm, tmp_path: Path) -> None:
    there = submitting(prepare(clone, tmp_path / "here", MAPS), slurm, tmp_path / "there")
    there.path("profiles/slurm/site.yaml").write_text("partitions:\n  cpu: {max_memory: 1000}\n")
    outcome = there.snakemake()
    assert outcome.code != 0
    assert (
        "profiles/slurm/site.yaml:2: partitions.cpu.max_memory: is not a known key here; did you mean"
        in outcome.err
    )
    assert "Traceback" not in outcome.err
    assert not there.submitted()


def test_a_start_does_not_wait_for_a_slurm_that_does_not_answer(clone: Any, tmp_path: Path) -> None:
    """Without the plugin, as ``make`` installs it, nothing asks Slurm."""
    lab = prepare(clone, tmp_path / "lab", MAPS)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("scontrol", "sinfo", "squeue", "sacct"):
        program = programs / name
        program.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\nexec sleep 60\n")
        program.chmod(0o755)
    began = time.monotonic()
    outcome = lab.snakemake("-n", PATH=f"{programs}:{os.environ['PATH']}")
    assert outcome.code == 0, outcome.err
    assert not (tmp_path / "asked").exists()
    assert time.monotonic() - began < 30, "one question alone would have taken a minute"
