"""The stage ``comparisons``: what several conditions say together, and the numbers to publish."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orrery.stages.sources import open_sources, settings_of


def compare(payload: Mapping[str, Any], out: Path) -> None:
    """Write the comparison, where the method has one, as ``result.zarr`` and its numbers as JSON."""
    from orrery.analyses.results import write_result

    module, settings = settings_of(payload)
    comparison = None
    with payload["computing"](here=True):
        sources = open_sources(payload)
        if hasattr(module, "compare"):
            comparison = module.compare(sources, settings)
            write_result(comparison, out)
        numbers = module.numbers(comparison, sources, settings) if hasattr(module, "numbers") else []
    rows = [_plain(asdict(number)) for number in numbers]
    (out / "numbers.json").write_text(json.dumps(rows, indent=1, sort_keys=True))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: a number that could not be decided is null."""
    value = float(row["value"])
    row["value"] = value if math.isfinite(value) else None
    if row["interval"] is not None:
        low, high = (float(bound) for bound in row["interval"])
        row["interval"] = [low, high] if math.isfinite(low) and math.isfinite(high) else None
    for name in ("n", "floor"):
        row[name] = None if row[name] is None else (int(row[name]) if name == "n" else float(row[name]))
    return row
