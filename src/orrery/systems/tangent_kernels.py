"""The tangent kernel Theta(x, x') = grad f(x) . grad f(x') of a network; several outputs make a block.

Of the last layer u it is K_u, of the outputs f behind the link K_f: with one output
K_f(x, x') = f'(x) f'(x') K_u(x, x'). It is computed in two ways that share nothing but the forward pass: in closed form
for one hidden layer,

    K_u(x, x') = [1 + sum_i A(z_i) A(z'_i)] I + (x . x' + 1) sum_i a_i a_i^T A'(z_i) A'(z'_i),

where the ones are those of the biases, and by automatic differentiation for any network. A step of rate eta changes
f(x) by -eta Theta(x, x0) dl/df(x0) to first order in eta (Jacot, Gabriel, Hongler, arXiv 1806.07572).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from orrery.config.errors import OrreryError
from orrery.systems.activations import ACTIVATIONS
from orrery.systems.forward import Forward
from orrery.systems.probing import network_of, weights_of

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.system import State, System

    Inputs = Float[torch.Tensor, "group sample feature"]
    Kernel = Float[torch.Tensor, "run sample output other_sample other_output"]


def has_closed_form(system: System, state: State) -> bool:
    """Whether the network has one hidden layer of an activation that is known, and tensors of the usual names."""
    forward = system.forward
    return (
        forward is not None
        and forward.local_fields is not None
        and forward.activation in ACTIVATIONS
        and {name for name in weights_of(system, state)[0] if name.endswith(".weight")}
        == {"fc1.weight", "fc2.weight"}
        and not weights_of(system, state)[1]
    )


def closed_form(system: System, state: State, inputs: Inputs, others: Inputs | None = None) -> Kernel:
    """K_u between two sets of inputs for a network of one hidden layer, from its local fields.

    The derivative of ReLU at 0 is taken as 0.

    Args:
        system: a network with :func:`has_closed_form`.
        state: tensors ``(run, *shape)``.
        inputs: one group for all runs, or one for each.
        others: the second set; the first where absent.

    Raises:
        OrreryError: the network has no such form.
    """
    forward = network_of(system, "tangent kernel")
    if not has_closed_form(system, state) or forward.local_fields is None:
        raise OrreryError(
            "tangent kernel: the closed form is that of one hidden layer; take the kernel by automatic differentiation"
        )
    weights, _ = weights_of(system, state)
    with torch.no_grad():
        sides = [_side(forward, weights, x) for x in ((inputs,) if others is None else (inputs, others))]
        (x, active, steep), (other_x, other_active, other_steep) = sides[0], sides[-1]
        first = float("fc1.bias" in weights)
        last = float("fc2.bias" in weights)
        readout = weights["fc2.weight"]  # (run, output, unit)
        features = torch.bmm(active.transpose(1, 2), other_active) + last
        products = torch.matmul(x, other_x.transpose(1, 2)) + first  # (group, sample, other_sample)
        # sum_i a_ki a_ki' A'(z_i) A'(z'_i), outputs folded into samples
        left, right = (
            (readout[:, :, :, None] * slopes[:, None]).transpose(1, 2).flatten(2)
            for slopes in (steep, other_steep)
        )
        outputs = readout.shape[1]
        through = torch.bmm(left.transpose(1, 2), right).reshape(
            len(readout), outputs, x.shape[1], outputs, other_x.shape[1]
        )
        found = through.permute(0, 2, 1, 4, 3) * products[:, :, None, :, None]
        identity = torch.eye(outputs, dtype=found.dtype, device=found.device)
        return found + features[:, :, None, :, None] * identity[:, None, :]


def _side(
    forward: Forward, weights: State, inputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs, activations and their slopes on one side of the kernel."""
    assert forward.local_fields is not None
    (fields,) = forward.local_fields(weights, inputs)
    activation = ACTIVATIONS[forward.activation]
    active = activation.forward(fields)
    return inputs, active, activation.backward(torch.ones_like(fields), fields, active)


