"""What jobs used: wall time from Snakemake's benchmark, the rest by the account that the kernel keeps of a job.

The benchmark samples the processes below the one that Snakemake started: the processor time of a job of seconds comes
out too small, and a fork (``orrery.stages.forks``) is not among them.
"""

from __future__ import annotations

import csv
import json
import resource
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orrery.provenance.manifest import write_atomically

ENDING = ".usage.json"
"""Of the file beside a benchmark: ``processor_seconds`` and ``memory``, as in ``Usage``."""


@dataclass(frozen=True)
class Usage:
    """What one job used; ``None`` where it was not measured.

    Attributes:
        seconds: wall time, with the start of its process.
        processor_seconds: of the job and of processes that it waited for.
        memory: largest resident memory, MB; of a fork, with the packages that it shares with others.
    """

    seconds: float | None
    processor_seconds: float | None
    memory: float | None


def keep_usage(results: Path, target: str) -> None:
    """Write what this process and those that it waited for have used; where that is refused, it is not known.

    Args:
        results: folder of the results.
        target: the manifest of the job, ``…/store/<stage>/<name>@<digest>.json``; for others nothing is written.
    """
    inside = target.rpartition("store/")[2] if "store/" in target else ""
    if not inside:
        return
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    used = {
        "processor_seconds": sum(each.ru_utime + each.ru_stime for each in (own, others)),
        "memory": max(own.ru_maxrss, others.ru_maxrss) / 1024,
    }
    place = results / "benchmarks" / (inside.removesuffix(".json") + ENDING)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, json.dumps(used).encode())


def read_usage(benchmark: Path) -> Usage | None:
    """Read what a job used, or ``None`` where it has no benchmark: it was made elsewhere.

    Args:
        benchmark: tab-separated, with the columns ``s``, ``max_rss`` and ``cpu_time``; of several records the last
            counts. Of the processes of a Dask cluster the benchmark knows more than the job itself: the larger
            figure of both counts.
    """
    if not benchmark.is_file():
        return None
    with benchmark.open(encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file, delimiter="\t"))[-1:]
    if not records:
        return None
    own: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        own = json.loads(benchmark.with_suffix(ENDING).read_text(encoding="utf-8"))
    return Usage(
        _float(records[0], "s"),
        _larger(_float(records[0], "cpu_time"), _float(own, "processor_seconds")),
        _larger(_float(records[0], "max_rss"), _float(own, "memory")),
    )


def _larger(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)


def _float(record: Mapping[str, Any], key: str) -> float | None:
    """A column as a number; Snakemake writes ``-`` or ``NA`` where it measured nothing (jobs of milliseconds)."""
    try:
        return float(record[key])
    except (KeyError, TypeError, ValueError):
        return None
