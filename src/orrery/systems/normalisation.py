"""Batch normalisation of the fields of one layer, all runs at once, with the backward pass written out.

Ioffe and Szegedy, Batch normalization, ICML 2015; conventions of ``torch.nn.BatchNorm1d``. Every operation is one of
PyTorch's, so that it can be differentiated, twice or in forward mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from orrery.systems.system import Component

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.system import State

    Fields = Float[torch.Tensor, "run unit sample"]
    Units = Float[torch.Tensor, "run unit"]


@dataclass(frozen=True)
class Normalised:
    """Fields normalised by the statistics of their own batch, with what the way back needs.

    Attributes:
        output: gamma x unit + beta.
        unit: the fields with mean 0 and variance 1 over the samples of each run.
        gain: gamma / sqrt(variance + epsilon), with a last dimension of length 1.
        statistics: the running statistics after the step, by name.
    """

    output: Fields
    unit: Fields
    gain: Float[torch.Tensor, "run unit 1"]
    statistics: State

    def backward(self, slope: Fields) -> tuple[Fields, Units, Units]:
        """The gradients of the fields, gamma and beta from the gradient of ``output``."""
        beta = slope.sum(dim=-1)
        gamma = (slope * self.unit).sum(dim=-1)
        samples = slope.shape[-1]
        common = torch.addcmul(beta[:, :, None], self.unit, gamma[:, :, None]) / samples
        return self.gain * (slope - common), gamma, beta


@dataclass(frozen=True)
class Normalisation:
    """Batch normalisation of a network.

    Attributes:
        momentum: alpha of the running statistics, m <- (1 - alpha) m + alpha m_batch.
        epsilon: added to variances.
    """

    momentum: float
    epsilon: float

    @staticmethod
    def weights(number: int, units: int) -> tuple[Component, ...]:
        """Gamma and beta of a layer."""
        return (
            Component(f"bn{number}.weight", (units,), "weight", ("unit",)),
            Component(f"bn{number}.bias", (units,), "bias", ("unit",)),
        )

    @staticmethod
    def statistics(number: int, units: int) -> tuple[Component, ...]:
        """Running mean and variance of a layer."""
        return tuple(
            Component(f"bn{number}.{name}", (units,), "statistic", ("unit",))
            for name in ("running_mean", "running_var")
        )

    @staticmethod
    def start(number: int) -> dict[str, float]:
        """Where the tensors of a layer start."""
        ones, zeros = ("weight", "running_var"), ("bias", "running_mean")
        return {f"bn{number}.{name}": float(name in ones) for name in (*ones, *zeros)}

    def of_batch(self, state: State, number: int, fields: Fields) -> Normalised:
        """The fields of a layer by the mean and variance of each run over their own samples.

        The variance that normalises is divided by the number of samples n, the one that runs along by n - 1.
        """
        name, samples = f"bn{number}", fields.shape[-1]
        # In two passes: PyTorch's var_mean takes several times as long on rows of hundreds of samples.
        mean = fields.mean(dim=-1, keepdim=True)
        centred = fields - mean
        variance = (centred * centred).mean(dim=-1, keepdim=True)
        inverse = torch.rsqrt(variance + self.epsilon)
        unit = centred * inverse
        gamma = state[f"{name}.weight"][:, :, None]
        # One sample has no variance; its loss can be asked for, though training refuses such batches.
        unbiased = variance[:, :, 0] * (samples / max(samples - 1, 1))
        return Normalised(
            torch.addcmul(state[f"{name}.bias"][:, :, None], unit, gamma),
            unit,
            gamma * inverse,
            {
                f"{name}.running_mean": torch.lerp(
                    state[f"{name}.running_mean"], mean[:, :, 0], self.momentum
                ),
                f"{name}.running_var": torch.lerp(state[f"{name}.running_var"], unbiased, self.momentum),
            },
        )

    def running(self, state: State, number: int, fields: Fields) -> Fields:
        """The fields of a layer by the running mean and variance of each run."""
        name = f"bn{number}"
        gain = state[f"{name}.weight"] * torch.rsqrt(state[f"{name}.running_var"] + self.epsilon)
        shift = state[f"{name}.bias"] - state[f"{name}.running_mean"] * gain
        return torch.addcmul(shift[:, :, None], fields, gain[:, :, None])
