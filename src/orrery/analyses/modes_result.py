"""What the analysis of modes stores: ranks, gradients and phases, and accuracies with linear maps above each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from orrery.analyses.modes_layers import Layers, layers_of
from orrery.analyses.modes_phases import slopes, spreads
from orrery.analyses.modes_states import parts_of, recorded
from orrery.analyses.modes_statistics import gaps
from orrery.analyses.modes_truncation import FORMS, plain_accuracy, truncated
from orrery.config.errors import OrreryError
from orrery.numerics.orders import bends
from orrery.numerics.rank_distributions import (
    bins_for,
    chance_deviation,
    class_ranks,
    gradients,
    mean_density,
)

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.labelled_samples import LabelledSamples
    from orrery.analyses.modes import Settings
    from orrery.systems.system import State, System
    from orrery.trajectory.trajectory import Trajectory

DIMS = {
    "gradient": ("layer", "class"),
    "layer_gradient": ("layer",),
    "chance_deviation": ("layer",),
    "density": ("layer", "class", "bin"),
    "layer_density": ("layer", "bin"),
    "bent": ("layer",),
    "mean_gap": ("layer",),
    "deviation_gap": ("layer",),
    "accuracy": ("part",),
    "truncated_accuracy": ("part", "layer", "form"),
    "map_disagreement": ("part", "layer", "form"),
    "map_error": ("part", "layer", "form"),
}
Found = dict[str, Float[np.ndarray, "state ..."]]


def result_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """See :func:`orrery.analyses.modes.analyse`: ``gradient(seed, moment, layer, class)`` and the others.

    Raises:
        OrreryError: as there.
    """
    if context.system is None:
        raise OrreryError("modes: it needs the system of the condition, for the samples; run it in a study")
    system: System = context.system(dtype="float64")
    layers = layers_of(system)
    parts = parts_of(system, settings)
    reader = recorded(source, system, settings)
    units = sum(component.shape[0] for component in system.components if component.name.endswith(".weight"))
    samples = max(len(part.labels) for part in parts.values())
    found: list[Found] = []
    for state in reader.states(units, samples):
        shape = next(iter(state.values())).shape[:2]
        folded = {name: tensor.flatten(0, 1) for name, tensor in state.items()}
        looked = look(layers, folded, parts, settings)
        found.append({name: values.reshape(*shape, *values.shape[1:]) for name, values in looked.items()})
    whole = {name: np.concatenate([one[name] for one in found], axis=1) for name in found[0]}
    return arranged(whole, reader.steps, reader.seeds).assign_attrs(
        parts=list(parts),
        forms=list(FORMS),
        classes=_kept(settings, parts["train"].classes),
        samples=len(parts["train"].labels),
        training_samples=parts["train"].available,
        recorded=str(source.dataset["state"].dtype),
    )


def look(layers: Layers, state: State, parts: dict[str, LabelledSamples], settings: Settings) -> Found:
    """Everything that is asked of some states; one row per state, NaN where it is not finite.

    Args:
        layers: of the condition.
        state: tensors ``(run, *shape)``.
        parts: samples; ranks are those of the training samples.
        settings: of the analysis.
    """
    finite = torch.stack([torch.isfinite(tensor).flatten(1).all(dim=1) for tensor in state.values()]).all(0)
    # What is not finite is computed at zero and thrown away.
    safe = {
        name: torch.where(finite.reshape(-1, *(1,) * (tensor.ndim - 1)), tensor, 0.0)
        for name, tensor in state.items()
    }
    with torch.no_grad():
        maps = layers.maps(safe)
        of_part = []
        for name, part in parts.items():
            fields, last = layers.passed(safe, part.inputs)
            arguments = layers.arguments(safe, fields)
            if name == "train":
                signs = [sign.numpy() for sign in layers.signs(safe, maps)]
                found = _ranks(fields, signs, part, settings)
                found["bent"] = _bent(arguments, layers)
                found |= gaps(layers.forward, safe, part.inputs)
            plain = {"accuracy": plain_accuracy(last, part)}
            of_part.append(
                {**plain, **truncated(layers, maps, arguments, last, part)} if settings.truncation else plain
            )
    found |= {name: np.stack([one[name] for one in of_part], axis=1) for name in of_part[0]}
    lost = ~finite.numpy()
    for values in found.values():
        values[lost] = np.nan
    return found


def _ranks(
    fields: tuple[torch.Tensor, ...], signs: list[np.ndarray], part: LabelledSamples, settings: Settings
) -> Found:
    """Gradients and densities of every layer."""
    bins = settings.bins or bins_for(len(part.labels))
    kept = _kept(settings, part.classes)
    found: dict[str, list[np.ndarray]] = {name: [] for name in list(DIMS)[:5]}
    for field, sign in zip(fields, signs, strict=True):
        means, counts = class_ranks(field.numpy(), part.labels, part.classes, bins)
        slope = gradients(means, sign)
        of_class = _mean(slope, axis=1)
        density = mean_density(counts, sign)
        found["gradient"].append(of_class[:, kept])
        found["layer_gradient"].append(_mean(of_class, axis=1))
        found["chance_deviation"].append(chance_deviation(slope))
        found["density"].append(density[:, kept])
        found["layer_density"].append(_mean(density, axis=1))
    return {name: np.stack(values, axis=1) for name, values in found.items()}


def _bent(arguments: Sequence[torch.Tensor], layers: Layers) -> np.ndarray:
    """Share of the neurons of each layer whose activation both rises and falls over the samples."""
    if layers.activation.monotone:
        return np.zeros((len(arguments[0]), len(arguments)))
    ascending = (torch.from_numpy(np.sort(argument.numpy(), axis=2)) for argument in arguments)
    return np.stack([bends(layers.activation.forward(one).numpy()).mean(axis=1) for one in ascending], axis=1)


def _kept(settings: Settings, classes: int) -> list[int]:
    return list(range(classes)) if settings.classes is None else list(settings.classes)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def arranged(
    found: dict[str, Float[np.ndarray, "seed moment ..."]],
    steps: Float[np.ndarray, " moment"],
    seeds: list[int],
) -> xr.Dataset:
    """Curves as a dataset, with the phases ``slope(seed, moment)`` and ``spread(seed, moment)`` of the gradients."""
    gradient = found["layer_gradient"]
    return xr.Dataset(
        {
            **{name: (("seed", "moment", *DIMS[name]), values) for name, values in found.items()},
            "slope": (("seed", "moment"), slopes(gradient)),
            "spread": (("seed", "moment"), spreads(gradient)),
            "diverged": ("seed", ~np.isfinite(found["accuracy"][:, :, 0]).all(axis=1)),
            "moment_step": ("moment", np.asarray(steps, dtype=int)),
        },
        coords={"seed": seeds},
    )
