"""Tick labels as plain text: 10⁻³ in the characters of the font, where Matplotlib would set a formula.

A formula is parsed and laid out box by box, for every label and every format that a figure is saved in, and its font
subsets enter each PDF; for a power of ten the plain characters show the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from matplotlib.ticker import Formatter, LogFormatter, NullLocator, ScalarFormatter

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_RAISED = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_POWER = re.compile(r"\^\{([-−]?\d+)\}")


class PlainText(Formatter):
    """Writes what another formatter writes, without formulas."""

    def __init__(self, written: Formatter) -> None:
        self._written = written

    def __call__(self, value: float, pos: int | None = None) -> str:
        return in_plain_text(self._written(value, pos))

    def format_ticks(self, values: list[float]) -> list[str]:
        return [in_plain_text(label) for label in self._written.format_ticks(values)]

    def get_offset(self) -> str:
        return in_plain_text(self._written.get_offset())

    def set_locs(self, locs: list[float]) -> None:
        self._written.set_locs(locs)


def raised(exponent: int) -> str:
    """An exponent in superscript characters: ``10{raised(-3)}`` is 10⁻³."""
    return str(exponent).translate(_RAISED)


def in_plain_text(label: str) -> str:
    """A label such as ``$\\mathdefault{2\\times10^{-3}}$`` as 2×10⁻³; one with anything more remains as it is."""
    if not (label.startswith("$") and label.endswith("$")):
        return label
    plain = label[1:-1].replace(r"\mathdefault", "").replace(r"\times", "×")
    plain = _POWER.sub(lambda power: power[1].translate(_RAISED), plain)
    plain = plain.replace("{", "").replace("}", "").replace("-", "−")
    return label if any(mark in plain for mark in "\\^_$") else plain


MANY = 4
"""Panels from which on small ticks between powers of ten are left out: they are too dense to be read, and what a figure
takes to draw is mostly ticks."""


def write_plainly(figure: Figure) -> None:
    """Have all linear and logarithmic axes of ``figure``, also those of insets, write plain text."""
    if len(figure.axes) >= MANY:
        _without_small_ticks(figure)
    for outer in figure.axes:
        for ax in (outer, *outer.child_axes):
            for axis in (ax.xaxis, ax.yaxis):
                if isinstance(major := axis.get_major_formatter(), LogFormatter | ScalarFormatter):
                    axis.set_major_formatter(PlainText(major))
                if isinstance(minor := axis.get_minor_formatter(), LogFormatter | ScalarFormatter):
                    axis.set_minor_formatter(PlainText(minor))


def _without_small_ticks(figure: Figure) -> None:
    """Leave out the minor ticks of logarithmic axes that have two powers of ten to show."""
    for ax in figure.axes:
        for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            if axis.get_scale() == "log" and max(low, high) >= 100 * min(low, high):
                axis.set_minor_locator(NullLocator())


class _Numbers(LogFormatter):
    """Labels the ticks that a logarithmic axis labels, in plain numbers."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def write_numbers(axis: Axis) -> None:
    """Write a logarithmic axis of few decades in plain numbers: 0.2, where it would say 2×10⁻¹."""
    axis.set_major_formatter(_Numbers())
    axis.set_minor_formatter(_Numbers(labelOnlyBase=False))
