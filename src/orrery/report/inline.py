"""SVG files made fit to stand inside a page: unique ids, the page's colours, nothing that runs or loads."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from orrery.config.errors import OrreryError
from orrery.figures import style

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_DROPPED = {"metadata", "style", "script", "title", "desc", "foreignObject", "a", "animate", "set", "iframe"}
_COLOURS = {
    style.INK: "var(--figure-ink)",
    style.MUTED: "var(--figure-muted)",
    style.GRID: "var(--figure-grid)",
    style.SURFACE: "var(--figure-surface)",
    "#000000": "var(--figure-ink)",
    **{hue: f"var(--figure-{name})" for name, hue in style.PALETTE.items()},
}
_COLOUR = re.compile("|".join(map(re.escape, _COLOURS)), re.IGNORECASE)
_LONG = re.compile(r"-?\d+\.\d{3,}")
_CSS_PIXELS_PER_POINT = 96 / 72
_MAGNIFIED = 1.5
"""A page shows a figure larger than print: its 7.5 pt text becomes 15 px."""


def inline_svg(path: Path, prefix: str, label: str) -> str:
    """The SVG file as markup for an HTML page.

    Args:
        path: an SVG file, as ``orrery.figures.style.save`` writes it.
        prefix: put before every id, so that two figures of a page share none.
        label: what a screen reader says.

    Raises:
        OrreryError: the file is not SVG.
    """
    try:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    except ElementTree.ParseError as error:
        raise OrreryError(f"{path}: not an SVG file ({error}); draw the figure again") from error
    if root.tag != f"{{{_SVG}}}svg":
        raise OrreryError(f"{path}: not an SVG file, its root is {root.tag!r}; draw the figure again")
    _clean(root, prefix)
    wide = _width(root)
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.set("role", "img")
    root.set("aria-label", label)
    root.set("class", "plot wide" if wide > 400 else "plot")
    root.set(
        "style",
        f"max-width:{wide * _CSS_PIXELS_PER_POINT * _MAGNIFIED:.0f}px;"
        "fill:var(--figure-ink);stroke-linejoin:round;stroke-linecap:butt",
    )
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _width(root: ElementTree.Element) -> float:
    """Width in points, from the view box."""
    box = (root.get("viewBox") or "").split()
    return float(box[2]) if len(box) == 4 else 240.0


def _clean(element: ElementTree.Element, prefix: str) -> None:
    for name, value in list(element.attrib.items()):
        local = name.rpartition("}")[2]
        if local.lower().startswith("on"):
            del element.attrib[name]
        elif local == "id":
            element.set(name, prefix + value)
        elif local == "href":
            if value.startswith("#"):
                element.set(name, f"#{prefix}{value[1:]}")
            elif not value.startswith("data:image/"):
                del element.attrib[name]
        elif local in ("d", "points"):
            element.set(name, _LONG.sub(lambda match: f"{float(match[0]):.2f}", value))
        else:
            moved = re.sub(r"url\(\s*#", f"url(#{prefix}", value)
            element.set(name, _COLOUR.sub(lambda match: _COLOURS[match[0].lower()], moved))
    for child in list(element):
        if child.tag.rpartition("}")[2] in _DROPPED:
            element.remove(child)
        else:
            _clean(child, prefix)
    if element.text is not None and not element.text.strip():
        element.text = None
    if element.tail is not None and not element.tail.strip():
        element.tail = "\n"
