"""Noisy inputs around a few samples that keep the class of their sample, in their leading principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from orrery.analyses.decision_regions_probes import decided, noise_around
from orrery.numerics.leading_components import leading_components
from orrery.systems.decisions import labels_of

if TYPE_CHECKING:
    from orrery.analyses.decision_regions import Settings
    from orrery.analyses.network_states import Networks
    from orrery.systems.system import State

COMPONENTS = 3


def points_around(
    networks: Networks, state: State, starts: Int[np.ndarray, " sample"], largest: float, settings: Settings
) -> dict[str, tuple]:
    """What is drawn of the first run: dimensions and values of each variable.

    Args:
        networks: with the samples.
        state: of all runs.
        starts: places of the samples in the training set.
        largest: amplitude; 0 for a run of which nothing is right.
        settings: how many points and amplitudes.
    """
    chosen, inputs = settings.drawn, networks.inputs
    labels = labels_of(networks.targets, "decision-regions").numpy()
    first = {name: tensor[:1] for name, tensor in state.items()}
    at = np.concatenate([[0.0], np.linspace(0, largest, chosen.amplitudes + 1)[1:]])
    points, columns = [np.zeros((0, inputs.shape[1]))], [np.zeros((3, 0))]
    for sample in starts.tolist() if largest > 0 else ():
        noise = noise_around(sample, chosen.amplitudes, chosen.points, inputs.shape[1]).numpy()
        around = at[1:, None, None] * noise
        own = np.concatenate([np.zeros((1, inputs.shape[1])), around.reshape(-1, inputs.shape[1])])
        own += inputs[sample].numpy()
        right = decided(networks, first, inputs.new_tensor(own))[0] == labels[sample]
        amplitude = np.concatenate([[0.0], np.repeat(at[1:], chosen.points)])
        points.append(own[right])
        columns.append(
            np.stack([np.full(len(own), sample), np.full(len(own), labels[sample]), amplitude])[:, right]
        )
    scores, shares = leading_components(np.concatenate(points), COMPONENTS)
    sample, label, amplitude = np.concatenate(columns, axis=1)
    return {
        "point": (("kept", "component"), scores),
        "point_sample": ("kept", sample.astype(int)),
        "point_class": ("kept", label.astype(int)),
        "point_amplitude": ("kept", amplitude),
        "variance_share": ("component", shares),
    }
