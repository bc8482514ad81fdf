"""Networks given as a ``torch.nn.Module``: one module, many stacked states, by ``functional_call`` and ``vmap``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.func import functional_call, grad_and_value, vmap

from orrery.config.errors import OrreryError
from orrery.systems.gradients import Dense, Gradient
from orrery.systems.losses import Loss
from orrery.systems.network_settings import Module as ModuleSettings
from orrery.systems.system import Component

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    from orrery.systems.system import Batch, State

    # The state of one run.
    RunState = dict[str, Float[torch.Tensor, " ..."]]


def construct(settings: ModuleSettings) -> torch.nn.Module:
    """Import and construct the module.

    Raises:
        OrreryError: where it cannot be imported, is no ``nn.Module``, or does not take the arguments.
    """
    place = "system.network.path"
    package, _, name = settings.path.replace(":", ".").rpartition(".")
    if not package:
        raise OrreryError(f"{place}: '{settings.path}' is no import path; write 'package.module.Class'")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        kind = getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError) as error:
        raise OrreryError(f"{place}: cannot import '{settings.path}': {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise OrreryError(f"{place}: '{settings.path}' is not a torch.nn.Module class")
    try:
        return kind(**settings.arguments)
    except (TypeError, ValueError) as error:
        raise OrreryError(f"system.network.arguments: {name} cannot be made from them: {error}") from error


def fresh_weights(settings: ModuleSettings, word: int) -> dict[str, Shaped[torch.Tensor, " ..."]]:
    """Weights and buffers of one run, of a module constructed under the given seed of PyTorch's own generator.

    Raises:
        OrreryError: as :func:`construct`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(word)
        module = construct(settings)
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


