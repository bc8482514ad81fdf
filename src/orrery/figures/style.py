"""How every figure looks, and how it becomes the same bytes each time.

Widths are those of a journal's columns. Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/),
told apart with all common kinds of colour vision; each comes with a marker and a dash pattern of its own, so that a
figure survives a grey printer. Text is Matplotlib's bundled DejaVu Sans, drawn as outlines in SVG: no font of the
machine enters. INK, MUTED, GRID and SURFACE are the only greys used for text, frames and backgrounds: a page
that inlines the SVG replaces them by its own colours (see ``orrery.report.inline``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure as MatplotlibFigure

if TYPE_CHECKING:
    import pandas as pd

MILLIMETRE = 1 / 25.4
SINGLE = 85.0
DOUBLE = 176.0
WIDTHS = {"single": SINGLE, "double": DOUBLE}

INK = "#1f2328"
MUTED = "#68707a"
GRID = "#d3d8de"
SURFACE = "#ffffff"
ON_DARK = "#fdfdfd"
ON_LIGHT = "#111111"
SEQUENTIAL = "cividis"

PALETTE = {
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "sky": "#56b4e9",
}
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (5, 1.5, 1.2, 1.5)),
    (0, (8, 2)),
    (0, (3, 1)),
)

_SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "legend.borderaxespad": 0.3,
    "figure.facecolor": SURFACE,
    "figure.edgecolor": "none",
    "savefig.facecolor": SURFACE,
    "savefig.bbox": None,
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.prop_cycle": cycler(color=list(PALETTE.values())),
    "axes.formatter.use_mathtext": True,
    "axes.formatter.limits": (-3, 4),
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "patch.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "hatch.color": MUTED,
    "image.cmap": SEQUENTIAL,
    "svg.fonttype": "path",
    "svg.hashsalt": "orrery",
    "svg.image_inline": True,
    "pdf.fonttype": 42,
    "pdf.compression": 6,
    "path.simplify": True,
    "figure.dpi": 100,
    "savefig.dpi": 200,
}


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
    """The look of series number ``index`` (0-based); colours and markers repeat with different periods after six."""
    colours = tuple(PALETTE.values())
    turn = index // len(colours)
    return Mark(
        colours[index % len(colours)],
        _MARKERS[(index + turn) % len(_MARKERS)],
        _DASHES[(index + turn) % len(_DASHES)],
    )


def apply() -> None:
    """Set Matplotlib's defaults to this style, over whatever a user's matplotlibrc says."""
    matplotlib.rcdefaults()
    cast("Any", matplotlib.rcParams).update(_SETTINGS)


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
    """Write ``<name>.svg``, ``<name>.pdf`` and ``<name>.csv`` into the folder ``out``.

    Equal figures give equal bytes: no date, no random ids. The CSV holds the plotted numbers in full precision.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = {key: value for key, value in _SETTINGS.items() if key.startswith(("svg.", "pdf.", "savefig."))}
    with matplotlib.rc_context(cast("Any", written)):
        # Laid out once: each format would lay the figure out again, and draw it once more for that.
        drawn.figure.draw_without_rendering()
        drawn.figure.set_layout_engine(None)
        drawn.figure.savefig(
            out / f"{drawn.name}.svg",
            format="svg",
            metadata={"Date": None, "Creator": None, "Title": drawn.title},
        )
        drawn.figure.savefig(
            out / f"{drawn.name}.pdf", format="pdf", metadata={"CreationDate": None, "Title": drawn.title}
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
