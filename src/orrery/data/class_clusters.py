"""Classes of several Gaussian clusters each, drawn from NumPy generators of given seeds, to the last bit.

Unlike in ``gaussian-clusters``, clusters of a class lie around a centre of the class, classes overlap, and no stream
of this library is used: anyone with NumPy's ``default_rng`` has the same numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.data.api import Arrays, DatasetSettings, Precision, Size, Standardise

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float64

    from orrery.numerics.streams import Streams


class Settings(DatasetSettings):
    """Settings of the dataset ``class-clusters``."""

    name: Literal["class-clusters"]
    standardise: Standardise = Field("none", description="as in every dataset; here inputs are as drawn")
    dtype: Precision = Field("float64", description="as in every dataset; here inputs stay as they are drawn")
    split: Literal[0] = Field(0, description="without use here: the four seeds say what is drawn")
    classes: int = Field(10, ge=2, description="number of classes")
    clusters: int = Field(4, ge=1, description="clusters of a class")
    dimension: int = Field(48, ge=1, description="number of features")
    samples: int = Field(300, ge=1, description="training samples; another number is another draw")
    test: int = Field(3000, ge=1, description="test samples")
    cluster_spread: float = Field(
        0.75, ge=0, allow_inf_nan=False, description="deviation of a cluster's centre"
    )
    class_spread: float = Field(
        0.35,
        ge=0,
        allow_inf_nan=False,
        description="deviation of a class's centre, which all its clusters share",
    )
    noise: float = Field(0.9, ge=0, allow_inf_nan=False, description="deviation of a sample in its cluster")
    cluster_seed: int = Field(1, ge=0, description="of NumPy's default generator: centres of clusters")
    class_seed: int = Field(2, ge=0, description="likewise: centres of classes")
    train_seed: int = Field(11, ge=0, description="likewise: training samples")
    test_seed: int = Field(5, ge=0, description="likewise: test samples")


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    return Size(
        train=settings.samples, test=settings.test, features=settings.dimension, classes=settings.classes
    )


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return samples ``centre(cluster) + noise``; of each part labels, cluster numbers and noise, in this order."""
    import numpy as np

    middle = centres(settings)

    def part(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, settings.classes, count)
        clusters = generator.integers(0, settings.clusters, count)
        noise = generator.standard_normal((count, settings.dimension))
        return middle[labels, clusters] + settings.noise * noise, labels

    train_inputs, train_labels = part(settings.train_seed, settings.samples)
    test_inputs, test_labels = part(settings.test_seed, settings.test)
    return Arrays(
        train_inputs=train_inputs,
        train_labels=train_labels,
        test_inputs=test_inputs,
        test_labels=test_labels,
        class_names=tuple(f"class {label}" for label in range(settings.classes)),
        provenance={
            "source": "synthetic: clusters of classes, from NumPy's default generators of four seeds"
        },
        obtained_from="drawn",
    )


def centres(settings: Settings) -> Float64[np.ndarray, "class cluster feature"]:
    """Centre of every cluster: a draw of its own and one that it shares with the clusters of its class."""
    import numpy as np

    own = np.random.default_rng(settings.cluster_seed).standard_normal(
        (settings.classes, settings.clusters, settings.dimension)
    )
    shared = np.random.default_rng(settings.class_seed).standard_normal(
        (settings.classes, 1, settings.dimension)
    )
    return np.asarray(settings.cluster_spread * own + settings.class_spread * shared)
