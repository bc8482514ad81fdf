"""Displacements and paths of the weights of one condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from orrery.analyses.runs import evenly, every_step, moving_tensors, rows_of
from orrery.config.errors import OrreryError
from orrery.numerics.path_lengths import paths_of

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.displacements import Follow, Settings
    from orrery.trajectory.trajectory import Trajectory

NAME = "displacements"


def displacements_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """See :func:`orrery.analyses.displacements.analyse`."""
    if settings.of != "trajectory":
        raise OrreryError(f"{NAME}: paths are read off a trajectory, not off '{settings.of}'; leave 'of' out")
    names = moving_tensors(source, settings.tensors, NAME)
    array = source.array(names)
    steps = array["step"].values.astype(int)
    every_step(steps, NAME, "path lengths")
    seeds, _, rows = rows_of(array)
    originals = rows[:, 0]
    paths = paths_of(array.data, originals)
    start, displacement = np.abs(paths.first), np.abs(paths.last - paths.first)
    drawn = evenly(len(steps), settings.drawn)
    variables: dict[str, Any] = {
        "relative": (("seed", "component"), _over(displacement, start)),
        "displacement": (("seed", "component"), displacement),
        "path": (("seed", "component"), paths.length),
        "total": (("seed",), _over(displacement.sum(axis=1), start.sum(axis=1))),
        "norm": (("seed", "moment"), paths.norm[:, drawn]),
        "moment_step": (("moment",), steps[drawn]),
    }
    attributes: dict[str, Any] = {"axes": dict(context.axes), "components": _table(source, names)}
    if settings.ablate is not None:
        from orrery.analyses.displacements_ablation import loss_ratios

        variables |= loss_ratios(source, originals, attributes["components"], settings.ablate, context)
    if settings.follow is not None:
        single, labels = _single(source, originals, drawn, settings.follow)
        variables["single"] = (("seed", "moment", "entry"), single)
        attributes["entries"] = labels
    return xr.Dataset(variables, coords={"seed": ("seed", seeds)}, attrs=attributes)


def _over(numerator: Float[np.ndarray, "*entry"], denominator: Float[np.ndarray, "*entry"]) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def _table(source: Trajectory, names: list[str]) -> list[dict[str, Any]]:
    """Name, role and number of entries of what is read, in its order along ``component``."""
    known = {entry.name: entry for entry in source.components}
    found = []
    for name in source.matching(names):
        size = known[name].size if name in known else int(np.prod(source.observables[name]))
        found.append(
            {"name": name, "role": known[name].role if name in known else "observable", "size": size}
        )
    return found


def _single(
    source: Trajectory, rows: Int[np.ndarray, " seed"], drawn: Int[np.ndarray, " moment"], follow: Follow
) -> tuple[Float[np.ndarray, "seed moment entry"], list[str]]:
    """Some entries of each tensor over time, and their names such as ``fc1.weight[3,0]``."""
    values, labels = [], []
    for name in source.matching(follow.tensors):
        tensor = source.tensor(name)
        shape = tensor.shape[2:]
        count = int(np.prod(shape))
        chosen = evenly(count, follow.most)
        flat = tensor.data.reshape((*tensor.shape[:2], count))
        values.append(np.asarray(flat[rows][:, drawn][:, :, chosen], dtype=np.float64))
        for place in chosen:
            index = ",".join(str(axis) for axis in np.unravel_index(place, shape)) if shape else ""
            labels.append(f"{name}[{index}]" if index else name)
    return np.concatenate(values, axis=2), labels
