"""What enters a page only when it is published, since the bytes of a store carry no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orrery.config.errors import OrreryError
from orrery.report.render import render

START, END = "<!-- costs start -->", "<!-- costs end -->"
PLACEHOLDER = f'{START}<p class="soft">Shown on the published page.</p>{END}'


def fill_costs(html: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """Put the table of costs into the page of a study.

    Args:
        html: a page as ``write_page`` wrote it, or one that was filled before.
        rows: as ``orrery.provenance.costs.read_costs`` gives them.

    Raises:
        OrreryError: the page has no place for the costs.
    """
    before, start, rest = html.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise OrreryError(
            "report.html has no place for the table of costs; remove it and run snakemake again"
        )
    return f"{before}{START}{render('costs.html', rows=list(rows))}{END}{after}"
