"""Attraction basins: how much noise on inputs or weights a trained classifier stands.

Accuracy on training samples falls as noise grows; a basin is the amplitude at which it first crosses a threshold. In
sample space Gaussian noise is added to the inputs, in weight space to the weights of every layer, in units of their
standard deviation. The idea is that of Lin, Zhang, Feng, Zhao (arXiv 2501.02436), known to us second-hand;
amplitudes, thresholds and normalisation are our choice. Beside the sizes of single samples stands a first-order
prediction from margins and gradients (:mod:`orrery.systems.logit_covariances`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.closed import Closed

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"
USES_SYSTEM = True

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Threshold = Annotated[float, Field(gt=0, lt=1)]


class SingleSamples(Closed):
    """The basins of single samples at the last moment, and their first-order prediction."""

    per_class: int = Field(100, ge=1, description="samples of each class, the first ones of the training set")
    draws: int = Field(200, ge=10, description="draws of the noise at each amplitude")
    normals: int = Field(2000, ge=100, description="draws behind the prediction")


class Settings(AnalysisSettings):
    """Which noise, how strong, on which samples of which recorded states."""

    method: Literal["basins"] = "basins"
    noise: tuple[Literal["inputs", "weights"], ...] = Field(
        ("inputs", "weights"),
        min_length=1,
        description="what is perturbed: 'inputs' by s xi per component, 'weights' by s std(W) xi per layer",
    )
    samples: int = Field(1000, ge=1, description="the first so many training samples")
    amplitudes: tuple[Positive, Positive] = Field(
        (1e-2, 20.0), description="smallest and largest amplitude s"
    )
    count: int = Field(25, ge=2, description="amplitudes, equally spaced in their logarithm")
    thresholds: tuple[Threshold, ...] = Field(
        (0.3, 0.5, 0.7), min_length=1, description="accuracies whose first crossing is the size of a basin"
    )
    draws: int = Field(3, ge=3, description="draws of the noise at each amplitude")
    refine: int = Field(
        25, ge=0, description="points of a second grid between the two amplitudes of a crossing; 0 for none"
    )
    far: Positive = Field(
        1000.0,
        description="amplitude at which the accuracy of chance is measured; where it is not below a threshold, the "
        "basin is undefined",
    )
    moments: int = Field(
        1, ge=1, description="recorded steps that are looked at, evenly among them; 1: the last one only"
    )
    single: SingleSamples | None = Field(
        None, description="basins of single samples beside their prediction; none where absent"
    )
    axis: str | None = Field(
        None,
        description="axis of the grid along which sizes are drawn; the only one with numbers where absent",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        low, high = self.amplitudes
        if low >= high:
            raise ValueError(f"amplitudes goes from {low:g} to {high:g}; write the smaller first")
        if self.far <= high:
            raise ValueError(f"far: {self.far:g} must lie above the largest amplitude, {high:g}")
        if self.refine == 1:
            raise ValueError("refine: one point refines nothing; write at least 3, or 0 for none")
        return self

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        if condition.record.state == ():
            yield (
                "method",
                "'basins' reads recorded weights, and record.state is empty; write state: all there",
            )
        if "network" not in condition.system:
            yield "method", "'basins' perturbs a network, and the system of the condition is none"


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Accuracy under noise and sizes of the basins of the original run (copy 0) of every seed, in evaluation mode.

    Returns:
        ``accuracy(seed, moment, noise, amplitude)``, ``clean(seed, moment)`` without noise,
        ``chance(seed, moment, noise)`` at the amplitude ``far``; ``basin(seed, moment, noise, threshold)`` with
        ``censored(seed, moment, noise, threshold)``: -1 below the smallest amplitude, 1 above the largest, 0 found; the
        same of each class as ``class_basin(seed, moment, noise, threshold, class)`` and ``class_censored``, without the
        second grid. A size is 0 where the clean accuracy is below the threshold, NaN where chance is not.

        ``train_accuracy(seed, moment)``, ``test_accuracy(seed, moment)``, ``moment_step(moment)``.

        With ``single``, at the last moment: ``single_basin(seed, noise, sample)`` at probability 1/2 with
        ``single_censored(seed, noise, sample)``, ``predicted(seed, noise, sample)``, the basin of the linearised
        network, ``reach(seed, noise, sample)``, margin over its first-order deviation, ``margin(seed, sample)``,
        ``single_class(sample)``.

    Raises:
        OrreryError: fewer than three classes, a class without a sample, weights that were not recorded, no network.
    """
    from orrery.analyses.basins_curves import curves_of

    return curves_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Sizes of basins, by condition and class, along axes, and the jump of a late generalisation.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.basins_numbers import publish

    return publish(sources, settings)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Accuracy over amplitude, sizes along an axis, by class and over the steps, predicted beside measured.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.basins_figures import draw

    return draw(sources, settings)
