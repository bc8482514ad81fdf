"""What enters the last layer of a network, seen in the plane of its two leading right singular vectors.

Where the samples of the classes lie in that plane, by the running statistics of batch normalisation, as in evaluation,
and beside it by the statistics of the samples themselves, as in training. Lin, Zhang, Feng, Zhao (arXiv 2501.02436)
show late generalisation with batch normalisation by such projections, through a narrow last layer; known to us
second-hand. What is measured in the plane is our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.closed import Closed

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"
USES_SYSTEM = True

Step = Annotated[int, Field(ge=0)]


class Drawn(Closed):
    """Positions that are drawn, of the first seed."""

    samples: int = Field(150, ge=1, description="of each part, evenly spaced among those looked at")
    conditions: tuple[str, ...] = Field(("*",), description="patterns of the conditions that have a figure")


class Settings(AnalysisSettings):
    """At which moments, and with which samples."""

    method: Literal["last-layer-plane"] = "last-layer-plane"
    moments: Annotated[int, Field(ge=1)] | Annotated[tuple[Step, ...], Field(min_length=1)] = Field(
        3,
        description="recorded steps looked at: at most so many, evenly among them with the first and the last; or a "
        "list of the steps",
    )
    samples: int | None = Field(
        2000, ge=2, description="training samples, evenly spaced over the training set; all for null"
    )
    test_samples: int | None = Field(2000, ge=2, description="test samples, likewise")
    drawn: Drawn = Field(Drawn(), description="what is drawn, of the first seed")

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        if condition.record.state == ():
            yield (
                "method",
                "'last-layer-plane' reads recorded weights, and record.state is empty; write state: all there",
            )
        if condition.system.get("network", {}).get("kind") != "mlp":
            yield (
                "method",
                "'last-layer-plane' needs to know the last layer, which the built-in fully connected network tells; "
                "write system.network: {kind: mlp, ...}, or leave this condition out (conditions)",
            )
        last = condition.training.steps
        late = [step for step in self.moments if step > last] if isinstance(self.moments, tuple) else []
        if late:
            yield "moments", f"names step {late[0]}, but training.steps is {last}"


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Positions in the plane, and their measures, of the original run (copy 0) of every seed at some steps, in float64.

    ``statistic`` is ``running`` and, with batch normalisation, ``batch``: the mean and variance of the samples of the
    part. Reference are the training samples as training sees them: by the last of these.

    Returns:
        ``share(seed, moment)`` of the squared norm of the weights that the plane holds;
        ``accuracy(seed, moment, part, statistic)`` of the network; ``separation(seed, moment, part, statistic)``, the
        accuracy of the nearest class mean in the plane, means over the training samples by the same statistic.

        ``shift(seed, moment, part)``, root mean square distance between the two positions of a sample over the spread
        of the batch ones, and ``in_place(seed, moment, part)``, share of the samples that by running statistics are
        nearest to the reference mean of their own class: with batch normalisation only.

        ``offset(seed, moment, statistic)`` of the class means of test samples from those of the reference, over the
        spread of the reference, and ``offset_floor(seed, moment, statistic)``, what chance makes of it: where there are
        test samples.

        Of the first seed ``train_position(moment, statistic, train_sample, axis)``, ``train_class(train_sample)``, the
        same of test samples, and ``mean_position(moment, class, axis)`` of the reference. ``moment_step(moment)``;
        what belongs to a state that is not finite is NaN.

    Raises:
        OrreryError: weights or a step were not recorded, no classes, fewer than two outputs or two hidden units.
    """
    from orrery.analyses.last_layer_plane_positions import result_of

    return result_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Share of the weights, separation, shift and offset at every moment.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.last_layer_plane_numbers import publish

    return publish(sources)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Training and test samples in the plane, a figure for each condition drawn, a column for each moment.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.

    Raises:
        OrreryError: a pattern of the conditions drawn fits none.
    """
    from orrery.analyses.last_layer_plane_figures import draw

    return draw(sources, settings)
