"""The stage ``claims``: the numbers of a study, and its claims judged by them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.provenance.manifest import store_of


def write(payload: Mapping[str, Any], out: Path) -> None:
    """Write ``numbers.json``, ``claims.json`` and their tables into ``out``."""
    from orrery.report.study_page import write_claims

    names = payload["settings"]["analyses"]
    stores = [store_of(Path(path)) for path in payload["inputs"]["comparisons"]]
    numbers = {
        name: json.loads((store / "numbers.json").read_text())
        for name, store in zip(names, stores, strict=True)
    }
    write_claims({**payload["settings"], "name": payload["study"]}, numbers, out)
