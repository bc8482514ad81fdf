"""Gaussian clusters of unit variance around random centres: synthetic, of any size and difficulty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.data.api import Arrays, DatasetSettings, Size, Standardise

if TYPE_CHECKING:
    from orrery.numerics.streams import Streams


class Settings(DatasetSettings):
    """Settings of the dataset ``gaussian-clusters``."""

    name: Literal["gaussian-clusters"]
    standardise: Standardise = Field(
        "none", description="as in every dataset; here the units are deviations already"
    )
    classes: int = Field(3, ge=2, description="number of clusters")
    dimension: int = Field(2, ge=1, description="number of features")
    samples: int = Field(300, ge=1, description="training samples, in equal numbers from every cluster")
    test: int = Field(150, ge=1, description="test samples, in equal numbers from every cluster")
    separation: float = Field(
        4.0,
        ge=0,
        allow_inf_nan=False,
        description="distance of the two nearest centres, in deviations of a cluster",
    )


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    return Size(
        train=settings.samples, test=settings.test, features=settings.dimension, classes=settings.classes
    )


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return points ``centre(class) + N(0, 1)``, drawn from the stream ``split``.

    The centres are N(0, 1) draws, scaled so that the two nearest lie ``separation`` apart. Classes follow one
    another in turn, so every stretch of the data is balanced. Centres and points are drawn apart: a larger
    number of samples keeps the centres and the earlier points.
    """
    import numpy as np

    def draw(*key: str | int) -> np.random.Generator:
        return streams.generator("split", settings.split, "gaussian-clusters", *key)

    centres = draw("centres", settings.classes, settings.dimension).normal(
        size=(settings.classes, settings.dimension)
    )
    first, second = np.triu_indices(settings.classes, 1)
    nearest = np.linalg.norm(centres[first] - centres[second], axis=1).min()
    centres *= settings.separation / nearest

    def points(part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count, dtype=np.int64) % settings.classes
        noise = draw(part, settings.dimension).normal(size=(count, settings.dimension))
        return centres[labels] + noise, labels

    train_inputs, train_labels = points("train", settings.samples)
    test_inputs, test_labels = points("test", settings.test)
    return Arrays(
        train_inputs=train_inputs,
        train_labels=train_labels,
        test_inputs=test_inputs,
        test_labels=test_labels,
        class_names=tuple(f"cluster {label}" for label in range(settings.classes)),
        provenance={"source": "synthetic: centre(class) + N(0, 1)", "centres": centres.tolist()},
        obtained_from="drawn",
    )
