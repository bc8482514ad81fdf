"""Which class a classifier answers: the first of its largest outputs."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int

FEW = 64
"""Classes up to which one comparison for each is faster than PyTorch's ``argmax`` over a dimension in the middle."""


def answered(last: Float[torch.Tensor, "run class sample"]) -> Int[torch.Tensor, "run sample"]:
    """The class with the largest output, the first one of several; without meaning where an output is NaN.

    Args:
        last: last layer.
    """
    classes = last.shape[1]
    if classes > FEW:
        return last.argmax(dim=1)
    best = last[:, 0]
    found = torch.zeros(best.shape, dtype=torch.int64, device=last.device)
    for number in range(1, classes):
        other = last[:, number]
        found.masked_fill_(other > best, number)
        best = torch.maximum(best, other)
    return found
