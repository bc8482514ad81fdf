"""Fisher's iris: 150 flowers of three species, four lengths in centimetres, out of scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from orrery.data.api import Arrays, DatasetSettings, Size, Standardise
from orrery.data.packaged import check_content

if TYPE_CHECKING:
    from orrery.numerics.streams import Streams

# Of the 150 x 4 lengths in millimetres and then the labels, one byte each.
SHA256 = "5befe0734718d3fe7febc71e7833fbb4bfbfc15ec829d49f70a0af3a4bc67d38"

PROVENANCE = {
    "source": "sklearn.datasets.load_iris (Fisher 1936), with the values of R",
    "sha256": {"lengths in millimetres and labels as bytes": SHA256},
    "wrapper_licence": "BSD-3-Clause (scikit-learn)",
    "data_terms": "CC BY 4.0, as stated by the UCI Machine Learning Repository",
}


class Settings(DatasetSettings):
    """Settings of the dataset ``iris``."""

    name: Literal["iris"]
    standardise: Standardise = Field(
        "per-feature", description="as in every dataset; here each length by its own"
    )
    test: int = Field(30, ge=3, le=147, description="flowers held out, the same number of every species")
    train_class_counts: tuple[int, int, int] | None = Field(
        None,
        description="training flowers of setosa, versicolor and virginica, e.g. [39, 40, 41], where these shall not be "
        "equal; the others are held out, `test` in all",
    )

    @model_validator(mode="after")
    def _counts_without_a_subset(self) -> Settings:
        if self.train_class_counts is not None and self.samples is not None:
            raise ValueError("'samples' draws equal numbers; leave it out beside 'train_class_counts'")
        return self


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    return Size(train=settings.samples or 150 - settings.test, test=settings.test, features=4, classes=3)


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return the lengths in centimetres, divided by the stream ``split``.

    Raises:
        OrreryError: the installed scikit-learn holds other data.
    """
    import numpy as np
    from sklearn.datasets import load_iris

    from orrery.data.splits import hold_out

    found = load_iris()
    labels = found.target.astype(np.int64)
    content = np.rint(found.data * 10).astype(np.uint8).tobytes() + labels.astype(np.uint8).tobytes()
    check_content(content, SHA256, "sklearn.datasets.load_iris", settings.name)
    return hold_out(
        found.data,
        labels,
        settings.test,
        settings,
        streams,
        settings.train_class_counts,
        class_names=("setosa", "versicolor", "virginica"),
        provenance=PROVENANCE,
        obtained_from="installed package scikit-learn",
    )
