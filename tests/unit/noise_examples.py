"""Small classifiers for the tests of noise and basins."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from orrery.data.api import Dataset
from orrery.numerics.streams import Streams
from orrery.systems.network import Settings, build
from orrery.systems.system import Runs, System


def classes(count: int, features: int, samples: int, spread: float = 0.5) -> Dataset:
    """Gaussian clouds of these classes around random centres."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(count, features))

    def part(number: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(number) % count
        return centres[labels] + spread * rng.normal(size=(number, features)), labels

    (train, train_labels), (test, test_labels) = part(samples), part(30)
    return Dataset(
        train_inputs=train,
        train_labels=train_labels,
        test_inputs=test,
        test_labels=test_labels,
        class_names=tuple(map(str, range(count))),
    )


def classifier(
    data: Dataset,
    hidden: tuple[int, ...] = (8,),
    activation: str = "tanh",
    bias: bool = True,
    dtype: torch.dtype = torch.float64,
) -> System:
    """A network on these samples."""
    given: dict[str, Any] = {
        "network": {"kind": "mlp", "hidden": hidden, "activation": activation, "bias": bias},
        "optimizer": {"kind": "sgd", "rate": 0.5},
        "batches": {"kind": "full"},
    }
    settings = Settings.model_validate(given)
    return build(settings, dataset=data, dtype=dtype, device=torch.device("cpu"), streams=Streams())


def trained(system: System, seeds: tuple[int, ...], steps: int = 200) -> dict[str, torch.Tensor]:
    """The state of these seeds after so many steps."""
    runs = Runs(seeds, (0,) * len(seeds))
    state = system.initial(runs)
    for t in range(steps):
        state = system.step(state, system.batch(runs, t), t)
    return state


def samples(system: System) -> tuple[torch.Tensor, torch.Tensor]:
    """Training inputs and labels."""
    assert system.whole is not None
    batch = system.whole()
    return batch["inputs"][0], batch["targets"][0].argmax(dim=1)
