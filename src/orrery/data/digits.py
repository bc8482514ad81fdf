"""1,797 images of handwritten digits, 8 x 8 pixels, out of scikit-learn: for tests and small studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.data.api import Arrays, DatasetSettings, Size
from orrery.data.packaged import check_content

if TYPE_CHECKING:
    from orrery.numerics.streams import Streams

# Of the 1,797 x 64 pixel values and then the labels, one byte each.
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"

PROVENANCE = {
    "source": "sklearn.datasets.load_digits: the test part of Optical Recognition of Handwritten Digits "
    "(Alpaydin and Kaynak, 1998), UCI Machine Learning Repository",
    "sha256": {"pixels and labels as bytes": SHA256},
    "wrapper_licence": "BSD-3-Clause (scikit-learn)",
    "data_terms": "CC BY 4.0, as stated by the UCI Machine Learning Repository",
}


class Settings(DatasetSettings):
    """Settings of the dataset ``digits``."""

    name: Literal["digits"]
    test: int = Field(297, ge=10, le=1787, description="samples held out, in proportion from every digit")


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    return Size(train=settings.samples or 1797 - settings.test, test=settings.test, features=64, classes=10)


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return the images with pixels in [0, 1], divided by the stream ``split``.

    Raises:
        OrreryError: the installed scikit-learn holds other data.
    """
    import numpy as np
    from sklearn.datasets import load_digits

    from orrery.data.splits import hold_out

    found = load_digits()
    pixels = found.images.astype(np.uint8)
    labels = found.target.astype(np.int64)
    content = pixels.tobytes() + labels.astype(np.uint8).tobytes()
    check_content(content, SHA256, "sklearn.datasets.load_digits", settings.name)
    images = pixels / np.float32(16)
    return hold_out(
        images,
        labels,
        settings.test,
        settings,
        streams,
        class_names=tuple("0123456789"),
        provenance=PROVENANCE,
        obtained_from="installed package scikit-learn",
    )
