"""The smallest reduction of a trajectory that spectra, distances and principal components can be computed from.

It is the observable itself, exactly as recorded, where it has few components, else its Gram matrix. Rank, delays,
windows, subsets of the copies, stride and centring then change without the trajectory being read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Context
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory


class Settings(AnalysisSettings):
    """Keep the observable as recorded, or its Gram matrix, whichever is smaller."""

    method: Literal["reduction"] = "reduction"
    tensors: tuple[str, ...] = Field(
        (), description="tensors or observables, by name or pattern; all tensors where empty"
    )
    keep: Literal["smallest", "states", "gram"] = Field(
        "smallest",
        description="smallest: the observable where it is no larger than its Gram matrix, else that",
    )
    group: Literal["seed", "condition"] = Field(
        "seed", description="one Gram matrix per seed (its copies), or one for all runs of the condition"
    )
    chunk: int = Field(
        4096,
        ge=1,
        description="components multiplied at a time; a task reads four times as many, of 1,024 rows",
    )


def scope(settings: Settings) -> str:
    """A Gram matrix of all runs needs all runs; everything else goes block by block."""
    return "condition" if settings.group == "condition" else "block"


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Reduce a trajectory.

    Returns:
        ``state(seed, copy, step, component)`` as recorded, or ``gram(seed, row, column)`` in float64 with rows
        (copy, step), run-major; for one matrix of all runs the dimension ``seed`` of ``gram`` has length 1 and the
        rows run over (seed, copy, step). Attribute ``kind`` says which.

    Raises:
        OrreryError: nothing of that name was recorded, or the reduction was asked of another analysis.
    """
    from orrery.analyses.ensembles import from_trajectory
    from orrery.analyses.reducing import as_gram, as_states

    if settings.of != "trajectory":
        raise OrreryError(f"analyses: a reduction reads the trajectory, not '{settings.of}'; leave 'of' out")
    ensemble = from_trajectory(source, settings.tensors, settings.steps)
    seeds, copies, steps, _ = ensemble.states.shape
    rows = copies * steps * (seeds if settings.group == "condition" else 1)
    states_are_smaller = ensemble.states.nbytes // (seeds if settings.group == "seed" else 1) <= 8 * rows**2
    if settings.keep == "states" or (settings.keep == "smallest" and states_are_smaller):
        return as_states(ensemble, settings.tensors)
    return as_gram(ensemble, settings.tensors, settings.group, chunk=settings.chunk)
