"""Starting points: of a grid or a list, where the seed of a run is the index of its start, or drawn from a box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from orrery.config.closed import Closed
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from orrery.numerics.streams import Streams

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


class GridStart(Grid):
    """A regular grid of starting points, the first coordinate fastest; seed n starts at grid point n."""

    kind: Literal["grid"] = Field("grid", description="how starts are chosen")


class Box(Closed):
    """Every seed has its own point of a box, drawn uniformly from the stream 'init'."""

    kind: Literal["box"] = Field("box", description="how starts are chosen")
    from_: Coordinates = Field(alias="from", description="lower corner, one number per coordinate")
    to: Coordinates = Field(description="upper corner")

    @model_validator(mode="after")
    def _ordered(self) -> Box:
        if len(self.from_) != len(self.to):
            raise ValueError(
                f"'from' has {len(self.from_)} coordinates and 'to' has {len(self.to)}; give as many"
            )
        if any(a > b for a, b in zip(self.from_, self.to, strict=True)):
            raise ValueError("'from' lies above 'to'; write the lower corner first")
        return self

    @property
    def dimension(self) -> int:
        return len(self.from_)


class Given(Closed):
    """Points of one's own; seed n starts at the n-th of them."""

    kind: Literal["given"] = Field("given", description="how starts are chosen")
    points: Annotated[tuple[Coordinates, ...], Field(min_length=1)] = Field(
        description="one point per seed, each with one number per coordinate"
    )

    @model_validator(mode="after")
    def _alike(self) -> Given:
        if len({len(point) for point in self.points}) > 1:
            raise ValueError("all points must have as many coordinates")
        return self

    @property
    def dimension(self) -> int:
        return len(self.points[0])


Start = Annotated[Box | Given | GridStart, Field(discriminator="kind")]


def starting_points(
    start: Start, seeds: Sequence[int], streams: Streams, place: str = "system.start"
) -> Float[np.ndarray, "run coordinate"]:
    """The starting points of the runs with these seeds, in float64.

    Args:
        start: how they are chosen.
        seeds: one per run; runs of one seed start alike.
        streams: the stream ``init`` gives the index of a point, or the draw.
        place: key named in the error.

    Raises:
        OrreryError: a seed has no point.
    """
    import numpy as np

    if isinstance(start, Box):
        lower, upper = np.array(start.from_), np.array(start.to)
        return np.stack([streams.generator("init", seed, "point").uniform(lower, upper) for seed in seeds])
    indices = [streams.integer("init", seed) for seed in seeds]
    if isinstance(start, GridStart):
        return grid_starts(start, indices, place)
    for index in indices:
        if not 0 <= index < len(start.points):
            raise OrreryError(
                f"{place}: seed {index} has no start; there are {len(start.points)} points, so write seeds from 0 "
                f"to {len(start.points) - 1} or more points"
            )
    return np.array([start.points[index] for index in indices], dtype=np.float64)


def check_dimension(start: Start | None, dimension: int) -> None:
    """Make sure that starts have as many coordinates as the system.

    Raises:
        ValueError: they have not; for use in a validator of settings.
    """
    if start is not None and start.dimension != dimension:
        raise ValueError(
            f"start has points of {start.dimension} coordinates, and the system has {dimension}; write {dimension}"
        )


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
