"""Separable objectives f(x) = sum_i g(x_i) of the descent maps, with their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float


@dataclass(frozen=True)
class Objective:
    """One summand g and its derivative, both element-wise."""

    value: Callable[[Float[torch.Tensor, "*shape"]], Float[torch.Tensor, "*shape"]]
    slope: Callable[[Float[torch.Tensor, "*shape"]], Float[torch.Tensor, "*shape"]]

    def total(self, x: Float[torch.Tensor, "run coordinate"]) -> Float[torch.Tensor, " run"]:
        """f(x), one value per run."""
        return self.value(x).sum(dim=-1)


def _secant_squared(x: torch.Tensor) -> torch.Tensor:
    return 1.0 / torch.cos(x) ** 2


OBJECTIVES: dict[str, Objective] = {
    "tangent": Objective(torch.tan, _secant_squared),
    "square": Objective(lambda x: x**2, lambda x: 2 * x),
    "quartic": Objective(lambda x: x**4, lambda x: 4 * x**3),
}
