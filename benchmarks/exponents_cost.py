"""What Lyapunov exponents cost against their number, the size of the network and the length of the window."""

from __future__ import annotations

from pathlib import Path

from benchmarks.exponents import Case
from benchmarks.measure import Section, best_of

RUNS = 8
COUNTS = (1, 2, 5, 10, 20, 50, 100)
SIZES = ((82, 100), (2_410, 50), (25_450, 10), (79_510, 5))
"""Weights, and the steps that are measured."""
WINDOWS = (50, 100, 200, 400)


def run(folder: Path) -> Section:
    """Seconds per step beside those of the plain orbit, one of the three varied at a time."""
    rows = []
    for directions in COUNTS:
        rows.append(_row(Case.of(2_410, RUNS, folder, directions), 20))
    for weights, steps in SIZES:
        rows.append(_row(Case.of(weights, RUNS, folder), steps))
    for steps in WINDOWS:
        rows.append(_row(Case.of(2_410, RUNS, folder), steps))
    return Section(
        "Cost of Lyapunov exponents",
        f"k exponents of {RUNS} runs of a network with P weights over T steps (mini-batches, float64, a QR at each "
        "step), beside the same steps without tangents. The cost grows with T and, from a few directions on, with k "
        "and P, as products and orthogonalisation do: no matrix of P x P is formed.",
        ("k", "P", "T", "plain step", "with exponents", "ratio", "per direction"),
        tuple(rows),
    )


def _row(case: Case, steps: int) -> tuple[str, ...]:
    case.by_orrery(2)
    seconds = best_of(
        {"plain": lambda: list(case.orbit.states(0, steps)), "exponents": lambda: case.by_orrery(steps)},
        repeats=3,
    )
    plain, whole = (1e3 * value / steps for value in seconds.values())
    return (
        f"{case.directions}",
        f"{case.system.size:,}",
        f"{steps}",
        f"{plain:.2f} ms",
        f"{whole:.2f} ms",
        f"{whole / plain:.1f}",
        f"{(whole - plain) / case.directions:.3f} ms",
    )
