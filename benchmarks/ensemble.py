"""An ensemble of 32 networks, every step kept: Orrery beside a loop over seeds."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.measure import Section, best_of, goal, times
from benchmarks.networks import NETWORKS, make_dataset, train_by_orrery, train_in_a_loop

RUNS = 32
GOALS = {2_410: 6.0, 79_510: 1.2}


def run(folder: Path) -> Section:
    """Measure all sizes."""
    seeds = list(range(RUNS))
    rows = []
    for weights, network in NETWORKS.items():
        dataset = make_dataset(network, folder)
        ours, loop = folder / "ours", folder / "loop"

        def by_orrery(network=network, dataset=dataset, ours=ours) -> None:  # type: ignore[no-untyped-def]
            shutil.rmtree(ours, ignore_errors=True)
            train_by_orrery(network, dataset, ours, seeds=seeds, steps=network.steps)

        def in_a_loop(network=network, dataset=dataset, loop=loop) -> None:  # type: ignore[no-untyped-def]
            train_in_a_loop(network, dataset, loop, seeds=seeds, steps=network.steps)

        # The first step of each pays for what is compiled or cached once.
        train_by_orrery(network, dataset, folder / "warm", seeds=[0, 1], steps=3)
        train_in_a_loop(network, dataset, folder / "warm-loop", seeds=[0], steps=3)
        seconds = best_of({"orrery": by_orrery, "loop": in_a_loop}, repeats=2)
        files = sum(1 for path in ours.rglob("*") if path.is_file())
        for path in (ours, loop, folder / "warm", folder / "warm-loop"):
            shutil.rmtree(path)
        ratio = seconds["loop"] / seconds["orrery"]
        each = 1e6 / (RUNS * network.steps)
        wanted = GOALS.get(weights)
        rows.append(
            (
                f"{weights:,}",
                f"{network.steps}",
                f"{seconds['orrery']:.2f} s ({seconds['orrery'] * each:.0f} µs)",
                f"{seconds['loop']:.2f} s ({seconds['loop'] * each:.0f} µs)",
                times(ratio),
                f"{files:,} / {RUNS * (network.steps + 2):,}",
                goal(ratio >= wanted, f"{wanted:g} times") if wanted else "–",
            )
        )
    return Section(
        "Ensemble of 32 networks, every step recorded",
        "One job of the stage `trajectories` (data opened, weights drawn, trained, state and loss of every step "
        "written, checkpoint written) beside a loop over seeds with `torch.optim.SGD` and `torch.save` of the "
        "weights after every step. In parentheses: per run and step.",
        ("weights", "steps", "Orrery", "loop", "faster", "files", "goal"),
        tuple(rows),
    )
