"""Affine maps of many networks at once: what is left of the layers above when their activations are identities.

The linear substitution map (L-map) of hidden layer l is M = W^(L) ... W^(l+1), batch normalisation entering as
D = diag(gamma / sqrt(running variance + eps)) behind its layer (Lin, Zhang, Feng, Zhao, arXiv 2501.02436, as described
second-hand); here biases are carried along too, so that accuracies follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from jaxtyping import Float


@dataclass(frozen=True)
class Affine:
    """x -> weight x + offset, one for each run.

    Attributes:
        weight: linear part.
        offset: constant part.
    """

    weight: Float[torch.Tensor, "run output input"]
    offset: Float[torch.Tensor, "run output"]

    def __call__(
        self, below: Float[torch.Tensor, "run input sample"]
    ) -> Float[torch.Tensor, "run output sample"]:
        """Apply it to samples."""
        return torch.baddbmm(self.offset[:, :, None], self.weight, below)

    def after(self, other: Affine) -> Affine:
        """This map applied to what another one gives."""
        moved = torch.bmm(self.weight, other.offset[:, :, None])[:, :, 0]
        return Affine(torch.bmm(self.weight, other.weight), moved + self.offset)

    def plus_identity(self) -> Affine:
        """x -> x + this map of x, for a residual connection; input and output have the same width."""
        width = self.weight.shape[-1]
        return Affine(self.weight + torch.eye(width, dtype=self.weight.dtype), self.offset)


@dataclass(frozen=True)
class Normalisation:
    """Batch normalisation in evaluation mode: one factor and one offset per unit.

    Attributes:
        factor: the diagonal of D, gamma / sqrt(variance + eps); negative where gamma is.
        offset: beta - factor * mean.
    """

    factor: Float[torch.Tensor, "run unit"]
    offset: Float[torch.Tensor, "run unit"]

    @staticmethod
    def of(
        weight: Float[torch.Tensor, "run unit"],
        bias: Float[torch.Tensor, "run unit"],
        mean: Float[torch.Tensor, "run unit"],
        variance: Float[torch.Tensor, "run unit"],
        eps: float = 1e-5,
    ) -> Normalisation:
        """From gamma, beta and the running statistics."""
        factor = weight / torch.sqrt(variance + eps)
        return Normalisation(factor, bias - factor * mean)

    def __call__(
        self, fields: Float[torch.Tensor, "run unit sample"]
    ) -> Float[torch.Tensor, "run unit sample"]:
        """Apply it to samples."""
        return self.factor[:, :, None] * fields + self.offset[:, :, None]

    def behind(self, layer: Affine) -> Affine:
        """The layer with the normalisation of its units: a layer again."""
        return Affine(self.factor[:, :, None] * layer.weight, self.factor * layer.offset + self.offset)

    def before(self, above: Affine) -> Affine:
        """The map of the layers above, read off the fields before they are normalised: D belongs to it."""
        moved = torch.bmm(above.weight, self.offset[:, :, None])[:, :, 0]
        return Affine(above.weight * self.factor[:, None, :], moved + above.offset)


def maps_above(layers: Sequence[Affine]) -> list[Affine]:
    """The affine map above each hidden layer, first layer first, all activations above it being identities.

    Args:
        layers: above the first hidden layer, that of the outputs last; batch normalisation is part of a layer
            (``Normalisation.behind``).

    Returns:
        One map per hidden layer, from its outputs to the last layer of the network; that of the last hidden layer is
        the last layer itself.
    """
    found = accumulate(reversed(layers), lambda above, layer: above.after(layer))
    return list(found)[::-1]
