"""What a step draws beside its samples: units that dropout leaves out, and false labels.

Both arrive in the batch, drawn from a stream by seed and step, so that a step remains a pure function and any stretch
can be replayed. Many steps are drawn at once: a stretch is keyed by its number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems.batches import STRETCH, Groups
from orrery.systems.samples import Split

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped

# Numbers of a stretch of one seed, at most, where a step takes fewer.
AT_ONCE = 2**18


class Stretches:
    """Draws of many steps at once, kept until those of other steps or groups are asked for.

    Args:
        draw: seed, number of the stretch and its length to an array (step, ...).
        numbers: of one step.
        device: of what is drawn.
    """

    def __init__(
        self,
        draw: Callable[[int, int, int], Shaped[np.ndarray, "step ..."]],
        numbers: int,
        device: torch.device,
    ) -> None:
        self._draw = draw
        self._length = max(1, min(STRETCH, AT_ONCE // max(numbers, 1)))
        self._device = device
        self._kept: tuple[tuple[Groups, int], torch.Tensor] | None = None

    def at(self, groups: Groups, t: int) -> Shaped[torch.Tensor, "group ..."]:
        """What was drawn for step ``t``."""
        stretch, position = divmod(t, self._length)
        if self._kept is None or self._kept[0] != (groups, stretch):
            rows = np.stack([self._draw(seed, stretch, self._length) for seed in groups.seeds])
            self._kept = ((groups, stretch), torch.from_numpy(rows).to(self._device))
        return self._kept[1][:, position]


class Masks:
    """Masks of dropout (Srivastava et al., JMLR 15, 1929 (2014)), inverted: 0, or 1/(1 - probability).

    Args:
        probability: that a unit is left out of one sample of a step.
        widths: of the layers whose units are.
        size: samples of a batch.
        streams: the stream ``dropout``.
        dtype, device: of the masks.
    """

    def __init__(
        self,
        probability: float,
        widths: Sequence[int],
        size: int,
        streams: Streams,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._widths = list(widths)
        self._kept = torch.tensor(1 / (1 - probability), dtype=dtype, device=device)
        shape = (sum(widths), size)

        def draw(seed: int, stretch: int, length: int) -> np.ndarray:
            generator = streams.generator("dropout", seed, "masks", stretch)
            return generator.random((length, *shape), dtype=np.float32) >= probability

        self._stretches = Stretches(draw, sum(widths) * size, device)

    def at(self, groups: Groups, t: int, samples: int) -> dict[str, Float[torch.Tensor, "group unit sample"]]:
        """The masks of step ``t``, ``dropout1`` for the first hidden layer, for a batch of so many samples."""
        drawn = self._stretches.at(groups, t)[:, :, :samples] * self._kept
        layers = torch.split(drawn, self._widths, dim=1)
        return {f"dropout{number}": mask for number, mask in enumerate(layers, start=1)}


class FalseLabels:
    """Targets of which some are false, other ones at every visit.

    Args:
        probability: that a label is replaced by one of the other classes, all alike; of targets without classes, that
            a 0 becomes a 1 or a 1 a 0.
        train: samples with their true targets.
        size: samples of a batch.
        streams: the stream ``label-noise``.

    Raises:
        OrreryError: there is one class, or targets are neither classes nor 0 or 1.
    """

    def __init__(self, probability: float, train: Split, size: int, streams: Streams) -> None:
        self._train = train
        outputs = train.targets.shape[1]
        binary = bool(((train.targets == 0) | (train.targets == 1)).all())
        if not binary or (train.labels is not None and outputs < 2):
            raise OrreryError(
                "system.label_noise: needs at least two classes, or targets that are 0 or 1; leave it out for this "
                "dataset"
            )
        self._rows = torch.eye(outputs, dtype=train.targets.dtype, device=train.targets.device)
        shape = (size,) if train.labels is not None else (size, outputs)

        def draw(seed: int, stretch: int, length: int) -> np.ndarray:
            generator = streams.generator("label-noise", seed, "visits", stretch)
            false = generator.random((length, *shape)) < probability
            if train.labels is None:
                return false
            # By how many classes a label is moved on.
            return np.where(false, generator.integers(1, outputs, (length, *shape)), 0)

        self._stretches = Stretches(draw, size * len(shape), train.targets.device)

    def at(
        self, groups: Groups, t: int, chosen: Int[torch.Tensor, "row sample"]
    ) -> Float[torch.Tensor, "group sample output"]:
        """The targets of the chosen samples at step ``t``: one row of samples for all groups, or one for each."""
        noise = self._stretches.at(groups, t)[:, : chosen.shape[1]]
        if self._train.labels is not None:
            return self._rows[(self._train.labels[chosen] + noise) % len(self._rows)]
        true = self._train.targets[chosen]
        return torch.where(noise, 1 - true, true)
