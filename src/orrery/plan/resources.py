"""What a job asks of a cluster: memory and time, computed from the study, with room to spare.

Nothing here changes a result, so none of it is part of a spec. What is computed is meant as an upper bound; where it
was too low, the job is tried again with twice as much, and has lost one segment at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import ceil, log10
from types import MappingProxyType
from typing import Any, Protocol

from orrery.config import extensions
from orrery.config.errors import OrreryError
from orrery.plan.job import Job
from orrery.plan.together import trained

SAFETY = 1.5
"""On memory and time that are computed."""
PACKAGES_MB = 500
"""Of a process that has imported what jobs import."""
CUDA_MB = 2500
"""Of the host, for the context of a GPU."""
BUFFER_MB = 600
"""Recorded steps that wait to be compressed and written, at most."""
STREAMED_MB = 1000
"""What an analysis holds at a time, at most, of a trajectory that is larger; on top of the packages."""
SETTLED = {
    "data": 2000,
    "comparisons": 1500,
    "figures": 1500,
    "claims": 700,
    "reports": 1000,
    "publish": 1000,
}
"""Megabytes of the stages that read results and no trajectories."""
NOTHING: Mapping[str, Any] = MappingProxyType({})
LEAST_MINUTES = 10
OPERATIONS_A_SECOND = 4e9
"""Of training on one slow core; a GPU is done sooner."""
SECONDS_A_STEP = 1e-3
"""Of the loop around a step."""
BYTES_A_SECOND = 2e6
"""Of what an analysis reads, with all that it computes of it."""


@dataclass(frozen=True)
class Resources:
    """What one job asks for.

    Attributes:
        mem_mb: memory in megabytes.
        runtime: time in minutes.
        gpu: whether it computes on a GPU where there is one.
    """

    mem_mb: int
    runtime: int
    gpu: bool = False


def resources_of(job: Job, attempt: int = 1, execution: Mapping[str, Any] = NOTHING) -> Resources:
    """Return what a job asks for at its first, second, … attempt.

    Args:
        job: of the plan.
        attempt: 1 for the first; each further one asks for twice the memory and twice the time.
        execution: of the plan; with ``dask: cluster`` an analysis asks for the memory of its workers as well.
    """
    if job.stage == "trajectories":
        parts = [_training(settings, _samples(dataset)) for settings, dataset in trained(job)]
        megabytes = PACKAGES_MB + sum(part for part, _ in parts)
        seconds = 60 + sum(part for _, part in parts)
    elif job.stage == "analyses":
        read = _bytes_read(job)
        megabytes, seconds = PACKAGES_MB + min(3 * read / 1e6, STREAMED_MB), 60 + read / BYTES_A_SECOND
    else:
        megabytes, seconds = SETTLED[job.stage] / SAFETY, 600.0
    times = 2 ** (attempt - 1)
    minutes = max(LEAST_MINUTES, ceil(seconds * SAFETY / 60))
    wants_gpu = job.stage == "trajectories" and any(
        settings["training"]["device"] != "cpu" for settings, _ in trained(job)
    )
    mem_mb = ceil(megabytes * SAFETY) + (CUDA_MB if wants_gpu else 0)
    if job.stage == "analyses" and execution.get("dask") == "cluster":
        mem_mb += execution["threads"] * (execution["worker_memory"] or mem_mb)
    return Resources(mem_mb * times, minutes * times, wants_gpu)


def largest(jobs: Iterable[Job], attempt: int = 1, execution: Mapping[str, Any] = NOTHING) -> Resources:
    """Return what is enough for each of some jobs: the members of a job array all get what the first one asks for."""
    found = [resources_of(job, attempt, execution) for job in jobs]
    return Resources(
        max(one.mem_mb for one in found), max(one.runtime for one in found), any(one.gpu for one in found)
    )


def check_arrays(at_a_time: int, waiting: int) -> None:
    """Make sure that job arrays will not wait for ever.

    Snakemake's plugin for Slurm (2.8.0) submits an array when all that is ready was handed to it; jobs beyond a limit
    are never handed over, and those that wait with them are never submitted.

    Args:
        at_a_time: jobs that Snakemake may have submitted at a time.
        waiting: jobs of the rule that are to be made.

    Raises:
        OrreryError: there are more jobs than that.
    """
    if at_a_time < waiting:
        raise OrreryError(
            f"jobs: {at_a_time} with slurm-array-jobs would wait for ever, since {waiting} jobs are to be made; "
            "write 'jobs: unlimited' into the profile, or leave the arrays out"
        )


class _Footprint(Protocol):
    """What a system module's ``footprint`` returns: :class:`orrery.systems.footprint.Footprint`."""

    tensors: Mapping[str, int]
    buffers: int
    activations: int
    batch: int


