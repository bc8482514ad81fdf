"""The colours of Okabe and Ito (jfly.uni-koeln.de/color), told apart with all common kinds of colour vision."""

from __future__ import annotations

DEFAULT = ("blue", "vermilion", "green", "purple", "orange", "sky")
"""The colours of a figure's series, in order, where a study says nothing else."""

OKABE_ITO = {
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "yellow": "#f0e442",
    "black": "#000000",
}
"""Name -> ``#rrggbb``. Yellow is hard to see on white."""


def hexadecimal(colour: str) -> str:
    """Return a colour, by its name above or as ``#rrggbb``, as ``#rrggbb``."""
    return OKABE_ITO.get(colour, colour)