class StackedModule:
    """A stack of states of one module.

    Its floating-point buffers (running statistics) are part of the state. Of integer buffers, ``num_batches_tracked``
    is the step, others stay as they were constructed.

    Attributes:
        constants: tensors that start at one value, by name; none, since a module has rules of its own.

    Args:
        settings: path, arguments and batching.
        loss: on the output of the module.
        shape: of one sample as the module takes it.
        outputs: number of outputs that the loss expects.
        dtype, device: of the state.
    """

    def __init__(
        self,
        settings: ModuleSettings,
        loss: Loss,
        shape: tuple[int, ...],
        outputs: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.settings = settings
        self.loss = loss
        self.constants: dict[str, float] = {}
        self._shape = shape
        self._outputs = outputs
        self._module = construct(settings).to(device=device, dtype=dtype)
        self._check()
        self.weights = tuple(
            Component(name, tuple(value.shape), "bias" if name.rpartition(".")[2] == "bias" else "weight")
            for name, value in self._module.named_parameters()
        )
        buffers = dict(self._module.named_buffers())
        self.statistics = tuple(
            Component(name, tuple(value.shape), "statistic")
            for name, value in buffers.items()
            if value.is_floating_point()
        )
        self._integers = {name: value for name, value in buffers.items() if not value.is_floating_point()}

    def _check(self) -> None:
        example = torch.zeros((2, *self._shape), dtype=next(self._module.parameters()).dtype)
        module = self._module.eval()
        device = next(module.parameters()).device
        try:
            with torch.no_grad():
                result = module(example.to(device))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise OrreryError(
                f"system.network: {self.settings.path} does not take samples of shape {self._shape}: "
                f"{str(error).splitlines()[0]}; set system.network.input_shape"
            ) from error
        if not isinstance(result, torch.Tensor) or tuple(result.shape) != (2, self._outputs):
            found = tuple(result.shape[1:]) if isinstance(result, torch.Tensor) else type(result).__name__
            raise OrreryError(
                f"system.network: {self.settings.path} returns {found} per sample; the data need "
                f"{self._outputs} outputs"
            )

    def _fixed(self, t: int) -> dict[str, torch.Tensor]:
        return {
            name: torch.full_like(value, t) if name.endswith("num_batches_tracked") else value.clone()
            for name, value in self._integers.items()
        }

    def _call(
        self, weights: RunState, statistics: RunState, inputs: torch.Tensor, t: int
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Output of one run and its buffers afterwards; modules write into their buffers, so they get copies."""
        buffers = {name: value.clone() for name, value in statistics.items()}
        tensors = {**weights, **buffers, **self._fixed(t)}
        output = functional_call(self._module, tensors, (inputs.reshape(-1, *self._shape),))
        return output, buffers

    def _loss(
        self, weights: RunState, statistics: RunState, inputs: torch.Tensor, targets: torch.Tensor, t: int
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        output, buffers = self._call(weights, statistics, inputs, t)
        return self.loss.value(output, targets), buffers

    def differentiate(
        self, state: State, batch: Batch, t: int
    ) -> tuple[Float[torch.Tensor, " run"], dict[str, Gradient], State]:
        """Loss of each run, gradient of each weight, and statistics after the step.

        Raises:
            OrreryError: the module draws random numbers.
        """
        self._module.train()
        inputs, targets = batch["inputs"], batch["targets"]
        if len(inputs) == 1:
            # Runs that share their samples, each with false labels of its own.
            inputs = inputs.expand(len(targets), -1, -1)
        weights = {component.name: state[component.name] for component in self.weights}
        statistics = {component.name: state[component.name] for component in self.statistics}
        runs, groups = next(iter(weights.values())).shape[0], inputs.shape[0]

        def one(w: RunState, s: RunState, x: torch.Tensor, y: torch.Tensor) -> Any:
            return grad_and_value(self._loss, has_aux=True)(w, s, x, y, t)

        if self.settings.batching == "loop":
            before = torch.get_rng_state()
            found = [
                one(
                    _row(weights, r),
                    _row(statistics, r),
                    inputs[r * groups // runs],
                    targets[r * groups // runs],
                )
                for r in range(runs)
            ]
            if not torch.equal(before, torch.get_rng_state()):
                raise self._is_random()
            gradients = _stack([gradient for gradient, _ in found])
            value = torch.stack([loss for _, (loss, _) in found])
            after = _stack([buffers for _, (_, buffers) in found])
        else:
            folded = [
                {name: tensor.reshape(groups, -1, *tensor.shape[1:]) for name, tensor in part.items()}
                for part in (weights, statistics)
            ]
            try:
                together: Any = vmap(vmap(one, in_dims=(0, 0, None, None)))
                stacked = together(*folded, inputs, targets)
            except RuntimeError as error:
                if "random" in str(error):
                    raise self._is_random() from error
                raise
            gradients, (value, after) = stacked
            gradients = {name: tensor.flatten(0, 1) for name, tensor in gradients.items()}
            after = {name: tensor.flatten(0, 1) for name, tensor in after.items()}
            value = value.flatten()
        return value, {name: Dense(tensor) for name, tensor in gradients.items()}, after

    def _is_random(self) -> OrreryError:
        return OrreryError(
            f"system.network: {self.settings.path} draws random numbers in its forward pass (dropout?); "
            "randomness must come from a stream, so switch it off"
        )

    def predict(
        self, state: State, inputs: Float[torch.Tensor, "sample feature"]
    ) -> Float[torch.Tensor, "run output sample"]:
        """Output of every run on the same samples, in evaluation mode."""
        return self.last_layer(state, inputs[None])

    def last_layer(
        self, state: State, inputs: Float[torch.Tensor, "group sample feature"]
    ) -> Float[torch.Tensor, "run output sample"]:
        """Output of every run, in evaluation mode: on the same samples, or on samples of its own."""
        self._module.eval()
        weights = {component.name: state[component.name] for component in self.weights}
        statistics = {component.name: state[component.name] for component in self.statistics}

        def one(w: RunState, s: RunState, x: torch.Tensor) -> torch.Tensor:
            return self._call(w, s, x, 0)[0]

        shared = inputs.shape[0] == 1
        if self.settings.batching == "loop":
            runs = next(iter(weights.values())).shape[0]
            found = torch.stack(
                [one(_row(weights, r), _row(statistics, r), inputs[0 if shared else r]) for r in range(runs)]
            )
        elif shared:
            found = vmap(one, in_dims=(0, 0, None))(weights, statistics, inputs[0])
        else:
            found = vmap(one)(weights, statistics, inputs)
        return found.transpose(1, 2)


def _row(tensors: State, run: int) -> RunState:
    return {name: tensor[run] for name, tensor in tensors.items()}


def _stack(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
