"""Batch normalisation: how far the running statistics of each layer are from those of the training samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from orrery.analyses.over_seeds import mean_number

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.api import Number
    from orrery.systems.forward import Forward
    from orrery.systems.system import State

GAPS = {"mean_gap": "mean", "deviation_gap": "standard deviation"}
"""Of which statistic each variable is."""


def gaps(
    forward: Forward, state: State, inputs: Float[torch.Tensor, "1 sample feature"]
) -> dict[str, Float[np.ndarray, "run layer"]]:
    """|running - batch| / batch deviation of each normalised layer, mean over its units.

    The batch is that of all samples given, and each layer takes the statistics of its own fields, as in training. A
    unit whose fields do not vary is left out.

    Args:
        forward: of a network with batch normalisation.
        state: of all runs, finite.
        inputs: training samples.

    Returns:
        ``mean_gap`` of the means, ``deviation_gap`` of the standard deviations; empty where nothing is normalised.
    """
    if forward.local_fields_batch is None:
        return {}
    columns: dict[str, list[torch.Tensor]] = {name: [] for name in GAPS}
    for number, fields in enumerate(forward.local_fields_batch(state, inputs), start=1):
        variance, mean = torch.var_mean(fields, dim=2, correction=0)
        deviation = variance.sqrt()
        varies = deviation > 0
        running = {
            "mean_gap": state[f"bn{number}.running_mean"] - mean,
            "deviation_gap": state[f"bn{number}.running_var"].sqrt() - deviation,
        }
        for name, distance in running.items():
            relative = torch.where(varies, distance.abs() / deviation, 0.0)
            columns[name].append(relative.sum(dim=1) / varies.sum(dim=1))
    return {name: torch.stack(values, dim=1).numpy() for name, values in columns.items()}


def statistics_numbers(name: str, kept: xr.Dataset, steps: Int[np.ndarray, " moment"]) -> Iterator[Number]:
    """Of ``mean_gap(seed, moment, layer)`` and ``deviation_gap``: by layer at the end, and the largest over training.

    Args:
        name: of the condition.
        kept: its runs that did not diverge.
        steps: of the moments.
    """
    for kind, statistic in GAPS.items():
        values = kept[kind].values
        of = f"running-{kind.replace('_', '-')}"
        words = f"|running - batch| {statistic} over the deviation of the batch, mean over units"
        for layer in range(values.shape[2]):
            yield mean_number(
                f"{of}[{name},layer={layer + 1}]",
                values[:, -1, layer],
                f"{words}, layer {layer + 1}, at step {steps[-1]}, mean over seeds",
            )
        after = steps > 0
        if after.any():
            yield mean_number(
                f"largest-{of}[{name}]",
                values[:, after].mean(axis=2).max(axis=1),
                f"{words} and layers: largest over the moments after step 0, mean over seeds",
            )
