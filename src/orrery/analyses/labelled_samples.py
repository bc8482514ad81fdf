"""Samples of the training or the test set with their classes, the same for all networks that are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int

from orrery.analyses.runs import evenly

if TYPE_CHECKING:
    import numpy as np

    from orrery.systems.system import Batch


@dataclass(frozen=True)
class LabelledSamples:
    """Some or all samples of one part of a dataset.

    Attributes:
        inputs: the same for all runs, in float64.
        labels: their classes, from 0.
        classes: outputs of the targets, how many classes there are in the dataset.
        available: samples of the part, of which these are some or all.
    """

    inputs: Float[torch.Tensor, "1 sample feature"]
    labels: Int[np.ndarray, " sample"]
    classes: int
    available: int

    @staticmethod
    def of(batch: Batch, labels: Int[torch.Tensor, " sample"], most: int | None) -> LabelledSamples:
        """At most so many samples of a batch of all, evenly spaced.

        Args:
            batch: with ``inputs`` and ``targets``, one group.
            labels: of all its samples.
            most: how many at most; all for ``None``.
        """
        inputs = batch["inputs"]
        count = inputs.shape[1]
        chosen = torch.from_numpy(evenly(count, count if most is None else most))
        return LabelledSamples(
            inputs[:, chosen].double(), labels[chosen].cpu().numpy(), batch["targets"].shape[2], count
        )
