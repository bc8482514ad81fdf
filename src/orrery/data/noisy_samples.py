"""A sine with Gaussian noise, or noise alone, at points of [-1, 1] that may lie denser on one half."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from orrery.data.api import Arrays, DatasetSettings, Precision, Size, Standardise

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float64

    from orrery.numerics.streams import Streams


class Settings(DatasetSettings):
    """Settings of the dataset ``noisy-samples``."""

    name: Literal["noisy-samples"]
    standardise: Standardise = Field(
        "none", description="as in every dataset; here x is as it is. Targets are never standardised"
    )
    dtype: Precision = Field("float64", description="as in every dataset; here the points stay as they are")
    split: int = Field(
        0, ge=0, description="integer of the stream 'split': the noise, and which points 'samples' draws"
    )
    function: Literal["sine", "none"] = Field(
        "sine", description="what lies under the noise: sin(pi x), or nothing"
    )
    noise: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="standard deviation of the noise; where absent 0.5 on a sine and 1 without a function",
    )
    count: int = Field(64, ge=4, description="training points, in rising order")
    density: Literal["uniform", "left"] = Field(
        "uniform",
        description="uniform: at equal distances, both ends included; left: three times as many on [-1, 0) as on "
        "[0, 1], at equal distances on each",
    )
    draws: int = Field(1, ge=1, description="draws of the noise, each an output with targets of its own")
    test: int = Field(201, ge=2, description="test points at equal distances; their targets have no noise")

    @model_validator(mode="after")
    def _quarters(self) -> Settings:
        if self.density == "left" and self.count % 4:
            raise ValueError(f"count: {self.count} has no quarter for density 'left'; write a multiple of 4")
        return self

    @property
    def noise_used(self) -> float:
        """Standard deviation of the noise."""
        return (0.5 if self.function == "sine" else 1.0) if self.noise is None else self.noise


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    train = settings.samples or settings.count
    return Size(train=train, test=settings.test, features=1, targets=settings.draws)


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return points and noisy targets, in float64; ``noise`` and ``function`` change nothing about the draws.

    Every draw of the noise is keyed by its number, so that more of them keep the first ones.
    """
    import numpy as np

    train, test = train_points(settings), np.linspace(-1.0, 1.0, settings.test)
    xi = [
        streams.generator("split", settings.split, "noisy-samples", number).standard_normal(settings.count)
        for number in range(settings.draws)
    ]
    under, known = (
        np.sin(np.pi * x) if settings.function == "sine" else np.zeros_like(x) for x in (train, test)
    )
    return Arrays(
        train_inputs=train[:, None],
        test_inputs=test[:, None],
        train_targets=under[:, None] + settings.noise_used * np.stack(xi, axis=1),
        test_targets=np.repeat(known[:, None], settings.draws, axis=1),
        provenance={
            "source": f"computed: {settings.function} with noise of deviation {settings.noise_used:g}"
        },
        obtained_from="computed",
    )


def train_points(settings: Settings) -> Float64[np.ndarray, " point"]:
    """The training points in rising order."""
    import numpy as np

    if settings.density == "uniform":
        return np.linspace(-1.0, 1.0, settings.count)
    right = settings.count // 4
    left = np.linspace(-1.0, 0.0, settings.count - right, endpoint=False)
    return np.concatenate([left, np.linspace(0.0, 1.0, right)])
