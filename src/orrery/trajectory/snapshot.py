"""Named tensors out of anyone's model: a module, a state dictionary, or an ensemble of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orrery.config.errors import OrreryError, nearest

if TYPE_CHECKING:
    from jaxtyping import Shaped

    # The tensors of one run.
    RunState = Mapping[str, Shaped[torch.Tensor, " ..."]]

Model = torch.nn.Module | Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True)
class Tensor:
    """A tensor that is recorded, as ``component_table`` wants it.

    Attributes:
        name: its name in the state dictionary.
        shape: its shape for one run.
        role: weight, bias, momentum or statistic.
        dims: empty; the axes are named by convention.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    dims: tuple[str, ...] = ()


def states_of(model: Model) -> list[dict[str, Shaped[torch.Tensor, " ..."]]]:
    """The tensors of each run, the model being one run or a list of runs.

    Raises:
        OrreryError: what was given is no model, or an entry is no tensor.
    """
    if isinstance(model, torch.nn.Module):
        return [model.state_dict()]
    if isinstance(model, Mapping):
        return [{str(name): _tensor(str(name), value) for name, value in model.items()}]
    if isinstance(model, Sequence) and not isinstance(model, str | bytes) and model:
        return [state for member in model for state in states_of(member)]
    raise OrreryError(
        f"an object of type {type(model).__name__} cannot be recorded; give an nn.Module, a state dictionary, "
        "or a list of them"
    )


def choose(state: RunState, patterns: Sequence[str] | None) -> tuple[Tensor, ...]:
    """The tensors of a state that are recorded: all of floating point, or those that match a pattern.

    Raises:
        OrreryError: a pattern matches nothing, or only tensors that are not of floating point.
    """
    floating = [name for name, tensor in state.items() if tensor.is_floating_point()]
    wanted = floating
    if patterns is not None:
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in floating):
                raise OrreryError(
                    f"no floating-point tensor of the model matches '{pattern}'; {nearest(pattern, floating)}"
                )
        wanted = [name for name in floating if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return tuple(Tensor(name, tuple(state[name].shape), role_of(name)) for name in wanted)


def role_of(name: str) -> str:
    """What a tensor is, by the names that PyTorch gives."""
    last = name.rsplit(".", 1)[-1]
    if last in {"running_mean", "running_var"}:
        return "statistic"
    if last in {"momentum", "momentum_buffer", "exp_avg"}:
        return "momentum"
    if last == "exp_avg_sq":
        return "second-moment"
    return "bias" if last == "bias" else "weight"


def stacked(
    states: Sequence[RunState], tensors: Sequence[Tensor]
) -> dict[str, Shaped[torch.Tensor, "run ..."]]:
    """The tensors of all runs; for one run without a copy.

    Raises:
        OrreryError: a run lacks a tensor, or has it in another shape.
    """
    for number, state in enumerate(states):
        for tensor in tensors:
            if tensor.name not in state:
                raise OrreryError(
                    f"run {number} has no tensor '{tensor.name}'; all runs need the same tensors"
                )
            if tuple(state[tensor.name].shape) != tensor.shape:
                raise OrreryError(
                    f"tensor '{tensor.name}' has shape {tuple(state[tensor.name].shape)} in run {number} but "
                    f"{tensor.shape} was recorded before; shapes cannot change within a trajectory"
                )
    if len(states) == 1:
        return {tensor.name: states[0][tensor.name].detach().unsqueeze(0) for tensor in tensors}
    return {tensor.name: torch.stack([state[tensor.name].detach() for state in states]) for tensor in tensors}


def common_dtype(state: RunState, tensors: Sequence[Tensor]) -> str:
    """``float64`` where any of the tensors is, else ``float32``."""
    double = any(state[tensor.name].dtype == torch.float64 for tensor in tensors)
    return "float64" if double else "float32"


def _tensor(name: str, value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    raise OrreryError(
        f"entry '{name}' is a {type(value).__name__}, not a tensor; "
        "give a state dictionary whose values are tensors"
    )
