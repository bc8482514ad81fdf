"""A trajectory larger than memory, analysed by a local cluster of two workers: memory of each over time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Section, goal, in_process

GIGABYTES = float(os.environ.get("LARGE_GB", "20"))
"""Size of the trajectory; another one for a trial, LARGE_GB=1."""
SEEDS, STEPS, DIRECTIONS = 8, 1_000, 12
COMPONENTS = int(GIGABYTES * 1e9 / (SEEDS * STEPS * 4))
CURVE = Path(__file__).with_name("large.svg")
PAUSE = 0.25


@dataclass(frozen=True)
class Part:
    """The only tensor of a state."""

    name: str = "x"
    shape: tuple[int, ...] = (COMPONENTS,)
    role: str = "variable"
    dims: tuple[str, ...] = ()


def run(folder: Path) -> Section:
    """Write the trajectory, analyse it under both schedulers, draw the memory of the workers."""
    needed = 1.1 * GIGABYTES * 1e9
    if shutil.disk_usage(folder).free < needed:
        raise SystemExit(f"{folder} has less than {needed / 1e9:.0f} GB left; give another --scratch")
    for seed in range(SEEDS):
        write(folder / f"{seed}.zarr", seed)
    answers = {
        choice: in_process("benchmarks.large", choice, str(folder)) for choice in ("cluster", "threads")
    }
    curves = {name: [tuple(point) for point in curve] for name, curve in answers["cluster"]["curves"].items()}
    if GIGABYTES >= 20:
        draw(curves)
    peaks = [max(size for _, size in curve) for curve in curves.values()]
    same = answers["cluster"]["digest"] == answers["threads"]["digest"]
    rows = (
        (
            "peak memory of a worker",
            " and ".join(f"{peak:,.0f} MB" for peak in peaks),
            "–",
            goal(max(peaks) < 2000, "below 2 GB"),
        ),
        (
            "peak memory of the process of the job",
            f"{answers['cluster']['peak']:,.0f} MB",
            f"{answers['threads']['peak']:,.0f} MB",
            "–",
        ),
        (
            "the result",
            answers["cluster"]["digest"],
            answers["threads"]["digest"],
            goal(same, "the same bytes"),
        ),
    )
    shown = f"\n\n![Memory of each worker over time]({CURVE.name})" if GIGABYTES >= 20 else ""
    return Section(
        f"A trajectory of {GIGABYTES:g} GB with two workers",
        f"{SEEDS} runs of {STEPS:,} recorded states of {COMPONENTS:,} weights in float32: "
        "Gram matrices and Koopman spectra (8 delays, rank 10), by a local cluster of two workers and by two "
        f"threads.{shown}",
        ("", "cluster", "threads", "goal"),
        rows,
    )


def write(path: Path, seed: int) -> None:
    """One run: oscillations that die away, in a few random directions, with noise."""
    import numpy as np
    import torch

    from orrery.trajectory.writer import Writer

    generator = np.random.default_rng(seed)
    directions = generator.standard_normal((DIRECTIONS, COMPONENTS), dtype=np.float32)
    noise = 1e-3 * generator.standard_normal(COMPONENTS + STEPS, dtype=np.float32)
    kind = {"components": [Part()], "steps": range(STEPS), "seeds": [seed], "copies": [0], "first_run": seed}
    writer = Writer(path, **kind)
    for step in range(STEPS):
        at = [np.exp(-k * step / 4000) * np.cos(k * step / 60) for k in range(DIRECTIONS)]
        state = np.asarray(at, dtype=np.float32) @ directions + noise[step : step + COMPONENTS]
        writer.record(step, {"x": torch.from_numpy(state[None])})
    writer.close(status=np.zeros(1, dtype=int), last_step=np.full(1, STEPS - 1))


def main(choice: str, folder: str) -> dict[str, Any]:
    """Analyse the trajectory one way; runs in a process of its own."""
    from orrery.analyses import koopman, reduction
    from orrery.analyses.api import Context
    from orrery.stages.scheduler import scheduler
    from orrery.trajectory.trajectory import Trajectory

    curves: dict[str, list[tuple[float, float]]] = {}
    done = threading.Event()
    watching = threading.Thread(target=watch, args=(curves, done))
    watching.start()
    source = Trajectory.open([Path(folder) / f"{seed}.zarr" for seed in range(SEEDS)])
    with scheduler(choice, threads=2):
        gram = reduction.analyse(source, reduction.Settings(keep="gram"), Context("large"))
        spectra = koopman.analyse(gram, koopman.Settings(delays=(8,), rank=10), Context("large")).compute()
    done.set()
    watching.join()
    digest = hashlib.sha256(gram["gram"].values.tobytes() + spectra["eigenvalue"].values.tobytes())
    return {"digest": digest.hexdigest()[:16], "curves": curves}


def watch(curves: dict[str, list[tuple[float, float]]], done: threading.Event) -> None:
    """Resident memory in MB of each worker process, again and again."""
    import psutil

    me, start = psutil.Process(), time.perf_counter()
    while not done.wait(PAUSE):
        for child in me.children():
            try:
                # The processes of multiprocessing that are no worker are small and say so.
                if "resource_tracker" not in " ".join(child.cmdline()):
                    point = (round(time.perf_counter() - start, 2), round(child.memory_info().rss / 2**20, 1))
                    curves.setdefault(str(child.pid), []).append(point)
            except psutil.Error:
                continue


def draw(curves: dict[str, list[tuple[float, float]]]) -> None:
    """The curves as SVG beside the page, and as JSON."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.4), layout="constrained")
    axes = figure.subplots()
    for number, curve in enumerate(curves.values(), start=1):
        axes.plot(*zip(*curve, strict=True), linewidth=1, label=f"worker {number}")
    axes.axhline(2000, color="0.6", linewidth=0.8, linestyle="--")
    axes.set(xlabel="time (s)", ylabel="resident memory (MB)", ylim=(0, None))
    axes.legend(frameon=False, loc="center right")
    figure.savefig(CURVE, metadata={"Date": None})
    CURVE.with_suffix(".json").write_text(json.dumps(list(curves.values())))
