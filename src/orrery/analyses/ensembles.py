"""What analyses of ensembles read: states (seed, copy, step, component) of a trajectory or a reduction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    from orrery.trajectory.trajectory import Trajectory


@dataclass(frozen=True)
class Ensemble:
    """States of all copies of some seeds.

    Attributes:
        states: NumPy or Dask array (seed, copy, step, component).
        seeds, copies, steps: what the axes are.
    """

    states: Float[Any, "seed copy step component"]
    seeds: Int[np.ndarray, " seed"]
    copies: Int[np.ndarray, " copy"]
    steps: Int[np.ndarray, " step"]


def from_trajectory(
    trajectory: Trajectory, names: Sequence[str], steps: tuple[int, int] | None = None
) -> Ensemble:
    """Tensors or observables of a trajectory, side by side; lazy.

    Args:
        trajectory: of a condition.
        names: patterns of tensors or observables; all tensors of the state where empty.
        steps: first and last step read.

    Raises:
        OrreryError: the seeds do not have the same copies, nothing of these names was recorded, or no recorded step
            lies between the bounds.
    """
    array = trajectory.array(list(names) or None)
    seeds, copies = np.asarray(trajectory.seeds), np.asarray(trajectory.copies)
    run_seeds, run_copies = array["seed"].values, array["copy"].values
    order = np.lexsort((run_copies, [seeds.tolist().index(seed) for seed in run_seeds]))
    copies = np.sort(copies)
    if (
        len(order) != len(seeds) * len(copies)
        or not (run_copies[order].reshape(len(seeds), -1) == copies).all()
    ):
        raise OrreryError(
            "the seeds of the trajectory do not all have the same copies; train them in one study"
        )
    data = dask.array.asarray(array.data)
    if not (order == np.arange(len(order))).all():
        data = data[order]
    data = data.reshape(len(seeds), len(copies), *data.shape[1:])
    return _window(Ensemble(data, seeds, copies, array["step"].values.astype(int)), steps)


def from_reduction(reduction: xr.Dataset, steps: tuple[int, int] | None = None) -> Ensemble:
    """The states that a reduction kept as they were recorded; lazy.

    Args:
        reduction: with ``state(seed, copy, step, component)``.
        steps: first and last step read.

    Raises:
        OrreryError: no recorded step lies between these.
    """
    found = Ensemble(
        dask.array.asarray(reduction["state"].transpose("seed", "copy", "step", "component").data),
        reduction["seed"].values,
        reduction["copy"].values,
        reduction["step"].values,
    )
    return _window(found, steps)


def window_of(steps: Int[np.ndarray, " step"], bounds: tuple[int, int] | None) -> slice:
    """The places of the steps between two bounds, both included.

    Raises:
        OrreryError: there are none.
    """
    if bounds is None:
        return slice(0, len(steps))
    first, last = np.searchsorted(steps, bounds[0]), np.searchsorted(steps, bounds[1], side="right")
    if last <= first:
        raise OrreryError(
            f"steps: no recorded step lies between {bounds[0]} and {bounds[1]}; recorded are {steps[0]} to {steps[-1]}"
        )
    return slice(int(first), int(last))


def _window(ensemble: Ensemble, bounds: tuple[int, int] | None) -> Ensemble:
    places = window_of(ensemble.steps, bounds)
    return Ensemble(ensemble.states[:, :, places], ensemble.seeds, ensemble.copies, ensemble.steps[places])
