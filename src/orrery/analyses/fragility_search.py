"""The smallest change of each training input that flips the decision of recorded networks, and their slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from orrery.numerics.nearest_change import nearest_changes
from orrery.systems.decisions import ascent, decisions

if TYPE_CHECKING:
    from orrery.analyses.fragility import Attack, Search
    from orrery.systems.forward import Forward
    from orrery.systems.system import State


def nearest_flips(
    forward: Forward,
    state: State,
    inputs: Float[torch.Tensor, "sample 1"],
    labels: Int[torch.Tensor, " sample"],
    search: Search,
) -> Float[np.ndarray, "run sample"]:
    """Distance to the nearest input that is given another class, for inputs of one feature.

    Returns:
        Infinity where the search finds none, NaN where the sample itself is given another class.
    """

    def decide(places: np.ndarray) -> np.ndarray:
        at = torch.tensor(places, dtype=torch.float64)[:, :, None]
        with torch.no_grad():
            return np.asarray(decisions(forward, forward.last_layer(state, at)).numpy())

    return nearest_changes(
        decide,
        inputs[:, 0].numpy(),
        labels.numpy(),
        np.linspace(*search.interval, search.points),
        len(next(iter(state.values()))),
        search.tolerance,
    )


def attacked(
    forward: Forward,
    state: State,
    inputs: Float[torch.Tensor, "sample feature"],
    targets: Float[torch.Tensor, "sample output"],
    labels: Int[torch.Tensor, " sample"],
    attack: Attack,
) -> Float[np.ndarray, "run sample"]:
    """The smallest size eps at which x + eps sign(grad_x l) is given another class (Goodfellow et al., arXiv
    1412.6572).

    The direction is that at x, for every size.

    Returns:
        Infinity where no size flips the decision, NaN where the sample itself is given another class.
    """
    sizes = torch.from_numpy(np.geomspace(*attack.sizes, attack.count))
    direction = ascent(forward, state, inputs[None], targets, labels).sign()
    runs, samples, features = direction.shape
    with torch.no_grad():
        own = decisions(forward, forward.last_layer(state, inputs[None])) == labels
        moved = inputs + sizes[:, None, None] * direction[:, None]
        layer = forward.last_layer(state, moved.reshape(runs, -1, features))
        flipped = decisions(forward, layer).reshape(runs, len(sizes), samples) != labels
        smallest = torch.where(flipped, sizes[:, None], torch.inf).amin(dim=1)
        return np.asarray(torch.where(own, smallest, torch.nan).numpy())


def largest_slope(
    forward: Forward, state: State, inputs: Float[torch.Tensor, "sample feature"]
) -> Float[np.ndarray, " run"]:
    """The largest norm of the gradient of an output, behind the link, with respect to the input, over some inputs."""
    runs = len(next(iter(state.values())))
    with torch.enable_grad():
        at = inputs.expand(runs, -1, -1).clone().requires_grad_()
        outputs = forward.loss.outputs(forward.last_layer(state, at), axis=1)
        # One backward pass for each output: samples and runs do not meet, so that their gradients stand side by side.
        slopes = [
            torch.autograd.grad(outputs[:, place].sum(), at, retain_graph=True)[0].norm(dim=2).amax(dim=1)
            for place in range(outputs.shape[1])
        ]
    return np.asarray(torch.stack(slopes).amax(dim=0).numpy())
