"""The full state of all runs at one step: what the next segment, a branch or a replay starts from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from orrery.config.errors import OrreryError
from orrery.trajectory.arrays import consolidate, put
from orrery.trajectory.check import missing_chunks
from orrery.trajectory.layout import PARTIAL
from orrery.trajectory.place import Place, open_array, place_at, reading

if TYPE_CHECKING:
    import torch
    from jaxtyping import Shaped

SCHEMA = "orrery-checkpoint"
SCHEMA_VERSION = 1


def write_checkpoint(
    path: str | Path, step: int, state: Mapping[str, Shaped[torch.Tensor, "run ..."]]
) -> None:
    """Write the state after ``step`` in full precision, checksummed.

    Raises:
        OrreryError: something lies at ``path`` already.
    """
    place = Path(path)
    if place.exists():
        raise OrreryError(f"{place} exists already; remove it or write the checkpoint somewhere else")
    partial = place.with_name(place.name + PARTIAL)
    names = list(state)
    attributes: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "step": int(step),
        "tensors": names,
    }
    group = zarr.open_group(partial, mode="w", zarr_format=3, attributes=attributes)
    for position, name in enumerate(names):
        values = state[name].detach().cpu().contiguous().numpy()
        dims = ("run", *(f"axis_{axis}" for axis in range(values.ndim - 1)))[: values.ndim]
        put(group, f"tensor_{position}", values, dims, {"long_name": name})
    consolidate(partial)
    partial.rename(place)


def read_checkpoint(path: str | Place) -> tuple[int, dict[str, Shaped[torch.Tensor, "run ..."]]]:
    """Read a checkpoint.

    Returns:
        The step, and the state on the CPU, in the order and precision written.

    Raises:
        OrreryError: there is no checkpoint, or it is not whole, or its bytes have changed.
    """
    import torch

    place = place_at(path)
    if not (place / "zarr.json").is_file():
        raise OrreryError(f"{place} is not a checkpoint; train the segment before this one again")
    problems = missing_chunks(place)
    if problems:
        raise OrreryError(f"{problems[0]}; train the segment of this checkpoint again")
    attributes: dict[str, Any] = json.loads((place / "zarr.json").read_text())["attributes"]
    if attributes.get("schema") != SCHEMA:
        raise OrreryError(
            f"{place} is a Zarr store but not a checkpoint: its attribute 'schema' is not '{SCHEMA}'"
        )
    state = {}
    for position, name in enumerate(attributes["tensors"]):
        try:
            with reading(place):
                values = np.asarray(open_array(place / f"tensor_{position}")[...])
        except (ValueError, RuntimeError, TypeError, OSError) as error:
            raise OrreryError(
                f"{place}: tensor '{name}' cannot be read, its bytes are not those that were written "
                f"({error}); train the segment of this checkpoint again"
            ) from error
        state[str(name)] = torch.from_numpy(np.array(values))
    return int(attributes["step"]), state
