"""What a dataset is made of: its settings, the arrays that it loads, and what training reads.

A dataset is a module with a closed ``Settings`` (a subclass of :class:`DatasetSettings`) and
``load(settings, cache, streams) -> Arrays``. Everything else (the subset, the standardisation, the store) is
done once for all datasets by ``orrery.data.store``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from orrery.config.closed import Closed

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float32, Int64, Integer, Num

Standardise = Literal["none", "global", "per-feature"]


class DatasetSettings(Closed):
    """What every dataset has; a dataset adds its own keys in a subclass named ``Settings``."""

    name: str = Field(description="built-in dataset, or the import path package.module of one's own")
    standardise: Standardise = Field(
        "global",
        description="inputs as loaded; minus one mean, over one deviation; or each feature by its own",
    )
    samples: int | None = Field(
        None, ge=1, description="training samples, drawn in equal numbers from every class; all where absent"
    )
    split: int = Field(
        0, ge=0, description="integer of the stream 'split': which samples are drawn and held out"
    )


@dataclass(frozen=True)
class Size:
    """How large a dataset is: samples of both parts, features of a sample, classes.

    A dataset module may have ``size(settings) -> Size``, so that ``snakemake estimate`` knows it before it is made.
    """

    train: int
    test: int
    features: int
    classes: int


@dataclass(frozen=True)
class Arrays:
    """What ``load`` returns: the data before subset and standardisation, in natural units.

    Attributes:
        train_inputs: ``(sample, ...)``; images may keep their shape, features are flattened on writing.
        train_labels: ``(sample,)`` whole numbers from 0 to ``len(class_names) - 1``.
        test_inputs: ``(sample, ...)`` of the same shape as a training sample.
        test_labels: ``(sample,)``.
        class_names: one name per class.
        constants: (mean, deviation) that ``standardise: global`` uses where the literature fixes them, in the
            units of the inputs; measured on the training samples where ``None``.
        provenance: where the data are from, their sha256, their licence: plain JSON, and a function of the
            data alone, so that equal data have equal bytes.
        obtained_from: the way they came this time (cached file, mirror); kept beside the data, not in them.
    """

    train_inputs: Num[np.ndarray, "train_sample ..."]
    train_labels: Integer[np.ndarray, " train_sample"]
    test_inputs: Num[np.ndarray, "test_sample ..."]
    test_labels: Integer[np.ndarray, " test_sample"]
    class_names: tuple[str, ...]
    constants: tuple[float, float] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    obtained_from: str = ""


@dataclass(frozen=True)
class Dataset:
    """What training reads: a subset of a dataset, standardised, in memory.

    Attributes:
        train_inputs: ``(train_sample, feature)``, dimensionless where standardised.
        train_labels: ``(train_sample,)``, from 0.
        test_inputs: ``(test_sample, feature)``.
        test_labels: ``(test_sample,)``.
        class_names: one name per class.
        attributes: the attributes of the store, with the shape of one sample under ``shape``.
    """

    train_inputs: Float32[np.ndarray, "train_sample feature"]
    train_labels: Int64[np.ndarray, " train_sample"]
    test_inputs: Float32[np.ndarray, "test_sample feature"]
    test_labels: Int64[np.ndarray, " test_sample"]
    class_names: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample before it was flattened, e.g. ``(28, 28)``."""
        return tuple(self.attributes.get("shape", self.train_inputs.shape[1:]))

    @property
    def features(self) -> int:
        """Number of features of a sample."""
        return int(self.train_inputs.shape[1])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)
