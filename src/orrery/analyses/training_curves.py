"""Loss and other metrics of all runs over training, with divergences counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Figure, Number
from orrery.config.closed import Closed
from orrery.config.names import ConditionName

if TYPE_CHECKING:
    from orrery.trajectory.trajectory import Trajectory

COMPARES = "trajectories"


class Point(Closed):
    """One value of one run."""

    condition: ConditionName = Field(description="the condition")
    metric: str = Field(description="recorded or evaluated")
    seed: int = Field(ge=0, description="seed of the run")
    copy_: int = Field(0, ge=0, alias="copy", description="copy of the run")
    step: int = Field(ge=0, description="step")


class Settings(AnalysisSettings):
    """Curves of all runs, and numbers read off them."""

    method: Literal["training-curves"] = "training-curves"
    metrics: tuple[str, ...] = Field(
        ("loss",), min_length=1, description="recorded or evaluated metrics to draw"
    )
    last: dict[str, int] = Field(
        {}, description="metric -> number of last steps whose mean is published per condition"
    )
    rises: tuple[str, ...] = Field(
        (),
        description="metrics of which the steps are counted at which they rise, and their range is published",
    )
    alternates: dict[str, int] = Field(
        {},
        description="metric -> number of last steps of which the share is published at which the metric turns: rises "
        "after a fall, or falls after a rise; 1 where it goes to and fro with period 2",
    )
    points: dict[str, Point] = Field({}, description="label -> one value of one run, published as it is")
    logarithmic: tuple[str, ...] = Field((), description="metrics drawn on a logarithmic axis")
    panels: tuple[tuple[str, ...], ...] = Field(
        (),
        description="patterns of the conditions of each panel; six to a panel in their order where empty, as are those "
        "that no pattern names",
    )


def numbers(comparison: None, sources: Mapping[str, Trajectory], settings: Settings) -> list[Number]:
    """``last-<metric>[condition]`` with an interval over seeds, ``diverged[condition]``, ``rises-<metric>[condition]``,
    ``alternates-<metric>[condition]`` and ``point[label]``.

    Raises:
        OrreryError: a metric, condition, seed or step that was not recorded.
    """
    from orrery.analyses.training_curves_numbers import last_means, point, rises, turns

    found = []
    for name, trajectory in sources.items():
        diverged = int((trajectory.dataset["status"].values == 1).sum())
        runs = int(trajectory.dataset.sizes["run"])
        found.append(Number(f"diverged[{name}]", float(diverged), n=runs, description="runs that diverged"))
        for metric, count in settings.last.items():
            value, interval, n = last_means(trajectory, metric, count)
            found.append(
                Number(
                    f"last-{metric}[{name}]",
                    value,
                    interval,
                    n,
                    description=f"mean {metric} over the last {count} steps and all runs that did not diverge",
                )
            )
        for metric in settings.rises:
            count, steps = rises(trajectory, metric)
            found.append(
                Number(
                    f"rises-{metric}[{name}]",
                    float(count),
                    n=runs,
                    description=f"steps at which {metric} rises, of {steps} steps of all runs",
                )
            )
        for metric, count in settings.alternates.items():
            value, interval, n = turns(trajectory, metric, count)
            found.append(
                Number(
                    f"alternates-{metric}[{name}]",
                    value,
                    interval,
                    n,
                    description=f"share of the last {count} steps at which {metric} turns, mean over runs",
                )
            )
    for label, wanted in settings.points.items():
        value = point(sources, wanted.condition, wanted.metric, wanted.seed, wanted.copy_, wanted.step)
        found.append(
            Number(
                f"point[{label}]",
                value,
                description=f"{wanted.metric} of {wanted.condition}, seed {wanted.seed}, at step {wanted.step}",
            )
        )
    return found


def plot(comparison: None, sources: Mapping[str, Trajectory], settings: Settings) -> list[Figure]:
    """One figure per metric: all runs of all conditions.

    Args:
        comparison: there is none.
        sources: trajectories by condition; those without a metric are left out of its figure.
        settings: name the metrics.
    """
    from orrery.analyses.training_curves_figures import draw

    return [
        draw(sources, metric, logarithmic=metric in settings.logarithmic, groups=settings.panels)
        for metric in settings.metrics
    ]
