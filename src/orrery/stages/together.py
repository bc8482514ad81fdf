"""The stage ``trajectories``: conditions that train together, and what each takes over of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.provenance.manifest import store_of
from orrery.trajectory.place import files_in

SECTIONS = ("system", "training", "streams", "copies", "record")
PROVENANCE = "provenance.json"


def train_members(payload: Mapping[str, Any], out: Path) -> None:
    """Train the conditions of the payload; trajectory and checkpoint of each go into a folder of ``out``."""
    from orrery.training.together import train_together

    settings = payload["settings"]
    conditions = {
        name: {key: given[key] for key in SECTIONS} for name, given in settings["conditions"].items()
    }
    before = [payload["bytes_of"](_store(manifest)) for manifest in payload["inputs"]["previous"]]
    progress = payload["make_progress"](payload["name"])
    device = next(iter(conditions.values()))["training"]["device"]
    # Before anything asks for CUDA, which reads once which devices it may see.
    with payload["gpu_slot"](device, tell=progress.message):
        train_together(
            conditions=conditions,
            datasets={name: _store(payload["inputs"][f"dataset of {name}"][0]) for name in conditions},
            seeds=settings["seeds"],
            copies=settings["copy_numbers"],
            first_run=settings["first_run"],
            first=settings["first"],
            last=settings["last"],
            previous={name: place / name for place in before for name in conditions},
            out=out,
            device=device,
            progress=progress,
        )


def take_over(payload: Mapping[str, Any], out: Path) -> None:
    """Give a condition its part of what was trained together: ``out`` looks as if it was trained alone.

    On a disk that knows links to files the bytes stay where they are and have a second name.
    """
    store = _store(payload["inputs"]["together"][0])
    part = payload["bytes_of"](store) / payload["settings"]["member"]
    for name in files_in(part):
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(part, Path):
            _link(part / name, target)
        else:
            target.write_bytes((part / name).read_bytes())
    shutil.copyfile(store / PROVENANCE, out / PROVENANCE)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _store(manifest: str) -> Path:
    return store_of(Path(manifest))
