"""Points of an interval with labels 0 and 1 as numbers to be fitted: a step or random labels; of one sample too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from orrery.data.api import Arrays, DatasetSettings, Precision, Size, Standardise

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float64

    from orrery.numerics.streams import Streams


class Settings(DatasetSettings):
    """Settings of the dataset ``labelled-points``."""

    name: Literal["labelled-points"]
    standardise: Standardise = Field("none", description="as in every dataset; here x is as it is")
    dtype: Precision = Field("float64", description="as in every dataset; here the points stay as they are")
    split: int = Field(
        0, ge=0, description="integer of the stream 'split': random labels, and which points 'samples' draws"
    )
    count: int | None = Field(
        None,
        ge=1,
        description="training points at equal distances, both ends included, or the middle where it is one; "
        "20 where absent",
    )
    points: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] | None = Field(
        None,
        min_length=1,
        description="the training points themselves, instead of 'count', e.g. [0.3] for one sample",
    )
    interval: tuple[float, float] = Field((-1.0, 1.0), description="where the points lie: [lower, upper]")
    labels: Literal["step", "random"] = Field(
        "step", description="1 above 'threshold' and 0 elsewhere, or fair draws from the stream 'split'"
    )
    threshold: float = Field(
        0.0, allow_inf_nan=False, description="where the step is; random labels have none"
    )
    test: int = Field(
        200,
        ge=2,
        description="test points at equal distances; they have the label of the step, or that of the nearest training "
        "point where labels are random",
    )

    @model_validator(mode="after")
    def _sensible(self) -> Settings:
        lower, upper = self.interval
        if not lower < upper:
            raise ValueError(f"interval: {list(self.interval)} is empty; write the lower end first")
        if self.points is not None and self.count is not None:
            raise ValueError("'points' lists the points already; leave 'count' out")
        return self

    @property
    def count_used(self) -> int:
        """Number of training points."""
        return len(self.points) if self.points is not None else self.count or 20


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    return Size(train=settings.samples or settings.count_used, test=settings.test, features=1, targets=1)


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return the points and their labels as numbers, in float64.

    Random labels are drawn point by point: a longer row of labels of one ``split`` begins with the shorter one.
    """
    import numpy as np

    train, test = _train_points(settings), np.linspace(*settings.interval, settings.test)
    if settings.labels == "step":
        labels, answers = (np.where(x > settings.threshold, 1.0, 0.0) for x in (train, test))
    else:
        generator = streams.generator("split", settings.split, "labelled-points")
        labels = np.where(generator.random(len(train)) < 0.5, 1.0, 0.0)
        answers = labels[np.abs(test[:, None] - train).argmin(axis=1)]
    described = f"1 above {settings.threshold:g}" if settings.labels == "step" else "random"
    return Arrays(
        train_inputs=train[:, None],
        test_inputs=test[:, None],
        train_targets=labels,
        test_targets=answers,
        provenance={"source": f"computed: points of an interval, labels 0 and 1, {described}"},
        obtained_from="computed",
    )


def _train_points(settings: Settings) -> Float64[np.ndarray, " point"]:
    """The training points, in rising order unless they are listed."""
    import numpy as np

    if settings.points is not None:
        return np.array(settings.points, dtype=np.float64)
    lower, upper = settings.interval
    count = settings.count_used
    return np.linspace(lower, upper, count) if count > 1 else np.array([(lower + upper) / 2])
