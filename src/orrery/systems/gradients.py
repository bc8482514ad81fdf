"""Gradients that an optimizer adds to something, without forming them where that can be saved.

The gradient of a linear layer is a product of two small factors. Adding it to the weights inside the matrix product
saves writing and reading an array of the size of the weights at every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float

    # One for all runs, or one per run: (run,), or (run, 1, ...) as over_runs shapes it.
    Number = float | Float[torch.Tensor, "run ..."]


def over_runs(number: Number, like: Float[torch.Tensor, "run ..."]) -> Number:
    """Shape one number per run so that it broadcasts over ``like``; plain numbers pass."""
    if isinstance(number, torch.Tensor) and number.ndim == 1:
        return number.reshape(-1, *(1,) * (like.ndim - 1))
    return number


@dataclass(frozen=True)
class Dense:
    """A gradient as it is."""

    tensor: Float[torch.Tensor, " run *shape"]

    def dense(self) -> Float[torch.Tensor, " run *shape"]:
        """The gradient itself."""
        return self.tensor

    def added_to(
        self, base: Float[torch.Tensor, " run *shape"], scale: Number, factor: Number
    ) -> Float[torch.Tensor, " run *shape"]:
        """scale x base + factor x gradient."""
        if isinstance(factor, torch.Tensor) or isinstance(scale, torch.Tensor):
            return base * over_runs(scale, base) + self.tensor * over_runs(factor, base)
        return torch.add(base if scale == 1 else base * scale, self.tensor, alpha=factor)


@dataclass(frozen=True)
class Product:
    """left @ right, reshaped to ``shape``, which is (run, *shape of one run)."""

    left: Float[torch.Tensor, "group row sample"]
    right: Float[torch.Tensor, "group sample column"]
    shape: tuple[int, ...]

    def dense(self) -> Float[torch.Tensor, " run *shape"]:
        """The product, formed."""
        return torch.bmm(self.left, self.right).reshape(self.shape)

    def added_to(
        self, base: Float[torch.Tensor, " run *shape"], scale: Number, factor: Number
    ) -> Float[torch.Tensor, " run *shape"]:
        """scale x base + factor x gradient."""
        if isinstance(factor, torch.Tensor) or isinstance(scale, torch.Tensor):
            return Dense(self.dense()).added_to(base, scale, factor)
        grouped = base.reshape(self.left.shape[0], self.left.shape[1], self.right.shape[2])
        return torch.baddbmm(grouped, self.left, self.right, beta=scale, alpha=factor).reshape(self.shape)


Gradient = Dense | Product
