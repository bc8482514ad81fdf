"""Metrics of all runs, gathered in memory while a network trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped


class Series:
    """One metric: a value of every run at certain steps.

    Args:
        name: of the metric.
        runs: number of runs.
        steps: the steps at which it will be recorded, or ``None`` where they are not known yet.
    """

    def __init__(self, name: str, runs: int, steps: Sequence[int] | None) -> None:
        self.name = name
        self._runs = runs
        self._declared = None if steps is None else [int(step) for step in steps]
        self._row = {step: row for row, step in enumerate(self._declared or ())}
        self._seen = np.zeros(len(self._row), bool)
        self._values = np.full((len(self._row) or 256, runs), np.nan)
        self._tensor = torch.from_numpy(self._values)

    def put(self, step: int, values: Shaped[torch.Tensor, " run"] | Shaped[np.ndarray, " run"]) -> None:
        """Record the metric of all runs after ``step``.

        Raises:
            OrreryError: the step was not declared, or the values are not one per run.
        """
        row = self._row.get(step)
        if row is None:
            row = self._new_row(step)
        tensor = values.detach() if isinstance(values, torch.Tensor) else torch.as_tensor(values)
        if tensor.shape != (self._runs,):
            raise OrreryError(
                f"metric '{self.name}' has shape {tuple(tensor.shape)} at step {step}; give one value per "
                f"run, shape ({self._runs},)"
            )
        self._tensor[row].copy_(tensor)
        self._seen[row] = True

    def _new_row(self, step: int) -> int:
        if self._declared is not None:
            raise OrreryError(
                f"metric '{self.name}' was given at step {step}, which is not among its declared steps "
                f"({_range(self._declared)})"
            )
        row = len(self._row)
        self._row[step] = row
        if row >= len(self._values):
            self._values = np.concatenate([self._values, np.full_like(self._values, np.nan)])
            self._tensor = torch.from_numpy(self._values)
        if row >= len(self._seen):
            self._seen = np.concatenate([self._seen, np.zeros(max(256, len(self._seen)), bool)])
        return row

    @property
    def steps(self) -> list[int]:
        """The declared steps, or those seen so far."""
        return list(self._row)

    def missing(self) -> list[int]:
        """Declared steps without a value."""
        return [step for step, row in self._row.items() if not self._seen[row]]

    def at(self, steps: Int[np.ndarray, " step"]) -> Float[np.ndarray, "run step"]:
        """The values at ``steps``; NaN where the metric was not recorded."""
        found = np.full((self._runs, len(steps)), np.nan)
        for column, step in enumerate(steps.tolist()):
            row = self._row.get(step)
            if row is not None:
                found[:, column] = self._values[row]
        return found


def _range(steps: Sequence[int]) -> str:
    if not steps:
        return "none"
    return f"{len(steps)} steps from {steps[0]} to {steps[-1]}"
