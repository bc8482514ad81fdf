"""Numbers of the modes of one condition: gradients over training, phases, truncation, errors of the linear map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from orrery.analyses.api import Number
from orrery.analyses.modes_phases import early_moments, flip_steps, interior
from orrery.analyses.modes_statistics import statistics_numbers
from orrery.analyses.modes_truncation import FORMS, agreeing_from, largest_fall
from orrery.analyses.over_seeds import mean_number, share_number

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.modes import Settings


def publish(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """All numbers of all conditions.

    Args:
        sources: by condition, with ``gradient(seed, moment, layer, class)`` and all else that the analysis gives.
        settings: of the analysis.
    """
    return [number for name, source in sources.items() for number in _of_condition(name, source, settings)]


def _of_condition(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    lost = source["diverged"].values.astype(bool)
    yield Number(
        f"diverged[{name}]", float(lost.sum()), n=len(lost), description="runs that diverged; left out below"
    )
    kept = source.isel(seed=~lost)
    if not kept.sizes["seed"]:
        return
    steps = kept["moment_step"].values
    yield from _of_gradients(name, kept, steps)
    if kept.sizes["layer"] > 1:
        yield from _of_phases(name, kept, steps, early_moments(steps, settings.early))
    if "mean_gap" in kept:
        yield from statistics_numbers(name, kept, steps)
    for place, part in enumerate(kept.attrs["parts"]):
        yield mean_number(
            f"final-accuracy[{name},{part}]",
            kept["accuracy"].values[:, -1, place],
            f"accuracy on the {part} samples looked at, at step {steps[-1]}, mean over seeds",
        )
        if "truncated_accuracy" in kept:
            yield from _of_truncation(name, kept.isel(moment=-1), part, place, settings.agreement)


def _of_gradients(name: str, kept: xr.Dataset, steps: np.ndarray) -> Iterator[Number]:
    layers = kept["layer_gradient"].values
    curve = layers.mean(axis=2)
    if steps[0] == 0:
        start, chance = np.abs(layers[:, 0]), kept["chance_deviation"].values[:, 0]
        yield Number(
            f"initial-gradient[{name}]",
            float(start.max()),
            n=len(start),
            floor=float(chance.max()),
            description="largest |G| of a layer at initialisation, over seeds and layers; floor: its standard "
            "deviation for random signs",
        )
        yield Number(
            f"initial-deviations[{name}]",
            float((start / chance).max()),
            n=len(start),
            description="largest |G| of a layer at initialisation over its standard deviation for random signs, over "
            "seeds and layers",
        )
    peak = curve.max(axis=1)
    yield mean_number(
        f"peak-gradient[{name}]", peak, "largest G over training, mean over layers, classes, seeds"
    )
    yield mean_number(
        f"peak-step[{name}]",
        steps[curve.argmax(axis=1)].astype(float),
        "step of the largest G, mean over seeds",
        unit="steps",
    )
    yield share_number(
        f"interior-peak[{name}]",
        interior(curve),
        "share of seeds whose largest G is neither at the first nor at the last moment looked at",
    )
    words = f"at step {steps[-1]}, mean over seeds"
    yield mean_number(f"final-gradient[{name}]", curve[:, -1], f"G, mean over layers and classes, {words}")
    share = np.divide(curve[:, -1], peak, out=np.full(len(peak), np.nan), where=peak > 0)
    yield mean_number(f"final-over-peak[{name}]", share, f"G {words}, over its largest value")
    for place, layer in ((0, "first"), (-1, "last")):
        yield mean_number(
            f"{layer}-layer-gradient[{name}]", layers[:, -1, place], f"G of the {layer} hidden layer {words}"
        )
    for place, number in enumerate(kept.attrs["classes"]):
        yield mean_number(
            f"class-gradient[{name},class={number}]",
            kept["gradient"].values[:, -1, :, place].mean(axis=1),
            f"G of class {number}, mean over layers, {words}",
        )
    yield Number(
        f"most-bent[{name}]",
        float(kept["bent"].values.max()),
        n=len(curve),
        description="largest share of the neurons of a layer whose own activation both rises and falls over the "
        "samples; 0 where activations are monotone",
    )


def _of_phases(name: str, kept: xr.Dataset, steps: np.ndarray, early: np.ndarray) -> Iterator[Number]:
    slope, spread = kept["slope"].values, kept["spread"].values
    words = "slope of G over the number of the layer, mean over seeds"
    if early.any():
        stage = f"steps {steps[early][0]} to {steps[early][-1]}"
        yield mean_number(
            f"early-slope[{name}]",
            slope[:, early].mean(axis=1),
            f"{words}, mean over {stage}",
            unit="1/layer",
        )
    yield mean_number(f"final-slope[{name}]", slope[:, -1], f"{words}, at step {steps[-1]}", unit="1/layer")
    # At initialisation G is chance, and so is the sign of its slope.
    after = steps > 0
    flips = flip_steps(slope[:, after], steps[after])
    yield share_number(
        f"flipped[{name}]",
        np.isfinite(flips),
        "share of seeds in which that slope is negative at some moment after step 0 and positive from a later one to "
        "the last",
    )
    yield mean_number(
        f"flip-step[{name}]",
        flips,
        "first step of the lasting positive slope, mean over these seeds",
        unit="steps",
    )
    yield mean_number(
        f"least-spread[{name}]",
        np.nanmin(spread[:, 1:] if spread.shape[1] > 1 else spread, axis=1),
        "smallest (max - min) / mean of G over layers after the first moment, mean over seeds",
    )
    yield mean_number(
        f"final-spread[{name}]",
        spread[:, -1],
        f"(max - min) / mean of G over layers at step {steps[-1]}, mean over seeds",
    )


def _of_truncation(name: str, last: xr.Dataset, part: str, place: int, agreement: float) -> Iterator[Number]:
    full = last["accuracy"].values[:, place]
    curves = last["truncated_accuracy"].values[:, place]
    where = f"on the {part} samples, mean over seeds"
    count = curves.shape[1]
    for form, words in zip(FORMS, ("that layer's own too", "above it"), strict=True):
        curve = curves[:, :, FORMS.index(form)]
        if form == "activation" and count == 1:
            continue  # the full network
        yield mean_number(
            f"linear-accuracy[{name},{part},{form}]",
            curve[:, 0],
            f"accuracy with all activations above the first hidden layer linear, {words}, {where}",
        )
        yield mean_number(
            f"linear-loss[{name},{part},{form}]", full - curve[:, 0], f"accuracy lost by that, {where}"
        )
        for kind, title in (
            ("map_disagreement", "share of samples that get another class"),
            ("map_error", "relative L2 error of the last layer"),
        ):
            values = last[kind].values[:, place, :, FORMS.index(form)].max(axis=1)
            yield mean_number(
                f"{kind.replace('_', '-')}[{name},{part},{form}]",
                values,
                f"largest over layers: {title} when activations above are linear, {words}, {where}",
            )
    yield Number(
        f"identity-error[{name},{part}]",
        float(last["map_error"].values[:, place, -1, FORMS.index("activation")].max()),
        n=len(full),
        description="relative L2 error of the linear map at the last hidden layer, where it is the network itself",
    )
    if count < 2:
        return
    curve = curves[:, :, FORMS.index("activation")]
    from_layer = agreeing_from(curve, full, agreement)
    yield mean_number(
        f"largest-fall[{name},{part}]",
        largest_fall(curve),
        f"largest fall of the truncation curve below an earlier layer, {where}",
    )
    yield mean_number(
        f"linear-from[{name},{part}]",
        from_layer,
        f"first layer from which on the truncation curve stays within {agreement:g} of the full network, {where}",
        unit="layer",
    )
    yield share_number(
        f"linear-late-layers[{name},{part}]",
        from_layer < count,
        "share of seeds in which that layer is below the last hidden layer",
    )
