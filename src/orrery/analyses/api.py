"""What an analysis is made of: its settings, its context, and what it publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from orrery.config.closed import Closed
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure as MatplotlibFigure

    from orrery.numerics.streams import Streams
    from orrery.systems.system import Runs, State, System


class AnalysisSettings(Closed):
    """What every analysis of a study has; a method adds its own keys in a subclass named ``Settings``."""

    method: str = Field(description="built-in method, or the import path package.module of one's own")
    of: str = Field("trajectory", description="what is read: 'trajectory', or the name of another analysis")
    conditions: tuple[str, ...] = Field(("*",), description="patterns of condition names to analyse")
    gather: bool = Field(False, description="one job for all conditions; for tiny trajectories")
    steps: tuple[int, int] | None = Field(None, description="first and last step read; all where absent")
    figures: tuple[str, ...] | None = Field(
        None,
        description="names of the figures that are drawn, such as 'ageing'; all of the method where absent",
    )

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What of these settings does not fit a condition: key and message, told before anything runs.

        Args:
            condition: with its ``system``, ``training`` and so on, as the study resolves them.
        """
        yield from ()


@dataclass(frozen=True)
class Context:
    """What an analysis may ask about the condition at hand.

    Attributes:
        condition: its name.
        axes: its place on the axes of a grid, e.g. ``{"width": 40}``; of a named condition what it says itself.
        workers: threads that the analysis may use; results must not depend on it.
        system: builds the system of the condition, for analyses that iterate or differentiate it; with
            ``dtype="float64"`` in that precision, whatever the training had.
        replay: opens the runs of the condition for being iterated again from their checkpoints, bit for bit, one
            :class:`Replayed` for each set of runs that were trained together. Of a module with ``REPLAYS = True``.
    """

    condition: str
    axes: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
    system: Callable[..., System] | None = None
    replay: Callable[[], Sequence[Replayed]] | None = None


class Replayed(Protocol):
    """Runs that were trained together; ``orrery.training.replay`` has the one that there is.

    Attributes:
        system: their system, on the CPU.
        runs: seed and copy of each.
        streams: random numbers of the condition.
    """

    system: System
    runs: Runs
    streams: Streams

    def states(self, first: int, last: int) -> Iterator[tuple[int, State]]:
        """Step and state of all runs, from step ``first`` to step ``last``, both included."""


@dataclass(frozen=True)
class Number:
    """A named scalar that an analysis publishes.

    Attributes:
        name: unique within the analysis, e.g. ``distance[omd,ogd]``.
        value: the measured value; NaN where it could not be decided.
        interval: 95 % interval (low, high), or ``None``.
        n: number of independent units (seeds) behind it, or ``None``.
        floor: the noise floor it is to be compared with, or ``None``.
        unit: its unit; empty for a pure number.
        description: one line for the reader of a table.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    n: int | None = None
    floor: float | None = None
    unit: str = ""
    description: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure with what is needed to publish it.

    Attributes:
        name: file name without ending, unique within the analysis.
        title: a short title.
        caption: what is seen, with units and the meaning of bands; plain text.
        figure: the drawn figure.
        data: the plotted numbers, published as CSV beside it.
    """

    name: str
    title: str
    caption: str
    figure: MatplotlibFigure
    data: pd.DataFrame


def needed(comparison: xr.Dataset | None, analysis: str) -> xr.Dataset:
    """Return the comparison that the numbers and figures of an analysis are read from.

    Raises:
        OrreryError: there is none.
    """
    if comparison is None:
        raise OrreryError(f"{analysis}: its numbers and figures need the comparison; write one")
    return comparison