@dataclass
class _Small:
    """A map of few variables: a system that does not say how large it is."""

    tensors: Mapping[str, int] = field(default_factory=lambda: {"*": 1000})
    buffers: int = 0
    activations: int = 0
    batch: int = 1


@dataclass(frozen=True)
class _Samples:
    """Of the dataset; none where the system has none."""

    train: int = 0
    test: int = 0
    features: int = 0
    outputs: int = 0
    """Classes, or targets of a regression."""


ASSUMED = _Samples(60_000, 10_000, 1000, 10)
"""A dataset that does not say how large it is."""


def _training(settings: Mapping[str, Any], samples: _Samples) -> tuple[float, float]:
    """Megabytes and seconds of one tile: weights × runs × recorded steps × bytes, and what a step computes."""
    found = _footprint(settings["system"], samples)
    number = _bytes_of(settings)
    runs = len(settings["seeds"]) * len(settings["copy_numbers"])
    steps = settings["last"] - settings["first"]
    if "leaves" in settings:
        # The runs that a branch leaves are iterated again up to there, block by block.
        steps += (settings["first"] - settings["leaves"]["from"]) * len(settings["leaves"]["runs"])
    batch = found.batch or samples.train
    weights = sum(found.tensors.values()) * runs
    state = weights * (1 + found.buffers)
    # The state before and after a step, the gradient and what follows from it; a batch, forward and backward.
    step = 2 * state + 2 * weights + 2 * runs * batch * (samples.features + found.activations)
    evaluated = runs * samples.test * found.activations if settings["record"].get("evaluate") else 0
    data = 2 * (samples.train + samples.test) * samples.features
    recorded = _recorded(settings["record"], found, settings["first"], settings["last"]) * runs * number
    megabytes = (step * number + evaluated * number + data * 4) / 1e6
    seconds = steps * (SECONDS_A_STEP + 6 * weights * batch / OPERATIONS_A_SECOND)
    return megabytes + min(recorded / 1e6, BUFFER_MB), seconds


def _samples(datasets: Sequence[Job]) -> _Samples:
    if not datasets:
        return _Samples()
    settings = datasets[0].settings
    module = extensions.load("data", settings["name"])
    if not hasattr(module, "size"):
        return ASSUMED
    size = module.size(extensions.settings_of(module).model_validate(dict(settings)))
    return _Samples(size.train, size.test, size.features, size.outputs)


def _footprint(system: Mapping[str, Any], samples: _Samples) -> _Footprint:
    module = extensions.load("systems", system["kind"])
    if not hasattr(module, "footprint"):
        return _Small()
    found: _Footprint = module.footprint(system, samples.features, samples.outputs)
    return found


def _recorded(record: Mapping[str, Any], found: _Footprint, first: int, last: int) -> float:
    """Numbers that are recorded of one run between two steps."""
    if record.get("projection"):
        components = record["projection"]["dimension"]
    else:
        components = _components(found, record["state"])
    steps = record["steps"]
    if "logarithmic" in steps:
        return float(components * min(last - first, steps["logarithmic"] * (1 + log10(max(last, 1)))))
    start, end = steps["window"] or (first, last)
    return components * (max(0, min(last, end) - max(first, start)) / steps["every"] + 1)


def _components(found: _Footprint, patterns: str | list[str]) -> int:
    """Numbers in the tensors that some patterns name; in all where what is inside is not known."""
    if patterns == "all" or "*" in found.tensors:
        return sum(found.tensors.values()) * (1 + found.buffers)
    named = [size for name, size in found.tensors.items() if any(fnmatchcase(name, one) for one in patterns)]
    return sum(named)


def _bytes_read(job: Job) -> float:
    """Bytes of the recorded trajectories behind an analysis, however many analyses lie between."""
    total = 0.0
    waiting, seen = list(job.upstream), set()
    while waiting:
        one = waiting.pop()
        if one.target in seen:
            continue
        seen.add(one.target)
        if one.stage == "trajectories":
            settings = one.settings
            runs = len(settings["seeds"]) * len(settings["copy_numbers"])
            found = _footprint(settings["system"], _samples(one.inputs.get("dataset", ())))
            numbers = _recorded(settings["record"], found, settings["first"], settings["last"])
            total += numbers * runs * _bytes_of(settings)
        elif one.stage == "analyses":
            waiting += one.upstream
    return total


def _bytes_of(settings: Mapping[str, Any]) -> int:
    return 8 if settings["training"]["dtype"] == "float64" else 4
