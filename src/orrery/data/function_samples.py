"""A function of one variable on points of an interval: a regression without noise, of any size.

The targets are ``sin(factor pi x)`` or the Chebyshev polynomial ``T_degree(x)``, kept in float64.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from orrery.data.api import Arrays, DatasetSettings, Precision, Size, Standardise

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float64

    from orrery.numerics.streams import Streams


class Settings(DatasetSettings):
    """Settings of the dataset ``function-samples``."""

    name: Literal["function-samples"]
    standardise: Standardise = Field(
        "none", description="as in every dataset; here x is as it is. Targets are never standardised"
    )
    dtype: Precision = Field(
        "float64", description="as in every dataset; here the points are kept as they were computed"
    )
    function: Literal["sine", "chebyshev-polynomial"] = Field(
        "sine",
        description="what is fitted: sin(factor pi x), or the Chebyshev polynomial cos(degree arccos x)",
    )
    factor: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="of 'sine': half periods in a unit of x; 1 where absent"
    )
    degree: int | None = Field(None, ge=0, le=100, description="of 'chebyshev-polynomial'; 4 where absent")
    points: Literal["equispaced", "chebyshev"] = Field(
        "equispaced",
        description="training points: equispaced with both ends of the interval, or the zeros of the Chebyshev "
        "polynomial of degree 'count', moved to the interval",
    )
    count: int = Field(24, ge=2, description="training points, in rising order")
    test: int = Field(200, ge=2, description="test points, equispaced with both ends of the interval")
    interval: tuple[float, float] = Field((-1.0, 1.0), description="where the points lie: [lower, upper]")

    @model_validator(mode="after")
    def _sensible(self) -> Settings:
        lower, upper = self.interval
        if not lower < upper:
            raise ValueError(f"interval: {list(self.interval)} is empty; write the lower end first")
        other = "degree" if self.function == "sine" else "factor"
        if getattr(self, other) is not None:
            raise ValueError(f"'{other}' has no meaning for the function '{self.function}'; leave it out")
        return self

    @property
    def factor_used(self) -> float:
        """Half periods of the sine in a unit of x."""
        return 1.0 if self.factor is None else self.factor

    @property
    def degree_used(self) -> int:
        """Degree of the Chebyshev polynomial."""
        return 4 if self.degree is None else self.degree


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    return Size(train=settings.samples or settings.count, test=settings.test, features=1, targets=1)


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return the points and the values of the function there, in float64; nothing is drawn."""
    train, test = train_points(settings), equispaced(settings, settings.test)
    return Arrays(
        train_inputs=train[:, None],
        test_inputs=test[:, None],
        train_targets=values(settings, train),
        test_targets=values(settings, test),
        provenance={"source": f"computed: {described(settings)}"},
        obtained_from="computed",
    )


def described(settings: Settings) -> str:
    """The function in words."""
    if settings.function == "sine":
        return f"sin({settings.factor_used:g} pi x)"
    return f"Chebyshev polynomial T_{settings.degree_used}(x)"


def train_points(settings: Settings) -> Float64[np.ndarray, " point"]:
    """The training points in rising order."""
    import numpy as np

    if settings.points == "equispaced":
        return equispaced(settings, settings.count)
    lower, upper = settings.interval
    # Sines of angles symmetric around 0: the points are symmetric to the last bit, as cosines would not be.
    odd = 2 * np.arange(settings.count) + 1 - settings.count
    zeros = np.sin(odd * np.pi / (2 * settings.count))
    return np.asarray((lower + upper) / 2 + zeros * ((upper - lower) / 2))


def equispaced(settings: Settings, count: int) -> Float64[np.ndarray, " point"]:
    """Points at equal distances, both ends of the interval included."""
    import numpy as np

    return np.linspace(*settings.interval, count)


def values(settings: Settings, x: Float64[np.ndarray, " point"]) -> Float64[np.ndarray, " point"]:
    """The function at some points."""
    import numpy as np

    if settings.function == "sine":
        return np.asarray(np.sin(settings.factor_used * np.pi * x))
    return np.asarray(np.polynomial.chebyshev.chebval(x, [0.0] * settings.degree_used + [1.0]))
