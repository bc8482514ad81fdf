"""The encoding problem: indices, as points of [-1, 1] or one-hot, with a random bit each that is to be kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.data.api import Arrays, DatasetSettings, Precision, Size, Standardise

if TYPE_CHECKING:
    from orrery.numerics.streams import Streams


class Settings(DatasetSettings):
    """Settings of the dataset ``encoding``."""

    name: Literal["encoding"]
    standardise: Standardise = Field("none", description="as in every dataset; here indices are scaled")
    dtype: Precision = Field("float64", description="as in every dataset; here the points stay as they are")
    split: int = Field(
        0, ge=0, description="integer of the stream 'split': another one is another set of bits"
    )
    count: int = Field(16, ge=2, description="number of indices")
    inputs: Literal["scaled", "one-hot"] = Field(
        "scaled", description="index i of M as the point 2 i/(M - 1) - 1, or as unit vector i of dimension M"
    )
    bits: int = Field(1, ge=1, description="bits of an index, each an output")


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    features = 1 if settings.inputs == "scaled" else settings.count
    train = settings.samples or settings.count
    return Size(train=train, test=settings.count, features=features, targets=settings.bits)


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return the indices and fair bits of the stream ``split`` as numbers 0 and 1, in float64.

    Nothing is held out, since a bit says nothing about another: the test samples are all the indices. Bits are drawn
    index by index, so that a larger ``count`` keeps those of the first indices.
    """
    import numpy as np

    inputs = (
        np.linspace(-1.0, 1.0, settings.count)[:, None]
        if settings.inputs == "scaled"
        else np.eye(settings.count)
    )
    generator = streams.generator("split", settings.split, "encoding", settings.bits)
    bits = np.where(generator.random((settings.count, settings.bits)) < 0.5, 1.0, 0.0)
    return Arrays(
        train_inputs=inputs,
        train_targets=bits,
        test_inputs=inputs,
        test_targets=bits,
        provenance={"source": f"computed: {settings.inputs} indices with random bits"},
        obtained_from="computed",
    )
