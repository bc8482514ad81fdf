"""What the figures of ``response`` share: runs that did not diverge, and tables of what is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float

if TYPE_CHECKING:
    import xarray as xr


def finite_runs(source: xr.Dataset) -> xr.Dataset:
    """The result without runs that diverged, by ``diverged(seed)``."""
    return source.isel(seed=np.flatnonzero(~source["diverged"].values.astype(bool)))


def long_table(
    name: str, source: xr.Dataset, columns: Mapping[str, Float[np.ndarray, "seed moment"]]
) -> pd.DataFrame:
    """One row per seed and step of ``moment_step(moment)``.

    Args:
        name: of the condition.
        source: with seeds and steps.
        columns: by name.
    """
    seeds, steps = source["seed"].values, source["moment_step"].values
    return pd.DataFrame(
        {
            "condition": name,
            "seed": np.repeat(seeds, len(steps)),
            "step": np.tile(steps, len(seeds)),
            **{key: rounded(values) for key, values in columns.items()},
        }
    )


def rounded(values: Float[np.ndarray, " ..."]) -> list[float]:
    """Numbers with six significant digits, in one list."""
    return [float(f"{value:.6g}") for value in np.asarray(values, dtype=float).ravel()]
