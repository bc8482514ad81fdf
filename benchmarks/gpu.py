"""Ensembles on a GPU: runs times steps a second, beside a loop over seeds and beside what the card can do."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Section, times
from benchmarks.networks import (
    NETWORKS,
    RATE,
    Network,
    condition_of,
    make_dataset,
    train_by_orrery,
)

SIZES = (1, 4, 16, 64, 256, 1024, 4096)
SECONDS = 1.0
RECORDED_BYTES = 2e9
MOST_STEPS, FEWEST_STEPS = 2000, 4


def run(folder: Path) -> Section | None:
    """Measure all networks and ensembles; ``None`` where there is no GPU that works."""
    import torch

    if not torch.cuda.is_available():
        return None
    device = torch.device("cuda")
    bandwidth, arithmetic = peaks(device)
    rows = []
    for weights, network in NETWORKS.items():
        dataset = make_dataset(network, folder)
        loop = in_a_loop(network, dataset, device)
        for size in SIZES:
            try:
                rows.append(row(weights, network, dataset, folder, device, size, loop, bandwidth, arithmetic))
            except torch.cuda.OutOfMemoryError:
                rows.append((f"{weights:,}", f"{size:,}", *("does not fit",) * 2, *("–",) * 5))
            torch.cuda.empty_cache()
    return Section(
        "Ensembles on a GPU",
        f"One {torch.cuda.get_device_name(device)}, torch {torch.__version__}, float32 without TF32, deterministic "
        f"algorithms. Measured on this card: {bandwidth / 1e9:,.0f} GB/s (a copy, read and written), "
        f"{arithmetic / 1e12:,.1f} TFLOP/s (a product of two matrices of 8,192 rows and columns). Runs times steps a "
        "second of the steps alone, and of a whole job that writes the state after every step (at most "
        f"{RECORDED_BYTES / 1e9:.0f} GB, so few steps where they are large); a loop over seeds with `torch.optim.SGD`, "
        "data on the card and no wait at any step. The fraction is that of the nearer peak, by the bytes and "
        "operations that a step cannot do without: weights read and written, samples read once, the products of the "
        "layers.",
        ("weights", "runs", "not recorded", "recorded", "loop", "faster than it", "step", "of peak", "which"),
        tuple(rows),
    )


def row(
    weights: int,
    network: Network,
    dataset: Path,
    folder: Path,
    device: Any,
    size: int,
    loop: float,
    bandwidth: float,
    arithmetic: float,
) -> tuple[str, ...]:
    """One line of the table."""
    rate, how = steps_alone(network, dataset, device, size)
    steps = int(RECORDED_BYTES / (4 * weights * size))
    steps = max(FEWEST_STEPS, min(MOST_STEPS, steps))
    out = folder / "on-gpu"
    shutil.rmtree(out, ignore_errors=True)
    train_by_orrery(network, dataset, out, seeds=list(range(size)), steps=steps, device=str(device))
    job = json.loads((out / "provenance.json").read_text())
    shutil.rmtree(out)
    fractions = {
        "bandwidth": rate * bytes_of_step(network) / bandwidth,
        "arithmetic": rate * operations_of_step(network) / arithmetic,
    }
    which = max(fractions, key=lambda name: fractions[name])
    return (
        f"{weights:,}",
        f"{size:,}",
        f"{rate:,.0f}",
        f"{size * steps / job['training_seconds']:,.0f}",
        f"{loop:,.0f}",
        times(rate / loop),
        how.partition(" ")[0],
        f"{100 * fractions[which]:.1f} %",
        which,
    )


def bytes_of_step(network: Network) -> int:
    """Bytes that one run moves in a step, whatever is done well: weights read and written, samples read."""
    return 4 * (2 * network.weights + network.batch * (network.shape[0] + network.shape[2]))


def operations_of_step(network: Network) -> int:
    """Operations of one run in a step: two for each weight and sample forth, twice that back, first inputs spared."""
    features, hidden, classes = network.shape
    return 2 * network.batch * (2 * features * hidden + 3 * hidden * classes)


def steps_alone(network: Network, dataset: Path, device: Any, size: int) -> tuple[float, str]:
    """Runs times steps a second with nothing recorded, and how the steps are made."""
    import torch

    from orrery.systems.system import Runs
    from orrery.training.build import build_system
    from orrery.training.device import captures_of, make_repeatable
    from orrery.training.stepper import TRIAL_STEPS, WORTH, choose_stepper

    make_repeatable()
    with torch.no_grad():
        system = build_system(condition_of(network), dataset, device)
        runs = Runs.product(range(size))
        state = system.initial(runs)
        stepper = choose_stepper(system, runs, state, 0, WORTH * TRIAL_STEPS, captures_of(device))
        at = {"state": state, "t": 0}

        def step() -> None:
            t = at["t"]
            at["state"], _ = stepper.advance(at["state"], system.batch(runs, t), t)
            at["t"] = t + 1

        return size * rate_of(step, wait_for(device)), stepper.how


def in_a_loop(network: Network, dataset: Path, device: Any) -> float:
    """Steps a second of one network after another with ``torch.optim``: the same for any number of seeds."""
    import torch

    from orrery.data.store import open_dataset

    data = open_dataset(dataset)
    inputs = torch.tensor(data.train_inputs, device=device)
    labels = torch.tensor(data.train_labels, device=device)
    features, hidden, classes = network.shape
    model = torch.nn.Sequential(
        torch.nn.Linear(features, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes)
    ).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    order = torch.randperm(len(inputs), device=device)
    at = 0

    def step() -> None:
        nonlocal order, at
        if at + network.batch > len(order):
            order, at = torch.randperm(len(inputs), device=device), 0
        chosen = order[at : at + network.batch]
        at += network.batch
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]).backward()
        optimizer.step()

    return rate_of(step, wait_for(device))


def peaks(device: Any, side: int = 8192, size: int = 2**28) -> tuple[float, float]:
    """Bytes a second of a copy on the device, and operations a second of a product of matrices."""
    import torch

    source = torch.ones(size, device=device)
    target = torch.empty_like(source)
    left, right = torch.randn(side, side, device=device), torch.randn(side, side, device=device)
    product = torch.empty_like(left)
    copies = rate_of(lambda: target.copy_(source), wait_for(device))
    products = rate_of(lambda: torch.mm(left, right, out=product), wait_for(device))
    return 2 * 4 * size * copies, 2 * side**3 * products


def rate_of(work: Callable[[], Any], wait: Callable[[], None]) -> float:
    """Calls a second, with all that the device has to do for them done; the first few pay for what is done once."""
    for _ in range(5):
        work()
    calls = 5
    while True:
        wait()
        began = time.perf_counter()
        for _ in range(calls):
            work()
        wait()
        seconds = time.perf_counter() - began
        if seconds >= SECONDS / 2:
            return calls / seconds
        calls = min(10 * calls, int(calls * SECONDS / max(seconds, 1e-9)) + 1)


def wait_for(device: Any) -> Callable[[], None]:
    """What waits until a device has done all its work."""
    import torch

    return (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)
