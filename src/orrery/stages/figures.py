"""The stage ``figures``: the figures of one analysis of a study."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orrery.config.errors import OrreryError
from orrery.provenance.manifest import store_of
from orrery.stages.sources import READ_WHOLE, open_sources, settings_of

if TYPE_CHECKING:
    from orrery.figures.style import Drawn


def draw(payload: Mapping[str, Any], out: Path) -> None:
    """Draw the figures as SVG and PDF, and PNG if asked for, with their data as CSV, and their captions as
    ``figures.json`` and ``page.html``."""
    from orrery.analyses.results import open_result
    from orrery.figures.style import Look, drawing, save
    from orrery.report.figures_page import write_figures_page

    module, settings = settings_of(payload)
    manifests = payload["inputs"].get("comparison", [])
    compared = [store for one in manifests if ((store := store_of(Path(one))) / "result.zarr").is_dir()]
    comparison = open_result(compared[0], whole=READ_WHOLE) if compared else None
    captions = []
    with payload["computing"](here=True), drawing(Look.of(payload["settings"]["figures"])):
        drawn = module.plot(comparison, open_sources(payload), settings)
        for figure in chosen(drawn, settings.figures, payload["name"]):
            save(figure, out)
            captions.append({"name": figure.name, "title": figure.title, "caption": figure.caption})
    (out / "figures.json").write_text(json.dumps(captions, indent=1, sort_keys=True))
    write_figures_page(out, payload["name"])


def chosen(figures: Sequence[Drawn], names: Sequence[str] | None, analysis: str) -> list[Drawn]:
    """The figures that an analysis is asked for, in the order in which its method gives them.

    Args:
        figures: of the method.
        names: of those that are asked for, without the number of a part; ``None`` for all.
        analysis: ``study/analysis``.

    Raises:
        OrreryError: a figure is asked for that the method does not draw here.
    """
    if names is None:
        return list(figures)
    study, _, place = analysis.partition("/")
    known = [figure.name for figure in figures]
    kept = {
        wanted: [name for name in known if re.fullmatch(rf"{re.escape(wanted)}(-\d+)?", name)]
        for wanted in names
    }
    for wanted, found in kept.items():
        if not found:
            raise OrreryError(
                f"studies/{study}.yaml: analyses.{place}.figures: '{wanted}' is none of its figures; write some of "
                f"{', '.join(known)}"
            )
    return [figure for figure in figures if any(figure.name in found for found in kept.values())]
