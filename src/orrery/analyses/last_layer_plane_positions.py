"""Positions of samples in the plane of the last layer of recorded networks, and what is measured of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from orrery.analyses.feature_space_curves import by_moment
from orrery.analyses.last_layer_plane_samples import METHOD, chosen_moments, last_layer, part_of
from orrery.analyses.network_states import Networks, networks_of
from orrery.analyses.runs import evenly
from orrery.numerics.class_positions import class_means, nearest_mean_accuracy, offset, shift
from orrery.numerics.singular_plane import Plane, leading_plane
from orrery.systems.answers import answered

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.labelled_samples import LabelledSamples
    from orrery.analyses.last_layer_plane import Settings
    from orrery.systems.system import State
    from orrery.trajectory.trajectory import Trajectory

DIMENSIONS = {
    "share": (),
    "accuracy": ("part", "statistic"),
    "separation": ("part", "statistic"),
    "shift": ("part",),
    "in_place": ("part",),
    "offset": ("statistic",),
    "offset_floor": ("statistic",),
}


def result_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """The dataset ``share(seed, moment)`` and so on; see :func:`orrery.analyses.last_layer_plane.analyse`.

    Raises:
        OrreryError: as there.
    """
    networks = networks_of(source, context, chosen_moments(source.steps, settings.moments), METHOD)
    system, layer = networks.system, last_layer(networks)
    assert system.whole is not None
    parts = {"train": part_of(system.whole(), settings.samples)}
    if system.test is not None:
        parts["test"] = part_of(system.test(), settings.test_samples)
    statistics = ["running"] if networks.forward.last_layer_batch is None else ["running", "batch"]
    classes = networks.targets.shape[1]
    found: list[dict[str, np.ndarray]] = []
    first: list[dict[str, np.ndarray]] = []
    units = sum(one.shape[0] for one in system.components if one.role == "weight")
    for _, state, finite in networks.portions(units * sum(len(part.labels) for part in parts.values())):
        plane = leading_plane(state[f"{layer}.weight"].numpy())
        positions, right = _positions(networks, state, layer, plane, parts, statistics)
        measured = {"share": plane.share, "accuracy": right, **_measures(positions, parts, classes)}
        found.append({name: by_moment(values, finite) for name, values in measured.items()})
        first.append(_of_first_seed(positions, parts, classes, finite.shape[1], settings.drawn.samples))
    variables = {
        name: (("seed", "moment", *dims), np.concatenate([one[name] for one in found], axis=1))
        for name, dims in DIMENSIONS.items()
        if name in found[0]
    }
    shown = {name: np.concatenate([one[name] for one in first]) for name in first[0]}
    drawn: dict[str, tuple] = {"mean_position": (("moment", "class", "axis"), shown["mean_position"])}
    for name, part in parts.items():
        of = f"{name}_sample"
        drawn[f"{name}_position"] = (("moment", "statistic", of, "axis"), shown[f"{name}_position"])
        drawn[f"{name}_class"] = (of, part.labels[evenly(len(part.labels), settings.drawn.samples)])
    return xr.Dataset(
        {**variables, **drawn, "moment_step": ("moment", networks.steps)},
        coords={"seed": list(networks.seeds)},
        attrs={"axes": dict(context.axes), "parts": list(parts), "statistics": statistics},
    )


def _positions(
    networks: Networks,
    state: State,
    layer: str,
    plane: Plane,
    parts: dict[str, LabelledSamples],
    statistics: list[str],
) -> tuple[dict[tuple[str, str], np.ndarray], np.ndarray]:
    """By part and statistic positions ``(run, sample, axis)``, and the accuracies ``(run, part, statistic)``.

    The two directions stand as two more outputs below the weights of the last layer, with bias 0: one pass gives the
    outputs and the coordinates of what enters that layer, whatever the layers below are.
    """
    forward = networks.forward
    extended = dict(state)
    extended[f"{layer}.weight"] = torch.cat(
        [state[f"{layer}.weight"], torch.from_numpy(plane.directions)], dim=1
    )
    if f"{layer}.bias" in state:
        extended[f"{layer}.bias"] = torch.nn.functional.pad(state[f"{layer}.bias"], (0, 2))
    positions, right = {}, []
    with torch.no_grad():
        for name, part in parts.items():
            for statistic in statistics:
                asked = forward.last_layer if statistic == "running" else forward.last_layer_batch
                assert asked is not None
                outputs = asked(extended, part.inputs)
                positions[name, statistic] = outputs[:, -2:].transpose(1, 2).numpy()
                right.append((answered(outputs[:, :-2]).numpy() == part.labels).mean(axis=1))
    return positions, np.stack(right, axis=1).reshape(-1, len(parts), len(statistics))


def _measures(
    positions: dict[tuple[str, str], np.ndarray], parts: dict[str, LabelledSamples], classes: int
) -> dict[str, Float[np.ndarray, "run ..."]]:
    statistics = list(dict.fromkeys(statistic for _, statistic in positions))
    train = parts["train"].labels
    means = {one: class_means(positions["train", one], train, classes) for one in statistics}
    seen = statistics[-1]
    separated = [
        [nearest_mean_accuracy(positions[name, one], part.labels, means[one]) for one in statistics]
        for name, part in parts.items()
    ]
    found = {"separation": np.moveaxis(np.array(separated), 2, 0)}
    if len(statistics) == 2:
        both = [(positions[name, "running"], positions[name, "batch"], parts[name].labels) for name in parts]
        found["shift"] = np.stack([shift(one, other) for one, other, _ in both], axis=1)
        found["in_place"] = np.stack(
            [nearest_mean_accuracy(one, labels, means[seen]) for one, _, labels in both], axis=1
        )
    if "test" in parts:
        apart = [
            offset(positions["test", one], parts["test"].labels, positions["train", seen], train, classes)
            for one in statistics
        ]
        found["offset"] = np.stack([distance for distance, _ in apart], axis=1)
        found["offset_floor"] = np.stack([floor for _, floor in apart], axis=1)
    return found


def _of_first_seed(
    positions: dict[tuple[str, str], np.ndarray],
    parts: dict[str, LabelledSamples],
    classes: int,
    moments: int,
    most: int,
) -> dict[str, np.ndarray]:
    """What is drawn: the runs are seed-major, so the first ones are the moments of the first seed."""
    statistics = list(dict.fromkeys(statistic for _, statistic in positions))
    found = {}
    for name, part in parts.items():
        shown = evenly(len(part.labels), most)
        of_part = [positions[name, one][:moments, shown] for one in statistics]
        found[f"{name}_position"] = np.stack(of_part, axis=1)
    reference = positions["train", statistics[-1]][:moments]
    found["mean_position"] = class_means(reference, parts["train"].labels, classes)
    return found
