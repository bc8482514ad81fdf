"""Writing a trajectory to the store beside appending raw bytes to a file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from benchmarks.koopman import STEPS, make_trajectory
from benchmarks.measure import Section, best_of, times


def run(folder: Path) -> Section:
    """Measure one run of 79,510 weights, its states already in memory."""
    import torch

    from orrery.trajectory.trajectory import Trajectory
    from orrery.trajectory.writer import Writer

    trajectory = Trajectory.open(make_trajectory(folder) / "data.zarr")
    states = np.ascontiguousarray(trajectory.dataset["state"].values[0])
    components = trajectory.components
    shaped = [
        {entry.name: torch.from_numpy(row[entry.slice].reshape((1, *entry.shape))) for entry in components}
        for row in states
    ]
    path, raw = folder / "store.zarr", folder / "raw.bin"

    def store() -> None:
        shutil.rmtree(path, ignore_errors=True)
        with Writer(
            path, components=components, steps=list(range(len(states))), seeds=[0], copies=[0]
        ) as writer:
            for step, state in enumerate(shaped):
                writer.record(step, state)
            writer.close(np.zeros(1, np.int64), np.array([len(states) - 1]))

    def append() -> None:
        with raw.open("wb", buffering=0) as file:
            for row in states:
                file.write(row.data)

    seconds = best_of({"store": store, "raw": append}, repeats=3)
    size = states.nbytes / 1e6
    stored = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
    files = sum(1 for file in path.rglob("*") if file.is_file())
    os.unlink(raw)
    shutil.rmtree(path)
    row = (
        f"{size:.0f} MB",
        f"{seconds['store']:.2f} s, {size / seconds['store']:,.0f} MB/s",
        f"{seconds['raw']:.2f} s, {size / seconds['raw']:,.0f} MB/s",
        times(seconds["store"] / seconds["raw"]),
        f"{stored:.0f} MB in {files} files",
    )
    return Section(
        "Store beside raw bytes",
        f"{STEPS + 1:,} states of 79,510 weights, given one after another from memory: the store (whole chunks, "
        "compressed, with checksums) beside appending each state to one file. Neither waits for the disk.",
        ("data", "store", "raw append", "store takes", "size of the store"),
        (row,),
    )
