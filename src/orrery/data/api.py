"""What a dataset is made of: its settings, the arrays that it loads, and what training reads.

The samples of a dataset are of classes, by ``labels``, or have numbers to be fitted, ``targets``; never both.

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
    from jaxtyping import Float, Float64, Int64, Integer, Num

Standardise = Literal["none", "global", "per-feature"]
Precision = Literal["float32", "float64"]


class DatasetSettings(Closed):
    """What every dataset has; a dataset adds its own keys in a subclass named ``Settings``."""

    name: str = Field(description="built-in dataset, or the import path package.module of one's own")
    standardise: Standardise = Field(
        "global",
        description="inputs as loaded; minus one mean, over one deviation; or each feature by its own",
    )
    samples: int | None = Field(
        None,
        ge=1,
        description="training samples, drawn in equal numbers from every class, or at random where there are none; "
        "all where absent",
    )
    split: int = Field(
        0, ge=0, description="integer of the stream 'split': which samples are drawn and held out"
    )
    dtype: Precision = Field(
        "float32",
        description="precision in which the inputs are standardised and kept; what trains in float64 reads inputs "
        "rounded to float32 unless this says float64",
    )


@dataclass(frozen=True)
class Size:
    """How large a dataset is: samples of both parts, features of a sample, classes or else targets of a sample.

    A dataset module may have ``size(settings) -> Size``, so that ``snakemake estimate`` knows it before it is made.
    """

    train: int
    test: int
    features: int
    classes: int = 0
    targets: int = 0

    @property
    def outputs(self) -> int:
        """What a network has as outputs: one for each class, or one for each target."""
        return self.classes or self.targets


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """What ``load`` returns: the data before subset and standardisation, in natural units.

    Attributes:
        train_inputs: ``(sample, ...)``; images may keep their shape, features are flattened on writing.
        test_inputs: ``(sample, ...)`` of the same shape as a training sample.
        train_labels: ``(sample,)`` whole numbers from 0 to ``len(class_names) - 1``, where there are classes.
        test_labels: ``(sample,)``.
        class_names: one name per class; none for a regression.
        train_targets: ``(sample,)`` or ``(sample, output)`` numbers, for a regression; they are never standardised.
        test_targets: likewise, of the test samples.
        constants: (mean, deviation) that ``standardise: global`` uses where the literature fixes them, in the
            units of the inputs; measured on the training samples where ``None``.
        provenance: where the data are from, their sha256, their licence: plain JSON, and a function of the
            data alone, so that equal data have equal bytes.
        obtained_from: the way they came this time (cached file, mirror); kept beside the data, not in them.
    """

    train_inputs: Num[np.ndarray, "train_sample ..."]
    test_inputs: Num[np.ndarray, "test_sample ..."]
    train_labels: Integer[np.ndarray, " train_sample"] | None = None
    test_labels: Integer[np.ndarray, " test_sample"] | None = None
    class_names: tuple[str, ...] = ()
    train_targets: Num[np.ndarray, "train_sample ..."] | None = None
    test_targets: Num[np.ndarray, "test_sample ..."] | None = None
    constants: tuple[float, float] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    obtained_from: str = ""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What training reads: a subset of a dataset, standardised, in memory.

    Attributes:
        train_inputs: ``(train_sample, feature)``, dimensionless where standardised; float32, or float64 where the
            settings say so.
        test_inputs: ``(test_sample, feature)``.
        train_labels: ``(train_sample,)``, from 0; ``None`` for a regression.
        test_labels: ``(test_sample,)``.
        class_names: one name per class; none for a regression.
        train_targets: ``(train_sample, output)``, what a regression fits; ``None`` where there are classes.
        test_targets: ``(test_sample, output)``.
        attributes: the attributes of the store, with the shape of one sample under ``shape``.
    """

    train_inputs: Float[np.ndarray, "train_sample feature"]
    test_inputs: Float[np.ndarray, "test_sample feature"]
    train_labels: Int64[np.ndarray, " train_sample"] | None = None
    test_labels: Int64[np.ndarray, " test_sample"] | None = None
    class_names: tuple[str, ...] = ()
    train_targets: Float64[np.ndarray, "train_sample output"] | None = None
    test_targets: Float64[np.ndarray, "test_sample output"] | None = None
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
        """Number of classes; 0 for a regression."""
        return len(self.class_names)

    @property
    def outputs(self) -> int:
        """What a network has as outputs: one for each class, or one for each target."""
        return self.classes if self.train_targets is None else int(self.train_targets.shape[1])
