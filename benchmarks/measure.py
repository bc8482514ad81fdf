"""Timing, memory, and the page of results."""

from __future__ import annotations

import gc
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
ANSWER = "answer: "


@dataclass(frozen=True)
class Section:
    """One section of the page: what was compared, and a table."""

    title: str
    text: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", self.text, "", _row(self.columns), _row("---" for _ in self.columns)]
        return "\n".join([*lines, *(_row(row) for row in self.rows)]) + "\n"


def best_of(contenders: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Run the contenders in turn, so that a disturbance meets all of them; return the best seconds of each."""
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(repeats):
        for name, contender in contenders.items():
            gc.collect()
            start = time.perf_counter()
            contender()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def pairs_of(first: Callable[[], Any], second: Callable[[], Any], repeats: int) -> list[tuple[float, float]]:
    """Seconds of the two, one right after the other, again and again: for differences as small as the noise."""
    pairs = []
    for _ in range(repeats):
        seconds = []
        for contender in (first, second):
            gc.collect()
            start = time.perf_counter()
            contender()
            seconds.append(time.perf_counter() - start)
        pairs.append((seconds[0], seconds[1]))
    return pairs


def in_process(module: str, *arguments: str) -> dict[str, Any]:
    """Run ``module.main(*arguments)`` in a process of its own; return its answer with its peak memory in MB."""
    command = [sys.executable, "-m", "benchmarks.measure", module, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **one_thread()}, check=False
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith(ANSWER)]
    if done.returncode or not answers:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(answers[-1].removeprefix(ANSWER))
    return answer


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    try:
        # What getrusage says of a process starts from the memory of the one that started it.
        status = Path("/proc/self/status").read_text()
        return float(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_memory_of_children() -> float:
    """Peak resident memory of the largest process that this one has waited for, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def one_thread() -> dict[str, str]:
    """Environment of one compute thread, as every job of the workflow has it."""
    return dict.fromkeys(THREADS, "1")


def machine() -> str:
    """Processor, memory and versions, in one paragraph."""
    from orrery.provenance.software import full_version

    packages = ("torch", "numpy", "scipy", "zarr", "dask", "snakemake", "pydmd")
    versions = ", ".join(f"{package} {full_version(package)}" for package in packages)
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return (
        f"{os.cpu_count()} cores ({_processor()}), {pages * size / 2**30:.0f} GiB of memory, "
        f"Python {platform.python_version()}, {versions}. One compute thread in each process."
    )


def write_page(path: Path, introduction: str, sections: Iterable[Section]) -> None:
    """Write the sections to the page; those of the page that are not among them stay as they are."""
    kept: dict[str, str] = {}
    if path.exists():
        for part in path.read_text(encoding="utf-8").split("\n## ")[1:]:
            kept[part.partition("\n")[0]] = f"## {part.rstrip()}\n"
    for section in sections:
        kept[section.title] = section.markdown()
    path.write_text("\n".join([introduction, *kept.values()]), encoding="utf-8")


def times(ratio: float) -> str:
    """A ratio as it stands in a table."""
    return f"{ratio:.1f} times" if ratio < 100 else f"{ratio:.0f} times"


def goal(reached: bool, text: str) -> str:
    """A goal and whether it is reached."""
    return f"{text}: {'reached' if reached else '**missed**'}"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _main(module: str, *arguments: str) -> None:
    """Call a function in this process and print its answer with the peak memory."""
    from importlib import import_module

    answer = import_module(module).main(*arguments)
    print(ANSWER + json.dumps({**answer, "peak": peak_memory()}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
