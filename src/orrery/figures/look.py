"""What figures look like: what a study may set, and what stays.

INK, MUTED, GRID and SURFACE are the only greys used for text, frames and backgrounds: a page that inlines the SVG
replaces them by its own colours (see ``orrery.report.inline``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cycler import cycler

from orrery.config.palette import DEFAULT, OKABE_ITO, hexadecimal

INK = "#1f2328"
MUTED = "#68707a"
GRID = "#d3d8de"
SURFACE = "#ffffff"
ON_DARK = "#fdfdfd"
ON_LIGHT = "#111111"
SEQUENTIAL = "cividis"
PALETTE = {name: OKABE_ITO[name] for name in DEFAULT}

_FONT_SIZE = 7.5
_LINE_WIDTH = 1.2
_TEXT = {
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
}

FIXED: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
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
    "axes.formatter.use_mathtext": True,
    "axes.formatter.limits": (-3, 5),
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


@dataclass(frozen=True)
class Look:
    """What a study may set of its figures.

    Attributes:
        font_size: size of the text, points.
        line_width: width of curves, points.
        colours: ``#rrggbb`` of the series, in order.
        png: dots per inch of a PNG beside each figure; None for no PNG.
    """

    font_size: float = _FONT_SIZE
    line_width: float = _LINE_WIDTH
    colours: tuple[str, ...] = tuple(PALETTE.values())
    png: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Look:
        """The look that the section ``figures`` of a study asks for, every default written out."""
        colours = tuple(hexadecimal(colour) for colour in settings["palette"])
        return cls(settings["font_size"], settings["line_width"], colours, settings["png"])

    def text_size(self, points: float) -> float:
        """The size, in points, of a text that has ``points`` in a figure of the default font size."""
        return points * (self.font_size / _FONT_SIZE)

    def line(self, points: float) -> float:
        """The width, in points, of a curve that has ``points`` in a figure of the default line width."""
        return points * (self.line_width / _LINE_WIDTH)

    def matplotlib(self) -> dict[str, Any]:
        """Matplotlib's settings for this look."""
        sizes = {key: self.text_size(points) for key, points in _TEXT.items()}
        lines = {"lines.linewidth": self.line_width, "axes.prop_cycle": cycler(color=list(self.colours))}
        return FIXED | sizes | lines
