"""The stage ``trajectories``: one block of seeds and copies through one segment of steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.provenance.manifest import store_of


def train(payload: Mapping[str, Any], out: Path) -> None:
    """Train the block of the payload and write its trajectory and its checkpoint into ``out``."""
    from orrery.systems.system import Runs
    from orrery.training.block import train_block
    from orrery.training.start import Leaves

    settings = payload["settings"]
    previous = _store(payload, "previous")
    keys = ("system", "training", "streams", "copies", "record", "branch")
    condition = {key: settings[key] for key in keys if key in settings}
    leaves = None
    if "leaves" in settings:
        left = settings["leaves"]
        manifests = payload["inputs"].get("leaves", [])
        leaves = Leaves(
            [Runs.product(runs["seeds"], runs["copies"]) for runs in left["runs"]],
            left["from"],
            [payload["bytes_of"](store_of(Path(manifest))) for manifest in manifests],
            left.get("condition"),
            _store(payload, "dataset of what it leaves"),
        )
    progress = payload["make_progress"](payload["name"])
    device = settings["training"]["device"]
    # Before anything asks for CUDA, which reads once which devices it may see.
    with payload["gpu_slot"](device, tell=progress.message):
        train_block(
            condition=condition,
            dataset=_store(payload, "dataset"),
            seeds=settings["seeds"],
            copies=settings["copy_numbers"],
            first_run=settings["first_run"],
            first=settings["first"],
            last=settings["last"],
            previous=payload["bytes_of"](previous) if previous else None,
            out=out,
            device=device,
            progress=progress,
            leaves=leaves,
        )


def _store(payload: Mapping[str, Any], label: str) -> Path | None:
    manifests = payload["inputs"].get(label, [])
    return store_of(Path(manifests[0])) if manifests else None
