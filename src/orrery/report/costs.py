"""What each stage cost, from the benchmark files that Snakemake writes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_ORDER = ("data", "trajectories", "analyses", "comparisons", "figures", "claims", "reports")


def read_costs(benchmarks: Path, targets: Iterable[str]) -> list[dict[str, Any]]:
    """Sum the benchmarks of the jobs of each stage.

    Args:
        benchmarks: folder of the benchmark files, ``<stage>/<name>@<digest>.tsv`` (tab-separated; the columns
            ``s``, ``max_rss`` and ``cpu_time`` are read).
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
    records = [record for path in paths if path.is_file() for record in _records(path)]
    seconds = [value for record in records if (value := _float(record, "s")) is not None]
    processor = [value for record in records if (value := _float(record, "cpu_time")) is not None]
    memory = [value for record in records if (value := _float(record, "max_rss")) is not None]
    return {
        "stage": stage,
        "jobs": len(paths),
        "measured": len(records),
        "seconds": sum(seconds) if seconds else None,
        "longest": max(seconds, default=None),
        "processor_seconds": sum(processor) if processor else None,
        "memory": max(memory, default=None),
    }


def _records(path: Path) -> list[dict[str, str]]:
    """The last record of a file (``repeats`` would write several)."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))[-1:]


def _float(record: Mapping[str, str], key: str) -> float | None:
    """A column as a number; Snakemake writes ``-`` or ``NA`` where it measured nothing (jobs of milliseconds)."""
    try:
        return float(record[key])
    except (KeyError, TypeError, ValueError):
        return None
