"""Modes of neurons: rank probability distributions of local fields, and the linear map of the layers above.

Neurons that keep the order of the samples (OPT) and neurons that change it (NPT) cannot be told apart one by one; the
mode of a layer is read from how steeply the ranks of the samples of a class rise under p = h_i sign(M_ki). M_ki is
the weight from neuron i to output k, or, below the last hidden layer, the linear map that is left when the
activations above are identities (L-map). Lin, Zhang, Feng, Zhao, arXiv 2501.02436, as described second-hand;
definitions of numbers, biases in the map and its errors are our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.names import ConditionName

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "block"
USES_SYSTEM = True

Step = Annotated[int, Field(ge=0)]
Pair = tuple[ConditionName, ConditionName]


class Settings(AnalysisSettings):
    """Which states are looked at, on how many samples, and which conditions are compared."""

    method: Literal["modes"] = "modes"
    every: int = Field(
        1,
        ge=1,
        description="of the recorded steps every n-th is looked at, the first and the last among them",
    )
    samples: int | None = Field(
        2000,
        ge=2,
        description="training samples that are ranked, evenly spaced over the training set; all for null",
    )
    test_samples: int | None = Field(
        2000, ge=1, description="test samples behind accuracies, evenly spaced; all for null"
    )
    bins: int | None = Field(
        None, ge=2, description="bins of the rank densities; 20, or 10 for up to 600 samples, where absent"
    )
    classes: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None,
        description="numbers of the classes, from 0, whose distributions are kept apart; all where absent. Ranks and "
        "layer values are over all classes whatever stands here",
    )
    truncation: bool = Field(
        True, description="accuracy and error with everything above each layer replaced by its linear map"
    )
    agreement: float = Field(
        0.002,
        ge=0,
        lt=1,
        description="accuracies that differ by no more count as equal in a truncation curve",
    )
    early: tuple[Step, Step] | None = Field(
        None,
        description="first and last step of the early stage, in which pairs of conditions are compared and the first "
        "slope over layers is taken; the first tenth of the steps without the first moment where absent",
    )
    pairs: tuple[Pair, ...] = Field(
        (),
        description="pairs of conditions with as many hidden layers, compared seed by seed; pairs with unequal numbers "
        "of training samples have a critical size",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.early is not None and self.early[0] > self.early[1]:
            raise ValueError(f"early: the stage ends ({self.early[1]}) before it starts ({self.early[0]})")
        if self.classes is not None and len(set(self.classes)) < max(1, len(self.classes)):
            raise ValueError("classes: name at least one class, each once; leave it out for all")
        return self

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        if condition.record.state == ():
            yield (
                "method",
                "'modes' reads recorded weights, and record.state is empty; write state: all there",
            )
        network = condition.system.get("network", {})
        if network.get("kind") != "mlp":
            yield (
                "method",
                "'modes' reads the local fields of hidden layers, which the built-in fully connected network tells; "
                "write system.network: {kind: mlp, ...}, or leave this condition out (conditions)",
            )
        elif not network["hidden"]:
            yield "method", "'modes' needs a hidden layer; write system.network.hidden: [256], for one"
        last = condition.training.steps
        if self.early is not None and self.early[1] > last:
            yield "early", f"ends at step {self.early[1]}, but training.steps is {last}"


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    r"""Ranks of local fields and linear maps of the original run (copy 0) of every seed along its recorded steps.

    All arithmetic is float64, whatever the training had; batch normalisation takes its running statistics.

    Returns:
        Of the gradients G of the rank densities: ``gradient(seed, moment, layer, class)``, mean over the neurons;
        ``layer_gradient(seed, moment, layer)``, mean over all classes of these;
        ``chance_deviation(seed, moment, layer)``, the standard deviation that the latter would have if the signs
        were random; ``density(seed, moment, layer, class, bin)``, mean over the neurons;
        ``layer_density(seed, moment, layer, bin)``, mean over all classes; ``bent(seed, moment, layer)``, share
        of neurons whose own activation both rises and falls over the samples, 0 for monotone ones.

        Of the phases: ``slope(seed, moment)``, of G over the number of the layer, and ``spread(seed, moment)``,
        (max - min) / mean of G over layers, both NaN for one hidden layer.

        With batch normalisation: ``mean_gap(seed, moment, layer)`` and ``deviation_gap(seed, moment, layer)``,
        \|running - batch\| of means and of standard deviations over the deviation of the batch, that is the training
        samples looked at; mean over units.

        Of the outputs: ``accuracy(seed, moment, part)``; with everything above a layer linear
        ``truncated_accuracy(seed, moment, part, layer, form)``, the share of samples of another class than in the full
        net ``map_disagreement(seed, moment, part, layer, form)``, and the relative L2 error of the last layer
        ``map_error(seed, moment, part, layer, form)``. Parts: train, test; forms: field (the activation of the layer
        itself is an identity too), activation.

        ``moment_step(moment)``, ``diverged(seed)``; what belongs to a state that is not finite is NaN.

    Raises:
        OrreryError: weights were not recorded, no hidden layer, a module of one's own, fewer than two classes.
    """
    from orrery.analyses.modes_result import result_of

    return result_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Gradients at start, peak and end, phases, truncation, errors of the map, pairs of conditions, a critical size.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.modes_comparison import publish_comparison
    from orrery.analyses.modes_numbers import publish
    from orrery.analyses.modes_sizes import size_numbers

    return [
        *publish(sources, settings),
        *publish_comparison(sources, settings),
        *size_numbers(sources, settings),
    ]


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Rank densities by layer and by class, gradients over training, truncation curves, errors of the map, sizes.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.modes_figures import draw

    return draw(sources, settings)
