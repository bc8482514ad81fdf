"""Into how many intervals a network of one input divides the line by its decisions, along training.

Input space is split again and again along training: so Nakazato (arXiv 2204.07291, abstract), whose measure of it is
not known to us. Counting intervals of constant decision on a grid is our own choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.analyses.feature_space import InputGrid

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"
USES_SYSTEM = True


class Settings(AnalysisSettings):
    """At which steps and on which inputs decisions are looked at."""

    method: Literal["decision-intervals"] = "decision-intervals"
    moments: int = Field(
        30,
        ge=1,
        description="recorded steps looked at, at most; evenly spread in log(1 + step), the last among them",
    )
    grid: InputGrid = Field(
        InputGrid(), description="the inputs whose decisions are compared, neighbour by neighbour"
    )

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        from orrery.analyses.feature_settings import unrecorded

        yield from unrecorded(condition, self.method)


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Intervals of constant decision of the original run (copy 0) of every seed at some recorded steps.

    Returns:
        ``intervals(seed, moment)``, one more than the number of neighbours on the grid that are decided differently,
        NaN where the state is not finite; ``needed``, in the attributes, the same of the training samples in rising
        order, which a network that decides all of them correctly has at least; ``moment_step(moment)``.

    Raises:
        OrreryError: the weights were not recorded, inputs have more than one feature, or there is nothing to decide.
    """
    from orrery.analyses.decision_intervals_count import counts_of

    return counts_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """``at-start[condition]``, ``most[condition]``, ``at-end[condition]`` and ``needed[condition]``.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.over_seeds import mean_number

    found = []
    for name, source in sources.items():
        counts, steps = source["intervals"].values, source["moment_step"].values
        words = "intervals of constant decision"
        found += [
            mean_number(f"at-start[{name}]", counts[:, 0], f"{words} at step {steps[0]}, mean over seeds"),
            mean_number(f"most[{name}]", counts.max(axis=1), f"most {words} at any step, mean over seeds"),
            mean_number(f"at-end[{name}]", counts[:, -1], f"{words} at step {steps[-1]}, mean over seeds"),
            Number(
                f"needed[{name}]",
                float(source.attrs["needed"]),
                description="intervals of equal labels of the training samples",
            ),
        ]
    return found


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Intervals against the step, a line per condition, beside what the labels need.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.decision_intervals_figure import draw

    return [draw(sources, settings)]
