"""The stage ``data``: one dataset as a Zarr store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def make_dataset(payload: Mapping[str, Any], out: Path) -> None:
    """Write the dataset of the payload into ``out``."""
    from orrery.data.store import write_dataset

    write_dataset(dict(payload["settings"]), out, Path(payload["execution"]["cache"]))
