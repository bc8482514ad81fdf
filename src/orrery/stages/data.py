"""The stage ``data``: one dataset as a Zarr store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def make_dataset(payload: Mapping[str, Any], out: Path) -> None:
    """Write the dataset of the payload into ``out``."""
    from orrery.data.store import write_dataset

    cache = Path(os.environ.get("ORRERY_CACHE", "~/.cache/orrery")).expanduser()
    write_dataset(dict(payload["settings"]), out, cache)
