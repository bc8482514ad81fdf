"""Right answers of a network under Gaussian noise on its inputs or on its weights, for many amplitudes at once.

Input noise: x + s xi, s per component of the inputs. Weight noise: W + s std(W) xi for the weight of every layer, std
over the entries of that weight; biases, batch normalisation and all that is no matrix stay as they are. The same xi
serves all amplitudes, so that curves are smooth in s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems.answers import answered
from orrery.systems.system import Component, System

if TYPE_CHECKING:
    from orrery.systems.system import State

Kind = Literal["inputs", "weights"]

ROOM = 2**20
"""Numbers held at once by the widest layer and the perturbed weights or inputs. Larger portions leave the cache."""
READ = ("weight", "bias", "statistic")
"""Roles of what a forward pass reads."""


def noisy_weights(system: System) -> list[Component]:
    """The tensors that weight noise moves: matrices, no gains or shifts of units."""
    return [one for one in system.components if one.role == "weight" and len(one.shape) > 1]


def deviations(state: State, weights: Sequence[Component]) -> dict[str, Float[torch.Tensor, " run"]]:
    """Standard deviation over the entries of each weight, of each run."""
    return {one.name: state[one.name].flatten(1).std(dim=1, correction=0) for one in weights}


def weight_noise(
    component: Component, seeds: Sequence[int], draws: range, dtype: torch.dtype
) -> Float[torch.Tensor, "run draw *shape"]:
    """Standard normal noise of one weight: a draw of its own for every seed."""
    return _normal([(seed, "weight noise", component.name) for seed in seeds], component.shape, draws, dtype)


def input_noise(
    shape: tuple[int, int], draws: range, dtype: torch.dtype
) -> Float[torch.Tensor, "draw sample feature"]:
    """Standard normal noise of the inputs, the same for all runs; a sample keeps its own however many there are."""
    return _normal([(0, "input noise")], shape, draws, dtype)[0]


def _normal(
    keys: Sequence[tuple[int | str, ...]], shape: tuple[int, ...], draws: range, dtype: torch.dtype
) -> torch.Tensor:
    kind = np.float64 if dtype == torch.float64 else np.float32
    drawn = np.empty((len(keys), len(draws), *shape), dtype=kind)
    for row, (seed, *key) in enumerate(keys):
        for place, draw in enumerate(draws):
            Streams().generator("probe", int(seed), *key, draw).standard_normal(
                dtype=kind, out=drawn[row, place]
            )
    return torch.from_numpy(drawn)


def shares_right(
    system: System,
    state: State,
    inputs: Float[torch.Tensor, "sample feature"],
    labels: Int[torch.Tensor, " sample"],
    amplitudes: Float[np.ndarray, "run amplitude"],
    kind: Kind,
    draws: int,
    seeds: Sequence[int],
    room: int = ROOM,
) -> Float[np.ndarray, "run amplitude sample"]:
    """Share of the draws in which each sample is classified right.

    Its mean over samples is the accuracy, its mean over those of a class the accuracy of that class. Logits that
    overflow are computed again in float64; what overflows there too counts as wrong.

    Args:
        system: with a forward pass.
        state: of all runs; evaluation mode, with running statistics where there are any.
        inputs: what noise is added to.
        labels: the right classes.
        amplitudes: s, of each run its own; 0 is no noise.
        kind: what is perturbed.
        draws: how many draws of the noise.
        seeds: of the runs, which key the noise of their weights.
        room: numbers that may be held at once.

    Raises:
        OrreryError: the system has no forward pass, or no weight to move.
    """
    if system.forward is None:
        raise OrreryError("noise on inputs or weights needs a network; this system has no forward pass")
    moved = noisy_weights(system)
    if kind == "weights" and not moved:
        raise OrreryError(
            "noise on weights needs a weight with two dimensions or more; this network has none"
        )
    read = {one.name: state[one.name] for one in system.components if one.role in READ}
    runs, count = amplitudes.shape
    size = sum(tensor[0].numel() for tensor in read.values())
    widest = max([inputs.shape[1], *(one.shape[0] for one in moved)])
    block = min(len(inputs), max(1, room // (runs * widest)))
    # (draw, amplitude) pairs at a time; all amplitudes of some draws, or some amplitudes of one.
    pairs = max(1, room // (runs * (block * widest + (size if kind == "weights" else 0))))
    step = min(count, pairs)
    found = torch.zeros((runs, count, len(inputs)), dtype=torch.int32)
    at = torch.from_numpy(np.ascontiguousarray(amplitudes)).to(inputs.dtype)
    right = _under_weight_noise if kind == "weights" else _under_input_noise
    with torch.no_grad():
        for some in _portions(draws, max(1, pairs // count)):
            hit = right(system, read, inputs, moved, some, seeds)
            for few in _portions(count, step):
                for part in _portions(len(inputs), block):
                    given = slice(part.start, part.stop)
                    places = slice(few.start, few.stop)
                    hits = hit(at[:, places], given, labels[given])
                    found[:, places, given] += hits.sum(dim=1, dtype=torch.int32)
    return found.numpy() / draws


Answers = Callable[
    [Float[torch.Tensor, "run amplitude"], slice, Int[torch.Tensor, " sample"]],
    "Float[torch.Tensor, 'run draw amplitude sample']",
]


def _under_weight_noise(
    system: System,
    read: State,
    inputs: torch.Tensor,
    moved: Sequence[Component],
    draws: range,
    seeds: Sequence[int],
) -> Answers:
    spread = deviations(read, moved)
    noise = {one.name: weight_noise(one, seeds, draws, inputs.dtype) for one in moved}

    def answers(at: torch.Tensor, part: slice, labels: torch.Tensor) -> torch.Tensor:
        runs, count = at.shape
        states = {}
        for name, tensor in read.items():
            shape = (runs, len(draws), count, *tensor.shape[1:])
            ones = (1,) * (tensor.ndim - 1)
            if name in noise:
                scale = (at * spread[name][:, None]).reshape(runs, 1, count, *ones)
                shifted = tensor[:, None, None] + scale * noise[name][:, :, None]
            else:
                shifted = tensor[:, None, None].expand(shape)
            states[name] = shifted.reshape(-1, *tensor.shape[1:])
        hits = _hits(system, states, inputs[None, part], labels)
        return hits.reshape(runs, len(draws), count, -1)

    return answers


def _under_input_noise(
    system: System,
    read: State,
    inputs: torch.Tensor,
    moved: Sequence[Component],
    draws: range,
    seeds: Sequence[int],
) -> Answers:
    noise = input_noise((inputs.shape[0], inputs.shape[1]), draws, inputs.dtype)

    def answers(at: torch.Tensor, part: slice, labels: torch.Tensor) -> torch.Tensor:
        runs, count = at.shape
        # One group of inputs where all runs have the same amplitudes.
        own = at if (at != at[:1]).any() else at[:1]
        shifted = inputs[part] + own[:, None, :, None, None] * noise[None, :, None, part]
        repeated = labels.repeat(len(draws) * count)
        hits = _hits(system, read, shifted.reshape(len(own), -1, inputs.shape[1]), repeated)
        return hits.reshape(runs, len(draws), count, -1)

    return answers


def _hits(system: System, states: State, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Which samples are right, ``(run, sample)``."""
    assert system.forward is not None
    last = system.forward.last_layer(states, inputs)
    finite = torch.isfinite(last)
    if not finite.all() and last.dtype != torch.float64:
        doubled = {name: tensor.double() for name, tensor in states.items()}
        last = system.forward.last_layer(doubled, inputs.double())
        finite = torch.isfinite(last)
    return (answered(last) == labels) & finite.all(dim=1)


def _portions(count: int, step: int) -> Iterator[range]:
    for first in range(0, count, step):
        yield range(first, min(first + step, count))
