"""The recorded states of the original runs, for analyses that ask the system and not only the trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.config.errors import OrreryError
from orrery.systems.system import MOVED, Component, Runs
from orrery.systems.tangents import unpacked

if TYPE_CHECKING:
    import xarray as xr
    from jaxtyping import Float

    from orrery.systems.system import State
    from orrery.trajectory.trajectory import Trajectory


def read_by_gradients(
    source: Trajectory, components: Sequence[Component], analysis: str, because: str
) -> tuple[Component, ...]:
    """The tensors that outputs and gradients follow from: what is moved, and statistics; all must have been recorded.

    Args:
        source: a trajectory.
        components: of the system.
        analysis: for the message.
        because: why it needs them all, for the message: ``and <because>``.

    Raises:
        OrreryError: one of them was not recorded.
    """
    wanted = tuple(one for one in components if one.role in MOVED or one.role == "statistic")
    recorded = {entry.name for entry in source.components} if "state" in source.dataset else set()
    missing = [component.name for component in wanted if component.name not in recorded]
    if missing:
        raise OrreryError(
            f"{analysis}: '{missing[0]}' was not recorded, and {because}; write state: all in 'record'"
        )
    return wanted


def originals(source: Trajectory) -> tuple[Runs, list[int]]:
    """The run of the lowest copy of every seed, and where it stands in the trajectory."""
    seeds, copies = source.dataset["seed"].values, source.dataset["copy"].values
    rows = []
    for seed in source.seeds:
        own = np.flatnonzero(seeds == seed)
        rows.append(int(own[copies[own].argmin()]))
    return Runs(tuple(source.seeds), tuple(int(copies[row]) for row in rows)), rows


def states_of_originals(
    source: Trajectory, components: Sequence[Component]
) -> Float[xr.DataArray, "run step component"]:
    """States ``(run, step, component)`` of one run of each seed, in the order of the seeds; nothing is read yet."""
    return source.array([component.name for component in components]).isel(run=originals(source)[1])


def tensors_of(values: Float[np.ndarray, "*of component"], components: Sequence[Component]) -> State:
    """Recorded numbers as named tensors ``(*of, *shape)``."""
    return unpacked(torch.from_numpy(np.ascontiguousarray(values)), components)
