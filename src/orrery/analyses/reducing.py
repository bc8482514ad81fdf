"""The two kinds of reduction: states as recorded, and Gram matrices."""

from __future__ import annotations

from collections.abc import Sequence

import dask
import numpy as np
import xarray as xr

from orrery.analyses.ensembles import Ensemble
from orrery.numerics.gram import gram_matrix


def as_states(ensemble: Ensemble, tensors: Sequence[str]) -> xr.Dataset:
    """The states with the dtype in which they were recorded.

    Args:
        ensemble: NumPy or Dask states.
        tensors: their names, for the attributes.

    Returns:
        ``state(seed, copy, step, component)``.
    """
    (states,) = dask.compute(ensemble.states)
    return xr.Dataset(
        {"state": (("seed", "copy", "step", "component"), states)},
        coords=_coordinates(ensemble, ensemble.seeds),
        attrs={"kind": "states", "tensors": list(tensors)},
    )


def as_gram(ensemble: Ensemble, tensors: Sequence[str], group: str, *, chunk: int) -> xr.Dataset:
    """Gram matrices in float64, streamed over chunks of components.

    Args:
        ensemble: NumPy or Dask states.
        tensors: their names, for the attributes.
        group: ``seed``, or ``condition`` for one matrix of all runs.
        chunk: components at a time.

    Returns:
        ``gram(seed, row, column)`` with rows (copy, step), run-major; for one matrix of all runs ``seed`` has length 1
        and the rows run over (seed, copy, step).
    """
    count, components = len(ensemble.seeds), ensemble.states.shape[-1]
    members = [slice(0, count)] if group == "condition" else [slice(i, i + 1) for i in range(count)]
    grams = np.stack([gram_matrix(ensemble.states[member], chunk=chunk) for member in members])
    seeds = ensemble.seeds if group == "seed" else ensemble.seeds[:1]
    return xr.Dataset(
        {"gram": (("seed", "row", "column"), grams)},
        coords=_coordinates(ensemble, seeds),
        attrs={
            "kind": "gram",
            "group": group,
            "tensors": list(tensors),
            "components": components,
            "seeds": ensemble.seeds.tolist(),
        },
    )


def _coordinates(ensemble: Ensemble, seeds: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    return {
        "seed": ("seed", seeds),
        "copy": ("copy", ensemble.copies),
        "step": ("step", ensemble.steps),
    }
