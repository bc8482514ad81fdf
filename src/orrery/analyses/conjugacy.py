"""Are two trajectories images of each other? The gap x - h(u) step by step, and the distance of their spectra.

For mirror descent x and descent in the dual variable u, h(u) = e^u is a conjugacy in the limit of small rates (Ghai,
Lu, Hazan, arXiv 2205.15235): the gap should fall in proportion to the rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Figure, Number, needed
from orrery.config.closed import Closed
from orrery.config.errors import OrreryError
from orrery.config.names import ConditionName

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

COMPARES = "trajectories"


class Partners(Closed):
    """Two conditions whose runs start at matched points."""

    value: float = Field(gt=0, description="where they stand on the sequence, e.g. the rate")
    first: ConditionName = Field(description="condition of x")
    second: ConditionName = Field(description="condition of u")


class Settings(AnalysisSettings):
    """Gap and spectral distance between x and h(u) along a sequence of conditions."""

    method: Literal["conjugacy"] = "conjugacy"
    first: tuple[str, ...] = Field(
        ("x",), min_length=1, description="tensors of the first condition of each pair"
    )
    second: tuple[str, ...] = Field(("u",), min_length=1, description="tensors of the second")
    map: Literal["identity", "exponential"] = Field("exponential", description="h, applied to the second")
    quantity: str = Field("rate", description="what the values of the sequence are")
    sequence: tuple[Partners, ...] = Field(
        min_length=1, description="pairs of conditions, from coarse to fine"
    )
    delays: int = Field(4, ge=0, description="m of the spectra")
    rank: int = Field(10, ge=1, description="largest rank of the spectra")


def compare(sources: Mapping[str, Trajectory], settings: Settings) -> xr.Dataset:
    """Gap and distance of each pair.

    Returns:
        ``gap(place)``: largest \\|x - h(u)\\| over runs, steps and components; ``distance(place)`` of the joint spectra
        of x and h(u) from all runs (direct SVD); ``value(place)``.

    Raises:
        OrreryError: a condition is missing, or the two have other runs or steps.
    """
    import numpy as np
    import xarray as xr

    from orrery.numerics.matching import distance
    from orrery.numerics.spectrum import available_rank, estimate

    gaps, distances = [], []
    for partners in settings.sequence:
        one, other = (
            _states(sources, name, tensors)
            for name, tensors in ((partners.first, settings.first), (partners.second, settings.second))
        )
        if one.shape != other.shape:
            raise OrreryError(
                f"conjugacy: '{partners.first}' has shape {one.shape} (run, step, component) and '{partners.second}' "
                f"{other.shape}; give both the same starts and steps"
            )
        image = np.exp(other) if settings.map == "exponential" else other
        runs, steps, components = one.shape
        most = available_rank((settings.delays + 1) * components, runs * (steps - settings.delays - 1))
        rank = min(settings.rank, most)
        gaps.append(float(np.abs(one - image).max()))
        distances.append(
            distance(*(estimate(states, settings.delays, rank).eigenvalues for states in (one, image)))
        )
    return xr.Dataset(
        {
            "gap": (("place",), np.array(gaps)),
            "distance": (("place",), np.array(distances)),
            "value": (("place",), np.array([partners.value for partners in settings.sequence])),
        }
    )


def numbers(
    comparison: xr.Dataset | None, sources: Mapping[str, Trajectory], settings: Settings
) -> list[Number]:
    """Gap and distance of each pair, and the least and largest factor by which each falls from one to the next.

    Args:
        comparison: from :func:`compare`.
        sources: not read.
        settings: name the places of the sequence.

    Raises:
        OrreryError: there is no comparison.
    """
    import numpy as np

    comparison = needed(comparison, "conjugacy")
    found = []
    for place, partners in enumerate(settings.sequence):
        label = f"[{settings.quantity}={partners.value:g}]"
        found.append(Number(f"gap{label}", float(comparison["gap"][place]), description="largest |x - h(u)|"))
        found.append(
            Number(
                f"distance{label}",
                float(comparison["distance"][place]),
                description="W(spectrum of x, of h(u))",
            )
        )
    for name in ("gap", "distance"):
        values = comparison[name].values
        if len(values) > 1:
            falls = values[:-1] / values[1:]
            said = f"factor by which the {name} falls from one {settings.quantity} to the next"
            found.append(
                Number(f"smallest-fall[{name}]", float(np.min(falls)), description=f"smallest {said}")
            )
            found.append(Number(f"largest-fall[{name}]", float(np.max(falls)), description=f"largest {said}"))
    return found


def plot(
    comparison: xr.Dataset | None, sources: Mapping[str, Trajectory], settings: Settings
) -> list[Figure]:
    """Gap and distance along the sequence.

    Args:
        comparison: from :func:`compare`.
        sources: not read.
        settings: name the quantity of the sequence.

    Raises:
        OrreryError: there is no comparison.
    """
    from orrery.analyses.conjugacy_figure import draw

    return [draw(needed(comparison, "conjugacy"), settings)]


def _states(sources: Mapping[str, Trajectory], name: str, tensors: tuple[str, ...]):  # type: ignore[no-untyped-def]
    import numpy as np

    from orrery.config.errors import nearest

    if name not in sources:
        raise OrreryError(
            f"conjugacy: there is no condition '{name}' among those read; {nearest(name, sources)}"
        )
    array = sources[name].array(list(tensors))
    order = np.lexsort((array["copy"].values, array["seed"].values))
    return np.asarray(array.values, dtype=np.float64)[order]
