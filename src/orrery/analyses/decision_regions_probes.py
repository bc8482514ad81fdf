"""The inputs at which decisions are looked at, and the decisions of all runs on them, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from orrery.numerics.streams import Streams
from orrery.systems.decisions import decisions

if TYPE_CHECKING:
    from orrery.analyses.network_states import Networks
    from orrery.systems.system import State

ROOM = 2**22
"""Numbers that the widest layer of all runs, or the inputs, may need at a time."""


def first_of_each(labels: Int[np.ndarray, " sample"], classes: int, count: int) -> Int[np.ndarray, " chosen"]:
    """Places of the first so many samples of every class, in the order of the classes."""
    return np.concatenate([np.flatnonzero(labels == number)[:count] for number in range(classes)])


def directions(sample: int, rays: int, features: int) -> Float[torch.Tensor, "ray feature"]:
    """Standard normal directions of the rays from a sample, given by its place in the training set.

    The same for all runs, whatever other samples are looked at; more rays have the first ones among them.
    """
    generator = Streams().generator("probe", 0, "decision rays", sample)
    return torch.from_numpy(generator.standard_normal((rays, features)))


def noise_around(
    sample: int, amplitudes: int, points: int, features: int
) -> Float[torch.Tensor, "amplitude point feature"]:
    """Standard normal noise for inputs around a sample: other draws at every amplitude."""
    generator = Streams().generator("probe", 0, "points around a sample", sample)
    return torch.from_numpy(generator.standard_normal((amplitudes, points, features)))


def decided_along_rays(
    networks: Networks,
    state: State,
    samples: Int[np.ndarray, " sample"],
    rays: int,
    amplitudes: Float[np.ndarray, " amplitude"],
) -> Int[np.ndarray, "run sample ray amplitude"]:
    """The class that every run gives x + s xi, for each sample x, ray xi and amplitude s, which may be 0."""
    inputs, at = networks.inputs, torch.from_numpy(amplitudes)
    found = []
    for sample in samples.tolist():
        away = directions(sample, rays, inputs.shape[1])
        points = inputs[sample] + at[None, :, None] * away[:, None]
        found.append(decided(networks, state, points.flatten(0, 1)).reshape(-1, rays, len(at)))
    return np.stack(found, axis=1)


def decided_on_lines(
    networks: Networks, state: State, pairs: Int[np.ndarray, "pair 2"], points: int
) -> Int[np.ndarray, "run pair point"]:
    """The class that every run gives equally spaced points on the line between two samples, both ends included."""
    at = torch.linspace(0, 1, points + 2, dtype=torch.float64)[:, None]
    together = max(1, ROOM // (len(at) * networks.inputs.shape[1]))
    found = []
    for first in range(0, len(pairs), together):
        some = torch.from_numpy(pairs[first : first + together])
        start, end = networks.inputs[some[:, 0], None], networks.inputs[some[:, 1], None]
        line = (1 - at) * start + at * end
        found.append(decided(networks, state, line.flatten(0, 1)).reshape(-1, len(some), len(at)))
    return np.concatenate(found, axis=1)


def decided(
    networks: Networks, state: State, inputs: Float[torch.Tensor, "point feature"]
) -> Int[np.ndarray, "run point"]:
    """Decisions of all runs, a portion of the inputs at a time."""
    runs = next(iter(state.values())).shape[0]
    widest = max(one.shape[0] for one in networks.system.components if one.shape)
    together = max(1, ROOM // (runs * widest))
    found = []
    with torch.no_grad():
        for first in range(0, len(inputs), together):
            layer = networks.forward.last_layer(state, inputs[None, first : first + together])
            found.append(decisions(networks.forward, layer).numpy())
    return np.concatenate(found, axis=1)
