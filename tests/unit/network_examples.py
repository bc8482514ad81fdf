"""Small networks recorded in memory, for the tests of analyses that ask a network for its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from orrery.analyses.api import Context
from orrery.data.api import Dataset
from orrery.numerics.streams import Streams
from orrery.systems.network import Settings, build
from orrery.systems.system import Runs, System
from orrery.systems.tangents import packed
from orrery.trajectory.components import component_table
from orrery.trajectory.trajectory import Trajectory

SIGMOID = {"kind": "mse", "link": "sigmoid", "reduction": "sum"}


def points(inputs: np.ndarray, targets: np.ndarray) -> Dataset:
    """Samples with numbers as targets, both parts alike."""
    targets = np.asarray(targets, dtype=float).reshape(len(inputs), -1)
    return Dataset(train_inputs=inputs, test_inputs=inputs, train_targets=targets, test_targets=targets)


def classes(inputs: np.ndarray, labels: np.ndarray) -> Dataset:
    """Samples with classes, both parts alike."""
    names = tuple("abcdef"[: int(labels.max()) + 1])
    return Dataset(
        train_inputs=inputs, test_inputs=inputs, train_labels=labels, test_labels=labels, class_names=names
    )


def described(**changes: Any) -> dict[str, Any]:
    """Settings of a network as plain JSON, every default written out."""
    given = {
        "network": {"kind": "mlp", "hidden": [6], "activation": "relu"},
        "loss": SIGMOID,
        "optimizer": {"kind": "sgd", "rate": 0.1},
        "batches": {"kind": "full"},
        **changes,
    }
    return Settings.model_validate(given).model_dump(mode="json")


def system_of(system: dict[str, Any], dataset: Dataset) -> System:
    """The system of these settings in float64."""
    return build(
        Settings.model_validate(system),
        dataset=dataset,
        dtype=torch.float64,
        device=torch.device("cpu"),
        streams=Streams(),
    )


def trained(
    system: dict[str, Any], dataset: Dataset, steps: Sequence[int], seeds: Sequence[int] = (0, 1, 2)
) -> tuple[Trajectory, Context]:
    """Train and record the state at some steps, the first of them 0."""
    built = system_of(system, dataset)
    runs = Runs.product(tuple(seeds))
    state, states = built.initial(runs), []
    for t in range(max(steps) + 1):
        if t in steps:
            states.append(packed(state, built.components).numpy())
        state = built.advance(state, built.batch(runs, t), t)[0]
    return recorded(system, dataset, np.stack(states, axis=1), steps, seeds)


def recorded(
    system: dict[str, Any],
    dataset: Dataset,
    states: np.ndarray,
    steps: Sequence[int],
    seeds: Sequence[int] = (0, 1, 2),
) -> tuple[Trajectory, Context]:
    """A trajectory of given states (run, step, component), and what builds its system."""
    built = system_of(system, dataset)
    data = xr.Dataset(
        {
            "state": (("run", "step", "component"), states),
            "status": ("run", np.zeros(len(seeds), dtype=int)),
            "last_step": ("run", np.full(len(seeds), steps[-1])),
        },
        coords={
            "run": np.arange(len(seeds)),
            "seed": ("run", list(seeds)),
            "copy": ("run", np.zeros(len(seeds), dtype=int)),
            "step": list(steps),
        },
    )
    trajectory = Trajectory(data, component_table(built.components), {}, {"condition": {"system": system}})
    return trajectory, Context("a", system=lambda dtype="float64": system_of(system, dataset))
