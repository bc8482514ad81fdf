"""Principal components of the trajectories, beside those of random walks of equal shape.

High-dimensional random walks have cosines as principal components and most of their variance in the first few
(Antognini, Sohl-Dickstein, arXiv 1806.08805): a picture of a trajectory in two components shows little unless it is
told from that null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

COMPARES = "results"
SCOPE = "block"


class Settings(AnalysisSettings):
    """Principal components of the original run (copy 0) of every seed, and of one random walk per seed."""

    method: Literal["principal-components"] = "principal-components"
    observable: tuple[str, ...] = Field((), description="tensors or observables, where a trajectory is read")
    components: int = Field(10, ge=2, description="components kept")
    drawn: int = Field(250, ge=2, description="steps kept for drawing, evenly spaced")


def analyse(source: Trajectory | xr.Dataset, settings: Settings, context: Context) -> xr.Dataset:
    """Components of each seed.

    Returns:
        ``fraction(seed, component)`` of the variance, ``null_fraction`` of a Gaussian random walk with as many steps
        and entries, ``score(seed, drawn, component)`` of the centred trajectory and ``null_score``, ``drawn_step``.
        Signs are fixed: the last score of each component is positive.

    Raises:
        OrreryError: the reduction kept a Gram matrix of all runs, or fewer steps than components.
    """
    from orrery.analyses.components import components_of

    return components_of(source, settings)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """``fraction[condition,component=k]`` of the first two components and of their nulls.

    Each is the mean over the seeds that stayed finite, with its bootstrap interval over these.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: not read.
    """
    import numpy as np

    from orrery.numerics.resampling import bootstrap_counts, interval, resampled_mean
    from orrery.numerics.streams import Streams

    found = []
    for name, source in sources.items():
        for kind, variable in (("fraction", "fraction"), ("null-fraction", "null_fraction")):
            values = source[variable].values
            values = values[np.isfinite(values).all(axis=1)]
            n = len(values)
            counts = (
                bootstrap_counts(n, 10_000, Streams().generator("probe", n, "bootstrap")) if n > 1 else None
            )
            for place in range(2):
                column = values[:, place]
                found.append(
                    Number(
                        f"{kind}[{name},component={place + 1}]",
                        float(column.mean()) if n else np.nan,
                        interval(resampled_mean(column, counts)) if counts is not None else None,
                        n,
                        description="share of the variance"
                        + (" of a random walk of equal shape" if kind.startswith("null") else ""),
                    )
                )
    return found


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Paths in the first two components and shares of variance, both beside the random walk.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: not read.

    Raises:
        OrreryError: there is no condition.
    """
    from orrery.analyses.components_figures import draw

    if not sources:
        raise OrreryError("principal-components: no condition was analysed; widen its patterns of conditions")
    return draw(sources)
