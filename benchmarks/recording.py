"""The same training with every step recorded and with none."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.measure import Section, best_of, goal
from benchmarks.networks import NETWORKS, make_dataset, train_by_orrery

RUNS = {2_410: 32, 79_510: 8}
STEPS = {2_410: 1000, 79_510: 300}


def run(folder: Path) -> Section:
    """Measure both sizes."""
    rows = []
    for weights, runs in RUNS.items():
        network, steps = NETWORKS[weights], STEPS[weights]
        dataset = make_dataset(network, folder)

        def train(state, network=network, dataset=dataset, runs=runs, steps=steps) -> None:  # type: ignore[no-untyped-def]
            out = folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            train_by_orrery(network, dataset, out, seeds=list(range(runs)), steps=steps, state=state)

        train("all")
        seconds = best_of(
            {"off": lambda train=train: train([]), "on": lambda train=train: train("all")}, repeats=3
        )
        slower = seconds["on"] / seconds["off"] - 1
        size = runs * (steps + 1) * weights * 4 / 1e6
        rows.append(
            (
                f"{weights:,}",
                f"{runs}",
                f"{1e3 * seconds['off'] / steps:.2f} ms",
                f"{1e3 * seconds['on'] / steps:.2f} ms",
                f"{100 * slower:.0f} %",
                f"{size:,.0f} MB",
                goal(slower <= 0.15, "at most 15 %") if weights == 79_510 else "–",
            )
        )
        shutil.rmtree(folder / "out")
    return Section(
        "Recording every step",
        "The whole job with `state: all`, `every: 1` beside the same job with `state: []`, which writes the loss "
        "alone. Time per step of all runs together.",
        ("weights", "runs", "off", "on", "slower", "recorded", "goal"),
        tuple(rows),
    )
