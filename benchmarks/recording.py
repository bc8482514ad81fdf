"""The same training with every step recorded and with none."""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import median

from benchmarks.measure import Section, goal, pairs_of
from benchmarks.networks import NETWORKS, make_dataset, train_by_orrery

RUNS = {2_410: 32, 79_510: 8}
STEPS = 1000
PAIRS = 9


def run(folder: Path) -> Section:
    """Measure both sizes."""
    rows = []
    for weights, runs in RUNS.items():
        network, steps = NETWORKS[weights], STEPS
        dataset = make_dataset(network, folder)

        def train(state, network=network, dataset=dataset, runs=runs, steps=steps) -> None:  # type: ignore[no-untyped-def]
            out = folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            train_by_orrery(network, dataset, out, seeds=list(range(runs)), steps=steps, state=state)

        train("all")
        pairs = pairs_of(lambda train=train: train([]), lambda train=train: train("all"), PAIRS)  # type: ignore[misc]
        slower = sorted(100 * (on / off - 1) for off, on in pairs)
        size = runs * (steps + 1) * weights * 4 / 1e6
        rows.append(
            (
                f"{weights:,}",
                f"{runs}",
                f"{1e3 * median(off for off, _ in pairs) / steps:.2f} ms",
                f"{1e3 * median(on for _, on in pairs) / steps:.2f} ms",
                f"{median(slower):.0f} % ({slower[0]:.0f} to {slower[-1]:.0f})",
                f"{size:,.0f} MB",
                goal(median(slower) <= 15, "at most 15 %") if weights == 79_510 else "–",
            )
        )
        shutil.rmtree(folder / "out")
    return Section(
        "Recording every step",
        "The whole job with `state: all`, `every: 1` beside the same job with `state: []`, which writes the loss "
        f"alone. Medians of {PAIRS} pairs of jobs of {STEPS:,} steps, one right after the other, with the smallest "
        "and the largest of the pairs; time per step of all runs together.",
        ("weights", "runs", "off", "on", "slower", "recorded", "goal"),
        tuple(rows),
    )
