"""From the plain JSON of a condition to its system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from orrery.config import extensions
from orrery.config.errors import OrreryError
from orrery.data.api import Dataset
from orrery.data.store import open_dataset
from orrery.numerics.streams import Streams
from orrery.systems.system import System

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def build_system(
    condition: Mapping[str, Any],
    dataset: Path | Dataset | None,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> System:
    """The system of a condition.

    Args:
        condition: ``system``, ``training`` and ``streams`` as plain JSON, already validated.
        dataset: its dataset or the store of it, or ``None`` for maps.
        device: of the state.
        dtype: of the state, where it shall not be that of the training (tangents in float64).

    Raises:
        OrreryError: where the settings, the system and the data do not fit together.
    """
    module = extensions.load("systems", condition["system"]["kind"])
    name = condition.get("training", {}).get("dtype", "float32")
    if dtype is None and name not in DTYPES:
        raise OrreryError(f"training.dtype: there is no '{name}' here; write float32 or float64")
    settings = dict(condition["system"])
    if "kind" not in module.Settings.model_fields:
        # What chooses the module need not be a setting of it.
        del settings["kind"]
    system = module.build(
        module.Settings.model_validate(settings),
        dataset=open_dataset(dataset) if isinstance(dataset, Path) else dataset,
        dtype=dtype or DTYPES[name],
        device=device,
        streams=Streams(condition.get("streams")),
    )
    if not isinstance(system, System):
        raise OrreryError(f"system.kind: build() of '{condition['system']['kind']}' must return a System")
    return system
