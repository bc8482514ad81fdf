"""What a writer is told beforehand, checked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orrery.config.errors import OrreryError
from orrery.trajectory.layout import RESERVED

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*\Z")

Steps = Sequence[int]


def check_names(names: Sequence[str]) -> None:
    """Refuse names of metrics and observables that a store cannot hold.

    Raises:
        OrreryError: a name is taken by the store, cannot be a file name, or comes twice.
    """
    for name in names:
        if name in RESERVED or not _NAME.match(name):
            raise OrreryError(
                f"'{name}' cannot name a metric or observable; use letters, digits and underscores, "
                f"and none of {', '.join(sorted(RESERVED))}"
            )
        if names.count(name) > 1:
            raise OrreryError(f"'{name}' names two metrics or observables; give each its own name")


def split_metrics(
    metrics: Mapping[str, Steps], evaluations: Mapping[str, Steps]
) -> tuple[dict[str, Steps], dict[str, Steps]]:
    """Tell metrics of every step from those measured now and then; two step coordinates at most."""
    longest = max((len(steps) for steps in metrics.values()), default=0)
    rare = {name: steps for name, steps in metrics.items() if len(steps) < longest}
    daily = {name: steps for name, steps in metrics.items() if name not in rare}
    return daily, {**rare, **evaluations}


def floating(dtype: Any) -> np.dtype[Any]:
    """The stored type of a NumPy or torch type.

    Raises:
        OrreryError: it is neither float32 nor float64.
    """
    kind = np.dtype(str(dtype).removeprefix("torch."))
    if kind not in (np.dtype("float32"), np.dtype("float64")):
        raise OrreryError(f"a trajectory holds float32 or float64, not {kind}")
    return kind


def increasing(steps: Steps, path: Path) -> list[int]:
    """The steps as a list.

    Raises:
        OrreryError: there are none, or they do not increase.
    """
    numbers = [int(step) for step in steps]
    if not numbers:
        raise OrreryError(f"{path}: no step was declared; a trajectory holds at least one")
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise OrreryError(f"{path}: the declared steps do not increase; give each step once, in order")
    return numbers
