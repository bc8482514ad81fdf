"""The target ``estimate``: disk, memory and time per stage, before a run."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orrery.plan.entry import load_plan
from orrery.plan.job import STAGES, Job, in_path
from orrery.plan.plan import Plan
from orrery.plan.together import trained
from orrery.provenance.usage import read_usage

if TYPE_CHECKING:
    from orrery.data.api import Dataset

TRIED_STEPS = 4
START_SECONDS = {True: 0.5, False: 2.5}
"""Import of the packages and opening of the stores, for every job: where jobs are forks, and where they are not."""
COMPRESSION = 0.9
"""Weights hardly compress without loss."""
BUFFER_MEGABYTES = 256.0
BASE_MEGABYTES = 400.0


@dataclass(frozen=True)
class Cost:
    """What one job takes.

    Attributes:
        seconds: wall time; ``None`` where nothing is known of it.
        memory: peak, in megabytes.
        disk: of the result, in megabytes.
        source: how this is known.
    """

    seconds: float | None
    memory: float
    disk: float
    source: str


def estimate(config: Mapping[str, Any], home: Path) -> list[str]:
    """Return the lines of a table: jobs to run, time on one core, memory of the largest job, disk, for each stage.

    Training is tried for a few steps. Other stages are taken from earlier runs of the same jobs, at whatever scale;
    where there is none, only their number is known.
    """
    plan = load_plan("config.yaml", config, home)
    earlier = _earlier(Path(plan.results) / "benchmarks")
    tried: dict[tuple[str, ...], Cost] = {}
    rows: dict[str, list[Cost]] = defaultdict(list)
    for target, job in plan.jobs.items():
        if job.stage in STAGES and not Path(target).is_file():
            rows[job.stage].append(_cost(job, plan, earlier, tried))
    return _table(plan, rows)


def _cost(job: Job, plan: Plan, earlier: Mapping[str, Cost], tried: dict[tuple[str, ...], Cost]) -> Cost:
    if job.stage == "trajectories":
        study, condition, _ = job.name.split("/")
        # The jobs of a condition cost about the same, so one of them is tried.
        if (study, condition) not in tried:
            tried[study, condition] = try_training(job, START_SECONDS[plan.execution["forks"]])
        return tried[study, condition]
    known = earlier.get(f"{job.stage}/{in_path(job.name)}")
    return known or Cost(None, BASE_MEGABYTES, 0.0, "no earlier run")


def try_training(job: Job, start: float) -> Cost:
    """Try the training of a job, as ``try_condition`` does for one condition.

    Conditions that train together are tried one by one, so their time is what they would take alone, which is more.

    Args:
        job: of the stage ``trajectories``.
        start: seconds until the first step.
    """
    costs = [try_condition(settings, datasets) for settings, datasets in trained(job)]
    return Cost(
        seconds=start + sum(cost.seconds or 0.0 for cost in costs),
        memory=BASE_MEGABYTES + sum(cost.memory for cost in costs),
        disk=sum(cost.disk for cost in costs),
        source="tried" if costs else "takes over what was trained together",
    )


def try_condition(settings: Mapping[str, Any], datasets: Sequence[Job]) -> Cost:
    """Train a few steps of a condition in memory and scale its time up; sizes follow from what is recorded.

    Args:
        settings: of its training job.
        datasets: the job of its dataset, or nothing.

    Returns:
        What it takes beyond the start of its process.
    """
    import torch

    from orrery.systems.system import Runs
    from orrery.training.build import build_system
    from orrery.training.device import make_repeatable
    from orrery.training.recording import plan_recording
    from orrery.training.schedule import first_step

    make_repeatable()
    keys = ("system", "training", "streams", "copies", "record", "branch")
    condition = {key: settings[key] for key in keys if key in settings}
    dataset = _blank(datasets[0].settings) if datasets else None
    system = build_system(condition, dataset, torch.device("cpu"))
    runs = Runs.product(settings["seeds"], settings["copy_numbers"])
    state = system.initial(runs)
    seconds = []
    with torch.no_grad():
        for t in range(TRIED_STEPS):
            began = time.perf_counter()
            state, _ = system.advance(state, system.batch(runs, t), t)
            seconds.append(time.perf_counter() - began)
    recording = plan_recording(
        system,
        condition["record"],
        settings["first"],
        settings["last"],
        lambda _: lambda state: next(iter(state.values())),
        first_step(condition),
    )
    size = torch.finfo(next(iter(state.values())).dtype).bits // 8
    of_state = sum(component.size for component in system.components) * runs.count * size / 1e6
    recorded = sum(component.size for component in recording.components)
    recorded += sum(_product(shape) for shape, _ in recording.observables.values())
    disk = recorded * runs.count * size * len(recording.steps) / 1e6 * COMPRESSION + of_state
    data = (dataset.train_inputs.nbytes + dataset.test_inputs.nbytes) / 1e6 if dataset else 0.0
    steps = settings["last"] - settings["first"]
    return Cost(
        seconds=min(seconds[1:]) * steps,
        memory=4 * of_state + 2 * data + min(disk, BUFFER_MEGABYTES),
        disk=disk,
        source="tried",
    )


def _product(shape: Iterable[int]) -> int:
    result = 1
    for length in shape:
        result *= length
    return result


def _blank(settings: Mapping[str, Any]) -> Dataset:
    """A dataset of the right size with nothing in it: an estimate needs no download."""
    import numpy as np

    from orrery.config import extensions
    from orrery.config.errors import OrreryError
    from orrery.data.api import Dataset

    module = extensions.load("data", settings["name"])
    if not hasattr(module, "size"):
        raise OrreryError(
            f"dataset {settings['name']}: how large it is can't be known before it is made; give its module a "
            "function size(settings) that returns orrery.data.api.Size."
        )
    size = module.size(module.Settings.model_validate(dict(settings)))
    answers: dict[str, Any] = {}
    for part, samples in (("train", size.train), ("test", size.test)):
        answers[f"{part}_inputs"] = np.zeros((samples, size.features), settings.get("dtype", "float32"))
        if size.classes:
            answers[f"{part}_labels"] = np.arange(samples, dtype=np.int64) % size.classes
        else:
            answers[f"{part}_targets"] = np.zeros((samples, size.targets))
    return Dataset(**answers, class_names=tuple(map(str, range(size.classes))))


def _earlier(benchmarks: Path) -> dict[str, Cost]:
    """The latest cost of each job that has run, by stage and readable name."""
    found: dict[str, Cost] = {}
    for path in sorted(benchmarks.rglob("*.tsv"), key=lambda path: path.stat().st_mtime):
        name = re.sub(r"@[0-9a-f]{16}$", "", str(path.relative_to(benchmarks).with_suffix("")))
        used = read_usage(path)
        if used is not None and used.seconds is not None:
            found[name] = Cost(used.seconds, used.memory or 0.0, 0.0, "earlier run")
    return found


def _table(plan: Plan, rows: Mapping[str, list[Cost]]) -> list[str]:
    lines = [f"{'stage':<14}{'jobs':>6}{'seconds':>10}{'memory MB':>11}{'disk MB':>10}  known from"]
    total = 0.0
    unknown = 0
    for stage in STAGES:
        costs = rows.get(stage, [])
        if not costs:
            continue
        seconds = [cost.seconds for cost in costs if cost.seconds is not None]
        unknown += len(costs) - len(seconds)
        total += sum(seconds)
        told = f"{sum(seconds):.0f}" if seconds else "?"
        memory = max(cost.memory for cost in costs)
        disk = sum(cost.disk for cost in costs)
        sources = ", ".join(sorted({cost.source for cost in costs}))
        lines.append(f"{stage:<14}{len(costs):>6}{told:>10}{memory:>11.0f}{disk:>10.1f}  {sources}")
    if len(lines) == 1:
        return ["nothing to be done: every result is there"]
    lines.append(f"in all {total:.0f} s on one core" + (f", and {unknown} jobs not known" if unknown else ""))
    return lines
