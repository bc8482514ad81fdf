"""Figures of many conditions, a few conditions at a time: one figure of all would be larger than any page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from orrery.analyses.api import Figure

Source = TypeVar("Source")


def in_parts(
    sources: Mapping[str, Source], most: int, draw: Callable[[Mapping[str, Source]], list[Figure]]
) -> list[Figure]:
    """All figures of the first conditions, then all of the next ones.

    Args:
        sources: by condition; or what else is shown side by side, by name.
        most: how many of them a figure may show.
        draw: the figures of some of them.

    Returns:
        What ``draw`` returns where all conditions fit; else figures named ``<name>-1``, ``<name>-2`` and so on.
    """
    names = list(sources)
    if len(names) <= most:
        return draw(sources)
    parts = [names[first : first + most] for first in range(0, len(names), most)]
    return [
        replace(
            figure, name=f"{figure.name}-{number}", title=f"{figure.title}, part {number} of {len(parts)}"
        )
        for number, part in enumerate(parts, start=1)
        for figure in draw({name: sources[name] for name in part})
    ]
