"""What of a font enters a PDF: glyphs and their hints, not the tables that a typesetter reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LAYOUT_TABLES = ["BASE", "GDEF", "GPOS", "GSUB", "JSTF", "MATH", "kern"]
"""Ligatures, kerning and marks: a PDF names every glyph and its place, and its readers never open these tables
(ISO 32000-1, 9.9)."""


@contextmanager
def without_layout_tables() -> Iterator[None]:
    """Within this context, fonts are subset without ``LAYOUT_TABLES``, which take most of the time of a subset.

    Matplotlib has no option for it: the options that it gives to fontTools are completed on their way.
    """
    from fontTools import subset

    load_font = subset.load_font

    def load_fewer_tables(file: Any, options: Any, **given: Any) -> Any:
        options.drop_tables = [*options.drop_tables, *LAYOUT_TABLES]
        return load_font(file, options, **given)

    subset.load_font = load_fewer_tables
    try:
        yield
    finally:
        subset.load_font = load_font
