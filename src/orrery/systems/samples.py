"""The samples of a dataset as tensors on the device of the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Split:
    """Training or test samples.

    Attributes:
        inputs: flat samples.
        targets: one-hot rows, or the targets of a regression.
        labels: the classes, or ``None`` for a regression.
    """

    inputs: Float[torch.Tensor, "sample feature"]
    targets: Float[torch.Tensor, "sample output"]
    labels: Int[torch.Tensor, " sample"] | None


@dataclass(frozen=True)
class Samples:
    """Both splits, with the number of features and of outputs."""

    train: Split
    test: Split
    features: int
    outputs: int

    def split(self, name: str) -> Split:
        return self.train if name == "train" else self.test


def samples_of(dataset: Any, dtype: torch.dtype, device: torch.device) -> Samples:
    """Move a dataset to the device; labels become one-hot targets, unless the dataset has targets of its own."""
    classes = len(dataset.class_names) if dataset.class_names else 0

    def split(part: str) -> Split:
        inputs = np.asarray(getattr(dataset, f"{part}_inputs"))
        own = getattr(dataset, f"{part}_targets", None)
        labels = None
        if own is not None:
            # torch.tensor copies into memory aligned for its kernels, so that results do not depend on numpy's.
            targets = torch.tensor(np.asarray(own).reshape(len(inputs), -1), dtype=dtype, device=device)
        else:
            labels = torch.tensor(
                np.asarray(getattr(dataset, f"{part}_labels"), dtype=np.int64), device=device
            )
            targets = torch.nn.functional.one_hot(labels, classes).to(dtype)
        flat = torch.tensor(inputs.reshape(len(inputs), -1), dtype=dtype, device=device)
        return Split(flat, targets, labels)

    train, test = split("train"), split("test")
    return Samples(train, test, train.inputs.shape[1], train.targets.shape[1])
