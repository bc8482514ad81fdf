"""The stage ``reports``: the page of one study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.provenance.manifest import store_of


def write(payload: Mapping[str, Any], out: Path) -> None:
    """Write ``report.html`` with all that it needs inside, and the figures and tables beside it."""
    from orrery.report.study_page import write_page

    settings = payload["settings"]
    stores = [store_of(Path(path)) for path in payload["inputs"]["figures"]]
    write_page(
        settings,
        store_of(Path(payload["inputs"]["claims"][0])),
        dict(zip(settings["figures"], stores, strict=True)),
        settings["provenance"],
        out,
    )
