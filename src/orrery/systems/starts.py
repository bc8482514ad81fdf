"""Grids of starting points: the seed of a run is the index of its start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from orrery.config.closed import Closed
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

Coordinates = Annotated[tuple[float, ...], Field(min_length=1)]


class Grid(Closed):
    """A regular grid of starting points, the first coordinate fastest."""

    model_config = ConfigDict(serialize_by_alias=True)

    from_: Coordinates = Field(alias="from", description="first corner, one number per coordinate")
    to: Coordinates = Field(description="opposite corner")
    points: int = Field(ge=1, description="points along each coordinate")
    transform: Literal["identity", "log", "square-root-of-half"] = Field(
        "identity", description="applied to each coordinate: x, log x, or the square root of x/2"
    )

    @model_validator(mode="after")
    def _same_length(self) -> Grid:
        if len(self.from_) != len(self.to):
            raise ValueError(
                f"'from' has {len(self.from_)} coordinates and 'to' has {len(self.to)}; give as many"
            )
        if self.transform != "identity" and min(self.from_ + self.to) <= 0:
            raise ValueError(f"transform '{self.transform}' needs positive corners")
        return self

    @property
    def dimension(self) -> int:
        return len(self.from_)

    @property
    def count(self) -> int:
        """Number of points of the grid."""
        return int(self.points**self.dimension)


def grid_starts(
    grid: Grid, indices: list[int], place: str = "system.start"
) -> Float[np.ndarray, "run coordinate"]:
    """The starting points of the given grid indices, in float64.

    Args:
        grid: the grid.
        indices: one index per run, ``0 <= index < points ** dimension``; the first coordinate runs fastest.
        place: key named in the error.

    Raises:
        OrreryError: for an index outside the grid.
    """
    import numpy as np

    wrong = [index for index in indices if not 0 <= index < grid.count]
    if wrong:
        raise OrreryError(
            f"{place}: seed {wrong[0]} has no start; the grid has {grid.count} points, so write seeds from 0 to "
            f"{grid.count - 1} or more points"
        )
    axes = [np.linspace(a, b, grid.points) for a, b in zip(grid.from_, grid.to, strict=True)]
    places = np.asarray(indices, dtype=np.int64)
    columns = [axis[places // grid.points**i % grid.points] for i, axis in enumerate(axes)]
    starts = np.stack(columns, axis=1)
    if grid.transform == "log":
        return np.log(starts)
    if grid.transform == "square-root-of-half":
        return np.sqrt(starts / 2)
    return starts
