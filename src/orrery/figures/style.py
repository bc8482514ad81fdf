"""How every figure looks, and how it becomes the same bytes each time.

Widths are those of a journal's columns. Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/),
told apart with all common kinds of colour vision; each comes with a marker and a dash pattern of its own, so that a
figure survives a grey printer. Text is Matplotlib's bundled DejaVu Sans, drawn as outlines in SVG: no font of the
machine enters. Font size, line width, colours and PNGs are those of the study: ``drawing`` holds them while its
figures are drawn, and ``figure``, ``mark``, ``text_size``, ``line`` and ``save`` follow them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import matplotlib
from matplotlib.figure import Figure as MatplotlibFigure

from orrery.figures.embedded_fonts import without_layout_tables
from orrery.figures.look import FIXED, GRID, INK, MUTED, ON_DARK, ON_LIGHT, PALETTE, SEQUENTIAL, SURFACE, Look
from orrery.figures.tick_labels import write_plainly

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DOUBLE",
    "GRID",
    "INK",
    "MUTED",
    "ON_DARK",
    "ON_LIGHT",
    "PALETTE",
    "SEQUENTIAL",
    "SINGLE",
    "SURFACE",
    "Drawn",
    "Look",
    "Mark",
    "drawing",
    "figure",
    "line",
    "mark",
    "save",
    "save_all",
    "text_size",
]

MILLIMETRE = 1 / 25.4
SINGLE = 85.0
DOUBLE = 176.0
WIDTHS = {"single": SINGLE, "double": DOUBLE}

_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (5, 1.5, 1.2, 1.5)),
    (0, (8, 2)),
    (0, (3, 1)),
)

_look: ContextVar[Look] = ContextVar("look", default=Look())  # noqa: B039 - it is frozen


class Mark(NamedTuple):
    """One of the looks that tell series apart: by colour, marker and dash pattern at once."""

    colour: str
    marker: str
    dashes: Any


class Drawn(Protocol):
    """What ``save`` needs of a figure; ``orrery.analyses.api.Figure`` has it."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def caption(self) -> str: ...
    @property
    def figure(self) -> MatplotlibFigure: ...
    @property
    def data(self) -> pd.DataFrame: ...


def mark(index: int) -> Mark:
    """The look of series number ``index`` (0-based); when colours repeat, they do with other markers and dashes."""
    colours = _look.get().colours
    turn, place = divmod(index, len(colours))
    return Mark(
        colours[place], _MARKERS[(place + turn) % len(_MARKERS)], _DASHES[(place + turn) % len(_DASHES)]
    )


def text_size(points: float) -> float:
    """The size for a text that has ``points`` where the study leaves the font size at its default."""
    return _look.get().text_size(points)


def line(points: float) -> float:
    """The width for a curve that has ``points`` where the study leaves the line width at its default."""
    return _look.get().line(points)


@contextmanager
def drawing(look: Look) -> Iterator[None]:
    """Draw and save in this look for as long as the context lasts; afterwards all is as it was before."""
    token = _look.set(look)
    try:
        with matplotlib.rc_context():
            yield
    finally:
        _look.reset(token)


def apply() -> None:
    """Set Matplotlib's defaults to this style, over whatever a user's matplotlibrc says."""
    matplotlib.rcdefaults()
    cast("Any", matplotlib.rcParams).update(_look.get().matplotlib())


def figure(width: str | float = "single", height: float = 60.0) -> MatplotlibFigure:
    """An empty figure in this style.

    Args:
        width: ``"single"`` (85 mm), ``"double"`` (176 mm), or millimetres.
        height: millimetres.

    Returns:
        A figure with constrained layout, tied to no window system; add axes with ``.subplots(...)``.
    """
    apply()
    millimetres = WIDTHS[width] if isinstance(width, str) else width
    return MatplotlibFigure(figsize=(millimetres * MILLIMETRE, height * MILLIMETRE), layout="constrained")


def save(drawn: Drawn, out: Path) -> None:
    """Write ``<name>.svg``, ``<name>.pdf`` and ``<name>.csv`` into the folder ``out``, and ``<name>.png`` if asked for.

    Equal figures give equal bytes: no date, no random ids. The CSV holds the plotted numbers in full precision.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = {key: value for key, value in FIXED.items() if key.startswith(("svg.", "pdf.", "savefig."))}
    write_plainly(drawn.figure)
    with matplotlib.rc_context(cast("Any", written)):
        # Laid out once, and not drawn for that: each format would lay the figure out again.
        engine = drawn.figure.get_layout_engine()
        if engine is not None:
            engine.execute(drawn.figure)
        drawn.figure.set_layout_engine(None)
        drawn.figure.savefig(
            out / f"{drawn.name}.svg",
            format="svg",
            metadata={"Date": None, "Creator": None, "Title": drawn.title},
        )
        with without_layout_tables():
            drawn.figure.savefig(
                out / f"{drawn.name}.pdf",
                format="pdf",
                metadata={"CreationDate": None, "Title": drawn.title},
            )
        if (png := _look.get().png) is not None:
            drawn.figure.savefig(
                out / f"{drawn.name}.png",
                format="png",
                dpi=png,
                metadata={"Software": None, "Title": drawn.title},
            )
    drawn.data.to_csv(out / f"{drawn.name}.csv", index=False, lineterminator="\n")


def save_all(figures: Iterable[Drawn], out: Path) -> None:
    """Save every figure into ``out`` and list them, in order, in ``figures.json`` (name, title, caption)."""
    out.mkdir(parents=True, exist_ok=True)
    listing = []
    for drawn in figures:
        save(drawn, out)
        listing.append({"name": drawn.name, "title": drawn.title, "caption": drawn.caption})
    (out / "figures.json").write_text(
        json.dumps(listing, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
