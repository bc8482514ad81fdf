"""The files that pages are made of; they count as code, by their bytes."""

from __future__ import annotations

import re
from pathlib import Path

TEMPLATES = Path(__file__).parents[1] / "report" / "templates"
STYLE = "style.css"
"""Stands in every page."""

_TAG = re.compile(r"{%-?\s*(?:extends|import|include|from)\b(?:\s+\"([^\"]+)\")?")


def templates(*names: str) -> tuple[Path, ...]:
    """Return templates, all that they extend, import and include, and the style sheet; sorted."""
    found: set[str] = {STYLE}
    pending = list(names)
    while pending:
        name = pending.pop()
        if name in found:
            continue
        found.add(name)
        read = _TAG.findall((TEMPLATES / name).read_text(encoding="utf-8"))
        if "" in read:
            # A name that is computed may be any.
            return tuple(sorted(path for path in TEMPLATES.rglob("*") if path.is_file()))
        pending += read
    return tuple(TEMPLATES / name for name in sorted(found))
