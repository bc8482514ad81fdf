"""Loss and accuracy of all runs on all samples, on demand and in bounded memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float

from orrery.systems.losses import Loss
from orrery.systems.samples import Samples

if TYPE_CHECKING:
    from orrery.systems.system import State

# Largest intermediate array, in numbers: the widest layer of all runs on one portion of the samples.
PORTION = 2**22


class Evaluation:
    """Metrics of a stack of networks.

    Args:
        network: gives ``predict`` and the shapes of its weights.
        loss: the loss of the training, with its factor and reduction.
        samples: the data.
    """

    def __init__(self, network: Any, loss: Loss, samples: Samples) -> None:
        self._network = network
        self._loss = loss
        self._samples = samples
        self._widest = max(component.shape[0] for component in network.weights if component.shape)
        self._last: tuple[weakref.ref[torch.Tensor], int, str, tuple[torch.Tensor, torch.Tensor]] | None = (
            None
        )

    def metrics(self) -> dict[str, Callable[[State], Float[torch.Tensor, " run"]]]:
        """``train_loss``, ``test_loss``, and ``train_accuracy``, ``test_accuracy`` where there are classes."""
        found: dict[str, Callable[[State], Float[torch.Tensor, " run"]]] = {}
        for part in ("train", "test"):
            found[f"{part}_loss"] = self._metric(part, 0)
            if self._samples.split(part).labels is not None:
                found[f"{part}_accuracy"] = self._metric(part, 1)
        return found

    def _metric(self, part: str, which: int) -> Callable[[State], Float[torch.Tensor, " run"]]:
        return lambda state: self._evaluate(state, part)[which]

    def _evaluate(
        self, state: State, part: str
    ) -> tuple[Float[torch.Tensor, " run"], Float[torch.Tensor, " run"]]:
        """Loss and share of right answers of each run; the last result is kept, since both are usually wanted."""
        first = next(iter(state.values()))
        if self._last is not None and self._last[0]() is first:
            _, version, of, result = self._last
            if (version, of) == (first._version, part):
                return result
        split = self._samples.split(part)
        runs, count = first.shape[0], len(split.inputs)
        portion = max(1, PORTION // (runs * self._widest))
        total = torch.zeros(runs, dtype=first.dtype, device=first.device)
        right = torch.zeros(runs, dtype=torch.int64, device=first.device)
        with torch.no_grad():
            for start in range(0, count, portion):
                inputs, targets = (
                    split.inputs[start : start + portion],
                    split.targets[start : start + portion],
                )
                last = self._network.predict(state, inputs)
                total += self._loss.summed(last, targets.T)
                if split.labels is not None:
                    right += (last.argmax(dim=1) == split.labels[start : start + portion]).sum(dim=1)
        result = (total * self._loss.weight(count, split.targets.shape[1]), right.to(first.dtype) / count)
        self._last = (weakref.ref(first), first._version, part, result)
        return result
