"""GPUs of one machine: as many training jobs at a time as there are places, each on a device of its own.

The GPUs are pretended: an ``nvidia-smi`` on the path names two, and the metadata of torch say that it was built with
CUDA. The torch that is there then finds none that works, says so, and trains on the CPU, in its place on a GPU.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

SYSTEM = '''
"""A map that stands still, and writes down when it was at work and which GPU it saw."""

import json
import os
import time

from orrery.config.closed import Closed


class Settings(Closed):
    seconds: float


def build(settings, *, dataset, dtype, device, streams):
    import torch

    from orrery.systems.system import Component, System

    def initial(runs):
        began = time.time()
        time.sleep(settings.seconds)
        seen = {"from": began, "to": time.time(), "gpu": os.environ.get("CUDA_VISIBLE_DEVICES")}
        with open(f"seen/{os.getpid()}.json", "w") as file:
            json.dump(seen, file)
        return {"x": torch.zeros(runs.count, 1, dtype=dtype)}

    def advance(state, batch, t):
        return state, {"loss": state["x"].sum(dim=1)}

    return System((Component("x", (1,), "variable"),), initial, lambda runs, t: {}, advance)
'''
STUDY = """
title: Four jobs that stand still
system: {kind: standing, seconds: 2.0}
training: {steps: 2, seeds: 4, block: 1}
conditions: {only: {}}
analyses: {curves: {method: training-curves, metrics: [loss]}}
record: {metrics: [loss]}
"""


@pytest.fixture
def machine(clone: Any, tmp_path: Path) -> Any:
    """A workflow on a machine with two pretended GPUs."""
    lab = clone.copy(tmp_path / "lab")
    lab.path("standing.py").write_text(SYSTEM)
    lab.path("studies/still.yaml").write_text(STUDY)
    lab.path("config.yaml").write_text("studies: [still]\n")
    lab.path("seen").mkdir()
    build = lab.path("src/torch-2.13.0+cu130.dist-info")
    build.mkdir()
    (build / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cu130\n")
    lab.path("bin").mkdir()
    program = lab.path("bin/nvidia-smi")
    program.write_text("#!/bin/sh\necho asked >> nvidia-smi.log\necho GPU-aaaa\necho GPU-bbbb\n")
    program.chmod(0o755)
    plain = lab.environment()
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        plain.pop(name, None)
    plain["PATH"] = f"{lab.path('bin')}:{plain['PATH']}"
    plain["ORRERY_GPU_LOCKS"] = str(tmp_path / "locks")
    lab.environment = lambda: plain
    return lab


def seen(lab: Any) -> list[dict[str, Any]]:
    """What the four jobs wrote down."""
    found = [json.loads(path.read_text()) for path in lab.path("seen").iterdir()]
    assert len(found) == 4
    return found


def at_once(jobs: list[dict[str, Any]]) -> int:
    """The largest number of jobs that were at work at one time."""
    return max(sum(one["from"] <= job["from"] < one["to"] for one in jobs) for job in jobs)


def logs(lab: Any) -> str:
    return "".join(path.read_text() for path in lab.path("results/logs/trajectories").rglob("*.log"))


def test_each_training_job_has_a_gpu_of_its_own(machine: Any) -> None:
    machine.build("trajectories", cores=4)
    jobs = seen(machine)
    assert at_once(jobs) == 2
    for gpu in ("GPU-aaaa", "GPU-bbbb"):
        own = [job for job in jobs if job["gpu"] == gpu]
        assert own
        assert at_once(own) == 1
    # Snakemake began no job that had to wait, and where no CUDA works each says once that the CPU computes.
    said = logs(machine)
    assert "waits for one" not in said
    assert len(re.findall(r"device auto: .*, so this runs on the CPU", said)) == 4
    provenances = machine.path("results/store/trajectories").rglob("provenance.json")
    recorded = [json.loads(path.read_text()) for path in provenances]
    assert {one["CUDA_VISIBLE_DEVICES"] for one in recorded} == {"GPU-aaaa", "GPU-bbbb"}
    assert {one["device"] for one in recorded} == {"cpu"}


def test_the_locks_hold_where_snakemake_starts_more(machine: Any) -> None:
    """As two workflows of one user do, which know nothing of each other."""
    machine.build("trajectories", "--resources", "gpu=9", cores=4)
    jobs = seen(machine)
    assert at_once(jobs) == 2
    for gpu in ("GPU-aaaa", "GPU-bbbb"):
        assert at_once([job for job in jobs if job["gpu"] == gpu]) == 1
    assert 1 <= logs(machine).count("this job waits for one") <= 2


def test_jobs_share_a_gpu_where_the_config_says_so(machine: Any) -> None:
    machine.path("config.yaml").write_text("studies: [still]\nparallelism: {gpu_slots: 2}\n")
    machine.build("trajectories", cores=4)
    jobs = seen(machine)
    assert sorted(job["gpu"] for job in jobs) == ["GPU-aaaa", "GPU-aaaa", "GPU-bbbb", "GPU-bbbb"]
    assert at_once(jobs) > 2
    assert "waits for one" not in logs(machine)


@pytest.mark.parametrize("device", ["cpu", "auto", "cuda"])
def test_a_job_asks_for_a_gpu_where_there_is_one_and_it_may_want_it(machine: Any, device: str) -> None:
    assert asked(machine, device) == {0 if device == "cpu" else 1}
    # The machine is looked at where a job may want a GPU, and once.
    log = machine.path("nvidia-smi.log")
    assert (log.read_text() if log.exists() else "") == ("" if device == "cpu" else "asked\n")


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_without_a_gpu_a_job_asks_for_none(machine: Any, device: str) -> None:
    machine.path("bin/nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert asked(machine, device) == {0}


def test_with_a_number_of_nodes_every_job_that_may_want_a_gpu_asks_for_one(machine: Any) -> None:
    """As a cluster profile gives it; what this machine has says nothing of those that the jobs go to."""
    machine.path("bin/nvidia-smi").write_text("#!/bin/sh\necho asked >> nvidia-smi.log; exit 9\n")
    assert asked(machine, "auto", "--jobs", "3") == {1}
    assert asked(machine, "cpu", "--jobs", "3") == {0}
    assert not machine.path("nvidia-smi.log").exists()


def asked(lab: Any, device: str, *arguments: str) -> set[int]:
    """What the training jobs of a dry run ask for."""
    lab.path("config.yaml").write_text(f"studies: [still]\ndevice: {device}\n")
    outcome = lab.snakemake("-n", "trajectories", *arguments, **lab.environment())
    assert outcome.code == 0, outcome.err
    return {int(number) for number in re.findall(r"^    resources: .*\bgpu=(\d+)", outcome.out, re.MULTILINE)}


def test_cuda_without_a_cuda_that_works_fails_with_a_sentence(machine: Any) -> None:
    machine.path("config.yaml").write_text("studies: [still]\ndevice: cuda\n")
    outcome = machine.snakemake("trajectories", cores=1)
    assert outcome.code == 1
    assert re.search(r"orrery: training\.device: cuda was asked for, but .*; write cpu or auto", outcome.err)
    assert "Traceback" not in logs(machine)
