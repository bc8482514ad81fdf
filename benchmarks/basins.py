"""Accuracy of networks under noise over a grid of amplitudes: Orrery beside a loop over draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.measure import Section, best_of, goal, times
from benchmarks.networks import NETWORKS, condition_of, make_dataset

DRAWS, RUNS, SAMPLES, WANTED = 20, 8, 200, 2.0
SIZES = (82, 2_410, 25_450)


def run(folder: Path) -> Section:
    """Measure both on the same draws, which the loop is given; answers must be equal."""
    rows = []
    for weights in SIZES:
        for kind in ("inputs", "weights"):
            rows.append(_row(weights, kind, folder))
    return Section(
        "Accuracy under noise",
        f"{RUNS} networks of one hidden layer on {SAMPLES} samples (float32), 25 amplitudes, {DRAWS} draws of "
        "the noise: Orrery "
        "as the analysis `basins` does it, beside a loop over runs, draws and amplitudes, one forward pass "
        "each. Both draw "
        "their noise anew.",
        ("weights", "noise on", "Orrery", "loop", "faster", "answers", "goal"),
        tuple(rows),
    )


def _row(weights: int, kind: Any, folder: Path) -> tuple[str, ...]:
    import numpy as np
    import torch

    from orrery.numerics.crossings import amplitudes
    from orrery.systems.noise import shares_right
    from orrery.systems.system import Runs
    from orrery.training.build import build_system

    network = NETWORKS[weights]
    system = build_system(condition_of(network), make_dataset(network, folder), torch.device("cpu"))
    runs = Runs.product(range(RUNS))
    state = system.initial(runs)
    batch = system.whole()
    inputs, labels = batch["inputs"][0, :SAMPLES], batch["targets"][0, :SAMPLES].argmax(dim=1)
    at = amplitudes(1e-2, 20.0, 25)

    def by_orrery() -> Any:
        return shares_right(system, state, inputs, labels, np.tile(at, (RUNS, 1)), kind, DRAWS, runs.seeds)

    def by_loop() -> Any:
        return in_a_loop(system, state, inputs, labels, at, kind, runs.seeds)

    differing = float((by_orrery() != by_loop()).mean())
    seconds = best_of({"orrery": by_orrery, "loop": by_loop}, repeats=3)
    ratio = seconds["loop"] / seconds["orrery"]
    return (
        f"{weights:,}",
        kind,
        f"{1e3 * seconds['orrery']:.0f} ms",
        f"{1e3 * seconds['loop']:.0f} ms",
        times(ratio),
        "equal" if differing == 0 else f"{differing:.0e} differ",
        goal(ratio >= WANTED, f"{WANTED:g} times") if weights == SIZES[0] else "–",
    )


def in_a_loop(system: Any, state: Any, inputs: Any, labels: Any, at: Any, kind: str, seeds: Any) -> Any:
    """Shares of right answers ``(run, amplitude, sample)``, one run, draw and amplitude after the other."""
    import numpy as np
    import torch

    from orrery.systems.noise import deviations, input_noise, noisy_weights, weight_noise

    moved = noisy_weights(system)
    found = np.zeros((len(seeds), len(at), len(inputs)))
    with torch.no_grad():
        for row, seed in enumerate(seeds):
            own = {name: tensor[row : row + 1] for name, tensor in state.items()}
            spread = deviations(own, moved)
            for draw in range(DRAWS):
                some = range(draw, draw + 1)
                if kind == "weights":
                    noise = {one.name: weight_noise(one, [seed], some, inputs.dtype)[:, 0] for one in moved}
                else:
                    xi = input_noise((len(inputs), inputs.shape[1]), some, inputs.dtype)[0]
                for place, s in enumerate(at):
                    if kind == "weights":
                        shifted = {name: own[name] + float(s) * spread[name] * noise[name] for name in noise}
                        last = system.forward.last_layer({**own, **shifted}, inputs[None])
                    else:
                        last = system.forward.last_layer(own, (inputs + float(s) * xi)[None])
                    found[row, place] += (last.argmax(dim=1)[0] == labels).numpy()
    return found / DRAWS
