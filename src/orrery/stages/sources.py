"""Open what a job reads: trajectories and results behind manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orrery.provenance.manifest import store_of

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.place import Place
    from orrery.trajectory.trajectory import Trajectory


READ_WHOLE = 16 * 2**20
"""Bytes up to which a result is read at once: lazily, each number that is taken of it is a computation of its own."""


def open_trajectory(
    manifests: Iterable[str], bounds: Mapping[str, Any], bytes_of: Callable[[Path], Place]
) -> Trajectory:
    """Open the trajectory of a condition, limited to the seeds, copies and steps that are asked for.

    Args:
        manifests: those of the stores of its blocks and segments.
        bounds: ``seeds``, ``copies``, ``first`` and ``last``.
        bytes_of: tells where the bytes behind the folder of a store lie.
    """
    from orrery.trajectory.trajectory import Trajectory

    trajectory = Trajectory.open([bytes_of(store_of(Path(manifest))) / "data.zarr" for manifest in manifests])
    return trajectory.select(
        seeds=bounds["seeds"], copies=bounds["copies"], steps=(bounds["first"], bounds["last"])
    )


def open_results(manifests: Iterable[str], condition: str) -> xr.Dataset:
    """Open the result of an analysis for one condition; those of several blocks are joined along ``seed``.

    Args:
        manifests: those of the stores of its blocks, or of one store that gathers several conditions.
        condition: its name.

    Returns:
        The dataset with the dimensions that the analysis gave it; in memory up to :data:`READ_WHOLE`, else lazy.

    Raises:
        OrreryError: a store holds no result.
    """
    import xarray as xr

    from orrery.analyses.results import open_result

    found = []
    manifests = list(manifests)
    for manifest in manifests:
        store = store_of(Path(manifest))
        gathered = store / condition
        place = gathered if gathered.is_dir() else store
        found.append(open_result(place, whole=READ_WHOLE // len(manifests)))
    return found[0] if len(found) == 1 else xr.concat(found, dim="seed", join="exact", data_vars="minimal")


def open_sources(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Open what a comparison or a figure reads, by condition: trajectories or results."""
    conditions = payload["settings"]["conditions"]
    if payload["settings"]["trajectories"]:
        return {
            name: open_trajectory(payload["inputs"][name], bounds, payload["bytes_of"])
            for name, bounds in conditions.items()
        }
    return {name: open_results(payload["inputs"][name], name) for name in conditions}


def settings_of(payload: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the module of the analysis and its settings as an instance of its model."""
    from orrery.config import extensions

    settings = payload["settings"]["settings"]
    module = extensions.load("analyses", settings["method"])
    return module, module.Settings.model_validate(settings)
