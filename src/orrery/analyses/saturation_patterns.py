"""Which end patterns of networks are patterns of the reduced map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from jaxtyping import Bool

    from orrery.analyses.saturation import Settings


def counted(source: xr.Dataset) -> Bool[np.ndarray, " seed"]:
    """Saturated runs whose number of units at one stayed what it was throughout the window.

    Args:
        source: ``saturated(seed)`` and ``changes(seed)``.
    """
    return np.asarray(source["saturated"].values.astype(bool) & (source["changes"].values == 0))


def matched(source: xr.Dataset, settings: Settings, starts: str = "any") -> Bool[np.ndarray, " seed"]:
    """Whether least and largest loss of a run are those of the reduced map from some start.

    Args:
        source: ``end(seed, side)``, ``period(seed)``, ``reduced_end(seed, side)`` and ``attractor(seed, start, side)``.
        settings: the tolerances; the wider one is for runs whose losses have no period.
        starts: ``own`` (the logits of the network at the start of the window), ``random``, or ``any`` of them.
    """
    ends = source["end"].values
    wide = source["period"].values == 0
    tolerance = np.where(wide, settings.band_tolerance, settings.tolerance)[:, None]
    own = (np.abs(source["reduced_end"].values - ends) <= tolerance).all(axis=1)
    near = np.abs(source["attractor"].values - ends[:, None]) <= tolerance[:, None]
    random = near.all(axis=2).any(axis=1)
    return np.asarray({"own": own, "random": random, "any": own | random}[starts])