def jacobians(
    system: System, state: State, inputs: Inputs, *, link: bool = False
) -> Float[torch.Tensor, "run sample output weight"]:
    """The derivatives of the last layer, or of the outputs behind the link, with respect to all weights.

    Every pair of a run and an input becomes a run of its own, so that one backward pass gives the derivatives of one
    output for all of them.

    Args:
        system: a network.
        state: tensors ``(run, *shape)``.
        inputs: one group for all runs, or one for each.
        link: behind the link of the loss.
    """
    forward = network_of(system, "tangent kernel")
    weights, held = weights_of(system, state)
    runs, samples = len(next(iter(weights.values()))), inputs.shape[1]
    alone = inputs.expand(runs, -1, -1).reshape(runs * samples, 1, -1)
    with torch.enable_grad():
        at = {
            name: tensor.detach().repeat_interleave(samples, dim=0).requires_grad_()
            for name, tensor in weights.items()
        }
        fixed = {name: tensor.repeat_interleave(samples, dim=0) for name, tensor in held.items()}
        layer = forward.last_layer({**at, **fixed}, alone)
        values = forward.loss.outputs(layer, axis=1) if link else layer
        rows = []
        for output in range(values.shape[1]):
            found = torch.autograd.grad(values[:, output].sum(), list(at.values()), retain_graph=True)
            rows.append(torch.cat([tensor.flatten(1) for tensor in found], dim=1))
    return torch.stack(rows, dim=1).reshape(runs, samples, len(rows), -1)


def by_jacobians(
    system: System,
    state: State,
    inputs: Inputs,
    others: Inputs | None = None,
    *,
    link: bool = False,
) -> Kernel:
    """The kernel between two sets of inputs from the derivatives with respect to all weights, of any network.

    Args:
        system: a network.
        state: tensors ``(run, *shape)``.
        inputs: one group for all runs, or one for each.
        others: the second set; the first where absent.
        link: that of the outputs behind the link, K_f, rather than K_u.
    """
    left = jacobians(system, state, inputs, link=link)
    right = left if others is None else jacobians(system, state, others, link=link)
    folded = torch.bmm(left.flatten(1, 2), right.flatten(1, 2).transpose(1, 2))
    return folded.reshape(*left.shape[:3], *right.shape[1:3])


def applied(
    system: System,
    state: State,
    inputs: Inputs,
    probe: Inputs,
    direction: Float[torch.Tensor, "run output"],
    *,
    link: bool = False,
) -> Float[torch.Tensor, "run output sample"]:
    """K(x, x0) times a direction of the outputs at one x0, without the kernel: J(x) (J(x0)^T d), of any network.

    Args:
        system: a network.
        state: tensors ``(run, *shape)``.
        inputs: x; one group for all runs, or one for each.
        probe: x0, one sample; one group for all runs, or one for each.
        direction: d of each run.
        link: K_f rather than K_u.
    """
    forward = network_of(system, "tangent kernel")
    weights, held = weights_of(system, state)

    def values(at: State, x: torch.Tensor) -> torch.Tensor:
        layer = forward.last_layer({**at, **held}, x)
        return forward.loss.outputs(layer, axis=1) if link else layer

    # Double backward, as for tangents: forward mode would multiply with the zero tangents of all that is constant.
    with torch.enable_grad():
        at = {name: tensor.detach().requires_grad_() for name, tensor in weights.items()}
        there = values(at, probe)
        pulled = torch.autograd.grad(there, list(at.values()), direction[:, :, None])
        here = values(at, inputs)
        cotangent = torch.zeros_like(here).requires_grad_()
        back = torch.autograd.grad(here, list(at.values()), cotangent, create_graph=True)
        products = [(one * other.detach()).sum() for one, other in zip(back, pulled, strict=True)]
        product = torch.stack(products).sum()
        return torch.autograd.grad(product, cotangent)[0]


def wide_limit(
    x: Float[torch.Tensor, "*shape"], other: Float[torch.Tensor, "*shape"], units: int, spread: float
) -> Float[torch.Tensor, "*shape"]:
    """E K_u of one hidden layer of ReLU units for scalar inputs, with weights and biases of the first layer N(0, 1).

    The arc-cosine kernels of Cho and Saul (2009) with the bias as a second input; for a test of K_u.

    Args:
        x, other: the two inputs.
        units: N.
        spread: standard deviation of the weights of the last layer.
    """
    norms = torch.sqrt(1 + x**2), torch.sqrt(1 + other**2)
    product = x * other + 1
    angle = torch.arccos((product / (norms[0] * norms[1])).clamp(-1, 1))
    features = norms[0] * norms[1] * (torch.sin(angle) + (torch.pi - angle) * torch.cos(angle))
    return 1 + units * (features + spread**2 * product * (torch.pi - angle)) / (2 * torch.pi)
