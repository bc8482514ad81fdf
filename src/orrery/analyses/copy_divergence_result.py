"""Distances of perturbed copies and the windows in which they grow, of one condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from orrery.analyses.runs import evenly, every_step, moving_tensors, rows_of
from orrery.config.errors import OrreryError
from orrery.numerics.copy_distances import copy_distances
from orrery.numerics.line_fits import best_windows
from orrery.systems.system import MOVED

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.copy_divergence import Settings, WindowRule
    from orrery.trajectory.trajectory import Trajectory

NAME = "copy-divergence"
MEAN_OF = {"uniform": 0.5, "normal": float(np.sqrt(2 / np.pi))}
"""Means of |x| of the numbers that perturbations are made of."""
HELD_BY_FLOAT32 = 1e-4
"""Perturbations of numbers of order 1 that float32 holds to three digits."""


def divergence_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """See :func:`orrery.analyses.copy_divergence.analyse`."""
    if settings.of != "trajectory":
        raise OrreryError(
            f"{NAME}: distances are read off a trajectory, not off '{settings.of}'; leave 'of' out"
        )
    names = moving_tensors(source, settings.tensors, NAME)
    array = source.array(names)
    seeds, copies, rows = rows_of(array)
    if copies.tolist()[:1] != [0] or len(copies) < 2:
        raise OrreryError(
            f"{NAME}: the original and perturbed copies are needed, and recorded are the copies {copies.tolist()}; "
            "write copies: {count: 6} for the original and five copies"
        )
    perturbation = source.attributes.get("condition", {}).get("copies", {})
    _check_precision(str(array.dtype), perturbation)
    steps = array["step"].values.astype(int)
    if settings.rule is not None:
        _check_windows(steps, settings.rule)
    distances = copy_distances(array.data, rows, settings.norm)
    drawn = evenly(len(steps), settings.drawn)
    variables: dict[str, Any] = {
        "distance": (("seed", "copy", "moment"), distances[:, :, drawn]),
        "largest": (("seed", "copy"), distances.max(axis=2)),
        "moment_step": (("moment",), steps[drawn]),
    }
    if settings.rule is not None:
        variables |= _windows(distances, settings.rule)
    return xr.Dataset(
        variables,
        coords={"seed": ("seed", seeds), "copy": ("copy", copies[1:])},
        attrs={
            "axes": dict(context.axes),
            "norm": settings.norm,
            "tensors": list(names),
            "first_step": int(steps[0]),
            **_starts(source, names, settings.norm, perturbation),
        },
    )


def mean_logarithm(
    distances: Float[np.ndarray, "seed copy step"],
) -> Float[np.ndarray, "seed step"]:
    """ln of the mean over copies, in this order; -inf where all copies are the original."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(distances.mean(axis=1)))


def _windows(distances: Float[np.ndarray, "seed copy step"], rule: WindowRule) -> dict[str, Any]:
    logarithm = mean_logarithm(distances[:, :, : rule.span])
    best = best_windows(logarithm, rule.starts.values, rule.lengths.values)
    with np.errstate(invalid="ignore"):
        two_point = (logarithm[:, -1] - logarithm[:, 0]) / (rule.span - 1)
        kept = (best.r_squared > rule.least_r_squared) & (best.slope > rule.least_slope)
    columns = {
        "slope": best.slope,
        "level": best.level,
        "r_squared": best.r_squared,
        "start": best.start,
        "length": best.length,
        "kept": kept,
        "two_point": np.where(np.isfinite(two_point), two_point, np.nan),
    }
    return {name: (("seed",), values) for name, values in columns.items()}


def _check_windows(steps: np.ndarray, rule: WindowRule) -> None:
    if rule.span > len(steps):
        raise OrreryError(
            f"{NAME}: the windows reach over {rule.span} recorded steps, and {len(steps)} are read ({steps[0]} to "
            f"{steps[-1]}); read more steps, write smaller rule.starts.last or rule.lengths.last, or rule: null"
        )
    every_step(steps[: rule.span], NAME, "windows")


def _check_precision(dtype: str, perturbation: Mapping[str, Any]) -> None:
    amplitude = perturbation.get("amplitude", 1.0)
    if dtype == "float32" and amplitude < HELD_BY_FLOAT32:
        raise OrreryError(
            f"{NAME}: float32 does not hold perturbations of {amplitude:g}; write training: {{dtype: float64}}"
        )


def _starts(
    source: Trajectory, names: Sequence[str], norm: str, perturbation: Mapping[str, Any]
) -> dict[str, float]:
    """The largest and the expected distance of an absolute perturbation in L1, as far as the recorded tensors tell."""
    if norm != "l1" or perturbation.get("kind") != "absolute":
        return {}
    patterns = perturbation.get("tensors", ["*"])
    perturbed = sum(
        entry.size
        for entry in source.components
        if entry.role in MOVED
        and any(fnmatchcase(entry.name, pattern) for pattern in names)
        and any(fnmatchcase(entry.name, pattern) for pattern in patterns)
    )
    amplitude, distribution = perturbation["amplitude"], perturbation.get("distribution", "uniform")
    found = {"expected_start": perturbed * amplitude * MEAN_OF[distribution]}
    if distribution == "uniform":
        found["largest_start"] = perturbed * amplitude
    return found
