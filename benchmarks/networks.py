"""The networks that are trained, by Orrery and in a plain loop."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RATE = 0.05


@dataclass(frozen=True)
class Network:
    """A network of one hidden layer with biases, and its data.

    Attributes:
        weights: number of trained parameters.
        dataset: settings of the dataset.
        shape: features, hidden units, classes.
        batch: samples of a step.
        steps: steps of a benchmark with 32 runs.
    """

    weights: int
    dataset: dict[str, Any]
    shape: tuple[int, int, int]
    batch: int
    steps: int


CLUSTERS = {"name": "gaussian-clusters", "dimension": 5, "classes": 2, "samples": 1000, "test": 100}
NETWORKS = {
    network.weights: network
    for network in (
        Network(82, CLUSTERS, (5, 10, 2), 32, 500),
        Network(2_410, {"name": "digits"}, (64, 32, 10), 64, 500),
        Network(25_450, {"name": "mnist-5k"}, (784, 32, 10), 64, 150),
        Network(79_510, {"name": "mnist-5k"}, (784, 100, 10), 128, 80),
    )
}


def make_dataset(network: Network, folder: Path) -> Path:
    """Write the dataset of a network once; return its store."""
    from orrery.data.store import write_dataset

    out = folder / f"data-{network.dataset['name']}"
    if not out.exists():
        out.mkdir(parents=True)
        write_dataset(network.dataset, out, folder / "cache")
    return out


def condition_of(network: Network, state: str | list[str] = "all") -> dict[str, Any]:
    """The condition of a network, with the given tensors of the state recorded after every step."""
    return {
        "system": {
            "kind": "network",
            "network": {"kind": "mlp", "hidden": [network.shape[1]], "activation": "relu", "bias": True},
            "loss": {"kind": "cross-entropy"},
            "optimizer": {"kind": "sgd", "rate": RATE},
            "batches": {"kind": "shuffled", "size": network.batch},
        },
        "training": {"dtype": "float32"},
        "streams": {},
        "copies": {},
        "record": {"state": state, "steps": {"every": 1}, "metrics": ["loss"]},
    }


def train_by_orrery(
    network: Network,
    dataset: Path,
    out: Path,
    *,
    seeds: list[int],
    steps: int,
    state: str | list[str] = "all",
    device: str = "cpu",
) -> None:
    """Train the runs as a job of the workflow does, from step 0, and record the state after every step."""
    from orrery.training.block import train_block
    from orrery.training.progress import Progress

    train_block(
        condition=condition_of(network, state),
        dataset=dataset,
        seeds=seeds,
        copies=[0],
        first_run=0,
        first=0,
        last=steps,
        previous=None,
        out=out,
        device=device,
        progress=Progress(stream=io.StringIO()),
    )


def train_in_a_loop(
    network: Network, dataset: Path, out: Path, *, seeds: list[int], steps: int, save: bool = True
) -> None:
    """Train the runs one after another with ``torch.optim``, and ``torch.save`` the weights after every step."""
    import torch

    from orrery.data.store import open_dataset

    data = open_dataset(dataset)
    inputs, labels = torch.from_numpy(data.train_inputs), torch.from_numpy(data.train_labels)
    features, hidden, classes = network.shape
    out.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        torch.manual_seed(seed)
        model = torch.nn.Sequential(
            torch.nn.Linear(features, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes)
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
        losses = []
        order = torch.randperm(len(inputs))
        at = 0
        for step in range(steps + 1):
            if save:
                torch.save(model.state_dict(), out / f"{seed}-{step}.pt")
            if step == steps:
                break
            if at + network.batch > len(order):
                order, at = torch.randperm(len(inputs)), 0
            chosen = order[at : at + network.batch]
            at += network.batch
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        torch.save(losses, out / f"{seed}-losses.pt")
