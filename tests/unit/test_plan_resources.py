"""What jobs ask for follows from the study, is enough for what was measured, and grows with each attempt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orrery.config.errors import OrreryError
from orrery.plan.entry import load_plan
from orrery.plan.job import Job
from orrery.plan.resources import CUDA_MB, check_arrays, largest, resources_of
from orrery.systems.network import footprint

HOME = Path(__file__).parents[2]
MEASURED = {
    "trajectories": 703,
    "analyses": 613,
    "comparisons": 191,
    "figures": 258,
    "claims": 74,
    "reports": 91,
}
"""Megabytes that the jobs of ``width`` took at scale ``paper``, at most."""


@pytest.fixture(scope="module")
def jobs() -> dict[str, list[Job]]:
    found: dict[str, list[Job]] = {}
    two = {"studies": ["mirror-descent", "width"], "scale": "paper"}
    for job in load_plan(str(HOME / "config.yaml"), two, HOME):
        found.setdefault(job.stage, []).append(job)
    return found


def changed(job: Job, **settings: Any) -> Job:
    return replace(job, settings={**job.settings, **settings})


@pytest.mark.parametrize("stage", MEASURED)
def test_what_is_asked_is_enough_for_what_was_used(jobs: dict[str, list[Job]], stage: str) -> None:
    of_width = [resources_of(job) for job in jobs[stage] if job.study == "width"]
    spare = CUDA_MB if stage == "trajectories" else 0
    assert min(asked.mem_mb for asked in of_width) - spare > MEASURED[stage]
    assert all(asked.mem_mb < 10_000 for asked in of_width)


def test_weights_are_those_of_the_network() -> None:
    system = {
        "network": {"kind": "mlp", "hidden": [40], "bias": True},
        "optimizer": {"kind": "adam"},
        "batches": {"kind": "shuffled", "size": 60},
    }
    found = footprint(system, 784, 10)
    assert found.tensors == {"fc1.weight": 31360, "fc1.bias": 40, "fc2.weight": 400, "fc2.bias": 10}
    assert (found.buffers, found.activations, found.batch) == (2, 50, 60)


def test_the_footprint_of_a_network_is_that_of_the_system_that_is_built() -> None:
    import numpy as np
    import torch

    from orrery.data.api import Dataset
    from orrery.numerics.streams import Streams
    from orrery.systems.network import Settings, build

    deep = {"normalisation": {"kind": "batch"}, "dropout": 0.1, "residual": True}
    for hidden, bias, optimizer, more in (
        ([3], False, "sgd", {}),
        ([5, 2], True, "momentum", {}),
        ([4], True, "adamw", {}),
        ([4, 4, 4], True, "momentum", deep),
    ):
        plain: dict[str, Any] = {
            "network": {"kind": "mlp", "hidden": hidden, "bias": bias, **more},
            "optimizer": {"kind": optimizer, "rate": 0.1},
            "batches": {"kind": "shuffled", "size": 4},
        }

        dataset = Dataset(
            train_inputs=np.zeros((8, 6), np.float32),
            train_labels=np.arange(8) % 3,
            test_inputs=np.zeros((4, 6), np.float32),
            test_labels=np.arange(4) % 3,
            class_names=("a", "b", "c"),
        )
        system = build(
            Settings.model_validate(plain),
            dataset=dataset,
            dtype=torch.float32,
            device=torch.device("cpu"),
            streams=Streams(None),
        )
        weights = {one.name: one.size for one in system.components if one.role in {"weight", "bias"}}
        found = footprint(Settings.model_validate(plain).model_dump(mode="json"), 6, 3)
        running = {one.name: one.size for one in system.components if one.role == "statistic"}
        assert bool(running) == bool(more)
        assert found.tensors == {**weights, **running}
        whole = sum(one.size for one in system.components)
        assert whole == sum(weights.values()) * (1 + found.buffers) + sum(running.values())
        assert found.activations == (5 * 12 + 3 if more else sum(hidden) + 3)


def test_memory_and_time_grow_with_runs_steps_and_what_is_recorded(jobs: dict[str, list[Job]]) -> None:
    job = next(job for job in jobs["trajectories"] if job.name.startswith("width/width=40/"))
    asked = resources_of(job)
    more_runs = resources_of(changed(job, seeds=list(range(500))))
    longer = resources_of(changed(job, last=100_000))
    everything = resources_of(changed(job, record={**job.settings["record"], "state": "all"}))
    assert more_runs.mem_mb > asked.mem_mb
    assert more_runs.runtime > asked.runtime
    assert longer.runtime > asked.runtime
    assert asked.mem_mb < everything.mem_mb < asked.mem_mb + 1000  # what is recorded is written as it comes


def test_each_attempt_asks_for_twice_as_much(jobs: dict[str, list[Job]]) -> None:
    for job in (jobs["trajectories"][0], jobs["analyses"][0], jobs["figures"][0]):
        first, third = resources_of(job), resources_of(job, attempt=3)
        assert (third.mem_mb, third.runtime) == (4 * first.mem_mb, 4 * first.runtime)


def test_workers_of_a_cluster_inside_the_job_have_memory_of_their_own(jobs: dict[str, list[Job]]) -> None:
    job = jobs["analyses"][0]
    alone = resources_of(job).mem_mb
    assert resources_of(job, 1, {"dask": "threads", "threads": 2, "worker_memory": None}).mem_mb == alone
    assert resources_of(job, 1, {"dask": "cluster", "threads": 2, "worker_memory": None}).mem_mb == 3 * alone
    assert (
        resources_of(job, 1, {"dask": "cluster", "threads": 2, "worker_memory": 900}).mem_mb == alone + 1800
    )


def test_a_gpu_is_asked_for_by_training_that_may_use_one(jobs: dict[str, list[Job]]) -> None:
    by_study = {job.study: resources_of(job).gpu for job in jobs["trajectories"]}
    assert by_study == {"mirror-descent": False, "width": True}
    assert not any(resources_of(job).gpu for job in jobs["analyses"])


def test_members_of_an_array_ask_for_what_the_largest_takes(jobs: dict[str, list[Job]]) -> None:
    found = largest(jobs["trajectories"])
    for job in jobs["trajectories"]:
        asked = resources_of(job)
        assert found.mem_mb >= asked.mem_mb
        assert found.runtime >= asked.runtime
    assert found.gpu


def test_arrays_that_would_wait_for_ever_are_refused() -> None:
    check_arrays(3, 3)
    with pytest.raises(OrreryError, match=r"jobs: 2 with slurm-array-jobs would wait for ever, since 3 jobs"):
        check_arrays(2, 3)
