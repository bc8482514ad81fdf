"""Loss and accuracy of all runs on all samples, on demand and in bounded memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float

from orrery.systems.losses import Loss
from orrery.systems.mlp import StackedMlp
from orrery.systems.modules import StackedModule
from orrery.systems.samples import Samples, Split

if TYPE_CHECKING:
    from orrery.systems.system import State

# Largest intermediate array, in numbers: the widest layer of all runs on one portion of the samples.
PORTION = 2**22

# A tensor that was evaluated, and how often it had been written to.
_Seen = tuple[weakref.ref[torch.Tensor], int]
Metric = Callable[["State"], Float[torch.Tensor, " run"]]


class Evaluation:
    """Metrics of a stack of networks.

    Args:
        network: gives the last layer and the shapes of its weights.
        loss: the loss of the training, with its factor and reduction.
        samples: the data.
    """

    def __init__(self, network: StackedMlp | StackedModule, loss: Loss, samples: Samples) -> None:
        self._network = network
        self._loss = loss
        self._samples = samples
        self._widest = max(component.shape[0] for component in network.weights if component.shape)
        self._last: tuple[list[_Seen], tuple[str, bool], tuple[torch.Tensor, torch.Tensor]] | None = None

    def metrics(self) -> dict[str, Metric]:
        """``train_loss``, ``test_loss``, and ``train_accuracy``, ``test_accuracy`` where answers are right or wrong.

        With batch normalisation also ``train_loss_batch`` and so on: each run by the mean and variance of all
        evaluated samples instead of the running ones.
        """
        found: dict[str, Metric] = {}
        normalised = isinstance(self._network, StackedMlp) and self._network.normalisation is not None
        for ending, own in (("", False), ("_batch", True)) if normalised else (("", False),):
            for part in ("train", "test"):
                found[f"{part}_loss{ending}"] = self._metric(part, own, 0)
                if self._decides(self._samples.split(part)):
                    found[f"{part}_accuracy{ending}"] = self._metric(part, own, 1)
        return found

    def _decides(self, split: Split) -> bool:
        """Whether an answer is right or wrong: classes, or probabilities beside targets that are 0 or 1."""
        yes_or_no = self._loss.link == "sigmoid" and bool(((split.targets == 0) | (split.targets == 1)).all())
        return split.labels is not None or yes_or_no

    def _metric(self, part: str, own: bool, which: int) -> Metric:
        return lambda state: self._evaluate(state, part, own)[which]

    def _evaluate(
        self, state: State, part: str, own: bool
    ) -> tuple[Float[torch.Tensor, " run"], Float[torch.Tensor, " run"]]:
        """Loss and share of right answers of each run; the last result is kept, since both are usually wanted."""
        first = next(iter(state.values()))
        if self._last is not None and self._last[1] == (part, own) and _unchanged(self._last[0], state):
            return self._last[2]
        split = self._samples.split(part)
        count, outputs = split.targets.shape
        total = torch.zeros(first.shape[0], dtype=first.dtype, device=first.device)
        right = torch.zeros(first.shape[0], dtype=torch.int64, device=first.device)
        with torch.no_grad():
            for runs, chosen, last in self._portions(state, split.inputs, own):
                targets = split.targets[chosen]
                total[runs] += self._loss.summed(last, targets.T)
                if split.labels is not None:
                    right[runs] += (last.argmax(dim=1) == split.labels[chosen]).sum(dim=1)
                else:
                    right[runs] += ((last > 0) == (targets.T > 0.5)).sum(dim=(1, 2))
        answers = count if split.labels is not None else count * outputs
        result = (total * self._loss.weight(count, outputs), right.to(first.dtype) / answers)
        seen = [(weakref.ref(tensor), tensor._version) for tensor in state.values()]
        self._last = (seen, (part, own), result)
        return result

    def _portions(
        self, state: State, inputs: Float[torch.Tensor, "sample feature"], own: bool
    ) -> Iterator[tuple[slice, slice, Float[torch.Tensor, "run output portion"]]]:
        """The last layer of all runs on some samples at a time, or of some runs on all samples at once."""
        runs, count = next(iter(state.values())).shape[0], len(inputs)
        if not own:
            portion = max(1, PORTION // (runs * self._widest))
            for start in range(0, count, portion):
                chosen = slice(start, start + portion)
                yield slice(runs), chosen, self._network.predict(state, inputs[chosen])
            return
        assert isinstance(self._network, StackedMlp)
        together = max(1, PORTION // (count * self._widest))
        for start in range(0, runs, together):
            rows = slice(start, start + together)
            some = {name: tensor[rows] for name, tensor in state.items()}
            yield rows, slice(count), self._network.predict(some, inputs, own=True)


def _unchanged(seen: list[_Seen], state: State) -> bool:
    """Whether a state is the one that was seen: the same tensors, not written to since."""
    return len(seen) == len(state) and all(
        known() is tensor and version == tensor._version
        for (known, version), tensor in zip(seen, state.values(), strict=True)
    )
