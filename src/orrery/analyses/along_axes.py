"""Conditions along an axis of their grid: which axis has numbers, and where each condition stands on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orrery.config.errors import OrreryError, nearest

if TYPE_CHECKING:
    import xarray as xr


def axis_of(sources: Mapping[str, xr.Dataset], wanted: str | None, setting: str) -> dict[str, float] | None:
    """Where each condition stands on an axis, by condition.

    Args:
        sources: by condition, results ``slope(seed)`` and others, with the attribute ``axes``.
        wanted: name of the axis; the only one whose values are numbers and differ where absent.
        setting: analysis and key that name the axis, for messages.

    Returns:
        ``None`` where no axis is wanted and there is not exactly one that will do.

    Raises:
        OrreryError: the wanted axis does not exist, or its values are no numbers.
    """
    axes = {name: source.attrs.get("axes", {}) for name, source in sources.items()}
    known = list(dict.fromkeys(axis for places in axes.values() for axis in places))
    if wanted is None:
        fitting = [axis for axis in known if _varies(axes, axis)]
        return _along(axes, fitting[0]) if len(fitting) == 1 else None
    if wanted not in known:
        raise OrreryError(f"{setting}: there is no axis '{wanted}'; {nearest(wanted, known)}")
    found = _along(axes, wanted)
    if found is None:
        raise OrreryError(f"{setting}: the values of '{wanted}' are no numbers; name an axis of numbers")
    return found


def name_of_axis(sources: Mapping[str, xr.Dataset], wanted: str | None) -> str:
    """The axis that :func:`axis_of` found, for labels; results ``slope(seed)`` and others by condition."""
    if wanted is not None:
        return wanted
    axes = {name: source.attrs.get("axes", {}) for name, source in sources.items()}
    known = dict.fromkeys(axis for places in axes.values() for axis in places)
    return next(axis for axis in known if _varies(axes, axis))


def _varies(axes: Mapping[str, Mapping[str, Any]], axis: str) -> bool:
    places = _along(axes, axis)
    return places is not None and len(set(places.values())) > 1


def _along(axes: Mapping[str, Mapping[str, Any]], axis: str) -> dict[str, float] | None:
    try:
        return {name: float(places[axis]) for name, places in axes.items()}
    except (KeyError, TypeError, ValueError):
        return None
