"""Standard normal inputs of any dimension, labelled 0 and 1 by their first coordinate or at random."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.data.api import Arrays, DatasetSettings, Precision, Size, Standardise

if TYPE_CHECKING:
    from orrery.numerics.streams import Streams


class Settings(DatasetSettings):
    """Settings of the dataset ``gaussian-inputs``."""

    name: Literal["gaussian-inputs"]
    standardise: Standardise = Field(
        "none", description="as in every dataset; here the units are deviations already"
    )
    dtype: Precision = Field("float64", description="as in every dataset; here inputs stay as they are drawn")
    split: int = Field(0, ge=0, description="integer of the stream 'split': the inputs and random labels")
    dimension: int = Field(20, ge=1, description="number of features")
    samples: int = Field(200, ge=1, description="training samples; more keep the first ones")
    test: int = Field(2000, ge=1, description="test samples")
    labels: Literal["first-coordinate", "random"] = Field(
        "first-coordinate", description="1 where the first coordinate is positive, else 0; or fair draws"
    )


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    return Size(train=settings.samples, test=settings.test, features=settings.dimension, targets=1)


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return ``N(0, 1)`` draws and their labels as numbers, in float64; both ways of labelling have the same inputs."""
    import numpy as np

    def part(name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        def draw(what: str) -> np.random.Generator:
            return streams.generator(
                "split", settings.split, "gaussian-inputs", name, what, settings.dimension
            )

        inputs = draw("inputs").normal(size=(count, settings.dimension))
        if settings.labels == "first-coordinate":
            return inputs, np.where(inputs[:, 0] > 0, 1.0, 0.0)
        return inputs, np.where(draw("labels").random(count) < 0.5, 1.0, 0.0)

    train_inputs, train_targets = part("train", settings.samples)
    test_inputs, test_targets = part("test", settings.test)
    return Arrays(
        train_inputs=train_inputs,
        train_targets=train_targets,
        test_inputs=test_inputs,
        test_targets=test_targets,
        provenance={"source": f"synthetic: N(0, 1) inputs, labels 0 and 1 by {settings.labels}"},
        obtained_from="drawn",
    )
