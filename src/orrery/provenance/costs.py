"""What each stage cost, from the benchmarks of its jobs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orrery.provenance.usage import read_usage

_ORDER = ("data", "trajectories", "analyses", "comparisons", "figures", "claims", "reports")


def read_costs(benchmarks: Path, targets: Iterable[str]) -> list[dict[str, Any]]:
    """Sum the benchmarks of the jobs of each stage.

    Args:
        benchmarks: folder of the benchmark files, ``<stage>/<name>@<digest>.tsv``, see ``read_usage``.
        targets: the manifests of the jobs, ``…/store/<stage>/<name>@<digest>.json``. A job without a benchmark
            file counts as not measured: it was made elsewhere.

    Returns:
        One row per stage, in the order of the pipeline: ``stage``, ``jobs``, ``measured`` (jobs with a
        benchmark), ``seconds`` (summed wall time), ``longest`` (of one job), ``processor_seconds`` and ``memory``
        (largest resident memory of one job, MB); the last four are ``None`` where nothing was measured.
    """
    stages: dict[str, list[Path]] = {}
    for target in targets:
        stage, _, name = target.rpartition("store/")[2].removesuffix(".json").partition("/")
        stages.setdefault(stage, []).append(benchmarks / stage / f"{name}.tsv")
    order = sorted(stages, key=lambda stage: (_ORDER.index(stage) if stage in _ORDER else len(_ORDER), stage))
    return [_stage(stage, stages[stage]) for stage in order]


def _stage(stage: str, paths: list[Path]) -> dict[str, Any]:
    used = [found for path in paths if (found := read_usage(path)) is not None]
    seconds = [each.seconds for each in used if each.seconds is not None]
    processor = [each.processor_seconds for each in used if each.processor_seconds is not None]
    memory = [each.memory for each in used if each.memory is not None]
    return {
        "stage": stage,
        "jobs": len(paths),
        "measured": len(used),
        "seconds": sum(seconds) if seconds else None,
        "longest": max(seconds, default=None),
        "processor_seconds": sum(processor) if processor else None,
        "memory": max(memory, default=None),
    }
