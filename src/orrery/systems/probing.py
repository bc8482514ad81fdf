"""The response of a network to one extra gradient step on a single pair (x0, y0).

The step is taken and forgotten: weights are moved in a copy, the state is never written to, so that there is nothing to
undo. All runs, probes and places are done in batches of bounded memory. The response law that this tests is that of
Nakazato (arXiv 2204.07291); the protocol and the three normalisations are our own:

    raw = f(x; w - rate grad l(x0, y0)) - f(x; w)
    out = raw / (rate (-dl/df at x0)), the tangent kernel of the output f as the rate goes to 0
    pre = the same of the last layer u before the link, divided by rate (-dl/du at x0)

With several outputs the responses are taken along the direction d in which the outputs at x0 are pushed, of length one:
d . change(x), divided by the rate and the length of the slope. With one output ``out`` and ``pre`` are the above in
either way, and ``raw`` keeps its sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from orrery.config.errors import OrreryError
from orrery.systems import links
from orrery.systems.forward import Forward
from orrery.systems.hessian import moved

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.system import State, System

ROOM = 2**22
"""Numbers in the weights, or in the responses, of a batch of pairs."""
CACHED = 2**17
"""Numbers in the widest layer of a portion of a forward pass: what stays in a cache is faster than what does not."""
SHIFT = 0.5


@dataclass(frozen=True)
class Responses:
    """Responses of each run to each probe, at the places x and at the probe x0 itself.

    Attributes:
        raw, out, pre: in the three normalisations.
        own_raw, own_out, own_pre: the same at x = x0.
        layer: the last layer at x0 before the step.
        shifted: whether ``out`` and ``pre`` were probed with another target, the error being too close to rounding.
    """

    raw: Float[torch.Tensor, "run probe place"]
    out: Float[torch.Tensor, "run probe place"]
    pre: Float[torch.Tensor, "run probe place"]
    own_raw: Float[torch.Tensor, "run probe"]
    own_out: Float[torch.Tensor, "run probe"]
    own_pre: Float[torch.Tensor, "run probe"]
    layer: Float[torch.Tensor, "run probe output"]
    shifted: Float[torch.Tensor, "run probe"]


def network_of(system: System, analysis: str) -> Forward:
    """What the network of a system makes of inputs.

    Raises:
        OrreryError: the system is no network.
    """
    if system.forward is None:
        raise OrreryError(
            f"{analysis}: this system is no network and answers to no input; leave its conditions out of 'conditions'"
        )
    return system.forward


def weights_of(system: System, state: State) -> tuple[State, State]:
    """The tensors that a step moves, and the others that the network reads."""
    names = {component.name for component in moved(system)}
    held = {
        component.name: state[component.name]
        for component in system.components
        if component.role == "statistic"
    }
    return {name: state[name] for name in state if name in names}, held


def responses(
    system: System,
    state: State,
    inputs: Float[torch.Tensor, "run probe feature"],
    targets: Float[torch.Tensor, "run probe output"],
    places: Float[torch.Tensor, "place feature"],
    rate: float,
    *,
    shift_below: float = 0.0,
) -> Responses:
    """Responses of all runs to all their probes.

    The network is that of evaluation: with the statistics that it has recorded, and without dropout.

    Args:
        system: a network.
        state: tensors ``(run, *shape)``; states of several steps stand side by side as runs. Not written to.
        inputs: the probes x0 of each run; one run stands for all.
        targets: their y0.
        places: the inputs x at which the response is read.
        rate: of the probe step.
        shift_below: where the largest error at x0 is below this, ``out`` and ``pre`` are probed with targets half a
            unit from the outputs, on which they do not depend to first order. ``raw`` keeps the target.

    Raises:
        OrreryError: no network, or a shifted target where the loss takes classes.
    """
    forward = network_of(system, "probe")
    weights, held = weights_of(system, state)
    runs, probes = len(next(iter(weights.values()))), inputs.shape[1]
    flat = [tensor.expand(runs, -1, -1).reshape(runs * probes, 1, -1) for tensor in (inputs, targets)]
    widest = max((component.shape[0] for component in moved(system) if component.shape), default=1)
    outputs = targets.shape[2]
    size = max(outputs * len(places), widest, sum(component.size for component in moved(system)))
    portion = max(1, CACHED // (widest * len(places)))
    together = max(1, ROOM // size)
    parts = []
    for first in range(0, runs * probes, together):
        chosen = slice(first, min(first + together, runs * probes))
        # With one probe of each run a stretch of runs needs no copy.
        rows = chosen if probes == 1 else torch.arange(chosen.start, chosen.stop) // probes
        part = {name: tensor[rows] for name, tensor in weights.items()}
        fixed = {name: tensor[rows] for name, tensor in held.items()}
        given = flat[0][chosen], flat[1][chosen].transpose(1, 2)
        parts.append(_of_pairs(forward, part, fixed, *given, places[None], rate, shift_below, portion))
    joined = [torch.cat(column) for column in zip(*parts, strict=True)]
    return Responses(*(column.reshape(runs, probes, *column.shape[1:]) for column in joined))


def _of_pairs(
    forward: Forward,
    weights: State,
    held: State,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    places: torch.Tensor,
    rate: float,
    shift_below: float,
    portion: int,
) -> tuple[torch.Tensor, ...]:
    """The fields of :class:`Responses` for pairs of a run and one probe."""
    loss = forward.loss
    with torch.no_grad():
        before = _layers(forward, {**weights, **held}, places, portion)
    with torch.enable_grad():
        at = {name: tensor.detach().requires_grad_() for name, tensor in weights.items()}
        layer = forward.last_layer({**at, **held}, inputs)
    with torch.no_grad():
        own = layer.detach()
        small = links.distance(loss, own, targets).abs().amax(dim=(1, 2)) < shift_below
        several = bool(small.any())
        other = _shifted(forward, own, targets, small) if several else targets

        def step(wanted: torch.Tensor, keep: bool) -> tuple[torch.Tensor, ...]:
            slope = links.slope_of_layer(loss, own, wanted)
            found = torch.autograd.grad(layer, list(at.values()), slope, retain_graph=keep)
            moved_weights = {
                name: torch.add(tensor, gradient, alpha=-rate)
                for (name, tensor), gradient in zip(weights.items(), found, strict=True)
            }
            now = {**moved_weights, **held}
            return slope, _layers(forward, now, places, portion), forward.last_layer(now, inputs)

        slope, after, after_own = step(other, several)
        of_output = links.slope_of_output(loss, own, other)
        shift_out = links.change(loss, before, after), links.change(loss, own, after_own)
        shift_pre = after - before, after_own - own
        out, own_out = (_along(part, of_output, rate) for part in shift_out)
        pre, own_pre = (_along(part, slope, rate) for part in shift_pre)
        if several:
            # What the step does to the real target is asked anew.
            _, after, after_own = step(targets, False)
            of_output = links.slope_of_output(loss, own, targets)
            shift_out = links.change(loss, before, after), links.change(loss, own, after_own)
        raw, own_raw = (_along(part, of_output, None) for part in shift_out)
    return raw, out, pre, own_raw[:, 0], own_out[:, 0], own_pre[:, 0], own[:, :, 0], small.to(raw.dtype)


def _layers(forward: Forward, state: State, places: torch.Tensor, portion: int) -> torch.Tensor:
    """The last layer at the places, so many runs at a time."""
    portions = zip(*(tensor.split(portion) for tensor in state.values()), strict=True)
    parts = [forward.last_layer(dict(zip(state, part, strict=True)), places) for part in portions]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _along(changed: torch.Tensor, slope: torch.Tensor, rate: float | None) -> torch.Tensor:
    """The change along the direction against the slope; with a rate divided by it and by the length of the slope."""
    if slope.shape[1] == 1:
        return changed[:, 0] if rate is None else changed[:, 0] / (-rate * slope[:, 0])
    length = slope.norm(dim=1, keepdim=True)
    direction = -slope / length
    along = (changed * direction).sum(dim=1)
    return along if rate is None else along / (rate * length[:, 0])


def _shifted(
    forward: Forward, layer: torch.Tensor, targets: torch.Tensor, small: torch.Tensor
) -> torch.Tensor:
    """Targets half a unit from the outputs where the error is small, towards the middle of the link."""
    if forward.loss.kind == "likelihood":
        raise OrreryError(
            "probe: the error is close to rounding, and a loss on classes has no other target to probe with; write "
            "shift_below: 0"
        )
    outputs = forward.loss.outputs(layer, axis=1)
    middle = 0.5 if forward.loss.link in ("sigmoid", "softmax") else 0.0
    other = outputs + torch.where(outputs > middle, -SHIFT, SHIFT)
    return torch.where(small[:, None, None], other, targets)
