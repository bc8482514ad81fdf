"""Which samples make the batch of a step, by random access in the step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems import network_settings as settings_of
from orrery.systems.network_settings import Batches as BatchSettings
from orrery.systems.system import Runs

if TYPE_CHECKING:
    from jaxtyping import Int

# Steps drawn at once with replacement: a stretch is keyed by its number, so that any step can be reached directly.
STRETCH = 256


@dataclass(frozen=True)
class Groups:
    """Runs that share their batches, as equal stretches of consecutive runs.

    Attributes:
        seeds: one seed per group; its stream ``order`` gives the batches of the group.
    """

    seeds: tuple[int, ...]


def groups_of(runs: Runs, streams: Streams, *names: str) -> Groups:
    """Group the runs by their integers of some streams.

    Args:
        runs: seed-major runs.
        streams: says which seeds have one integer.
        names: of the streams; all runs are one group where there is none.

    Returns:
        One group per stretch of runs of the same integers where all stretches are equally long, else one per run.
    """
    keys = [tuple(streams.integer(name, seed) for name in names) for seed in runs.seeds]
    starts = [i for i, key in enumerate(keys) if i == 0 or keys[i - 1] != key]
    lengths = {b - a for a, b in zip(starts, [*starts[1:], len(keys)], strict=True)}
    chosen = starts if len(lengths) == 1 else range(len(keys))
    return Groups(tuple(runs.seeds[i] for i in chosen))


class SampleIndices:
    """The sample indices of each batch.

    Args:
        settings: how batches are made.
        samples: number of training samples.
        streams: the stream ``order``, keyed by seed and epoch.
        device: of the index tensors.

    Raises:
        OrreryError: where a batch is larger than the training set, or a fixed order names a sample that is not there.
    """

    def __init__(self, settings: BatchSettings, samples: int, streams: Streams, device: torch.device) -> None:
        self._streams = streams
        self._samples = samples
        self._device = device
        self.size = samples if isinstance(settings, settings_of.Full) else settings.size
        self.shared = isinstance(settings, settings_of.Full | settings_of.FixedOrder)
        self.every_sample = isinstance(settings, settings_of.Full)
        self._cached: tuple[tuple[Groups, int], torch.Tensor] | None = None
        self._at: Callable[[Groups, int], torch.Tensor]
        match settings:
            case settings_of.Shuffled(incomplete=incomplete):
                self._check_size()
                self._keep = incomplete == "keep"
                self._at = self._shuffled
            case settings_of.WithReplacement():
                self._at = self._replaced
            case settings_of.FixedOrder(order=order):
                self._order = np.arange(samples) if order is None else np.asarray(order, dtype=np.int64)
                if self._order.size == 0 or self._order.max() >= samples:
                    raise OrreryError(
                        f"system.batches.order: the training set has samples 0 to {samples - 1}; name at least one "
                        "of them and no other"
                    )
                self._at = self._fixed
            case _:
                self._whole = torch.arange(samples, device=device)[None]
                self._at = lambda groups, t: self._whole

    def at(self, groups: Groups, t: int) -> Int[torch.Tensor, "group sample"]:
        """Indices into the training samples of the batch of step ``t``."""
        return self._at(groups, t)

    def _check_size(self) -> None:
        if self.size > self._samples:
            raise OrreryError(
                f"system.batches.size: {self.size} is more than the {self._samples} training samples; write at most "
                f"{self._samples}"
            )

    def _table(self, groups: Groups, part: int, draw: Callable[[int], np.ndarray]) -> torch.Tensor:
        """The indices of one epoch or stretch for all groups, kept until another is asked for."""
        if self._cached is None or self._cached[0] != (groups, part):
            table = torch.from_numpy(np.stack([draw(seed) for seed in groups.seeds])).to(self._device)
            self._cached = ((groups, part), table)
        return self._cached[1]

    def _shuffled(self, groups: Groups, t: int) -> torch.Tensor:
        per_epoch = self._samples // self.size
        if self._keep:
            per_epoch = -(-self._samples // self.size)
        epoch, position = divmod(t, per_epoch)
        table = self._table(
            groups,
            epoch,
            lambda seed: self._streams.generator("order", seed, epoch).permutation(self._samples),
        )
        return table[:, position * self.size : (position + 1) * self.size]

    def _replaced(self, groups: Groups, t: int) -> torch.Tensor:
        stretch, position = divmod(t, STRETCH)

        def draw(seed: int) -> np.ndarray:
            generator = self._streams.generator("order", seed, "with-replacement", stretch)
            return generator.integers(0, self._samples, (STRETCH, self.size))

        return self._table(groups, stretch, draw)[:, position]

    def _fixed(self, groups: Groups, t: int) -> torch.Tensor:
        places = (t * self.size + np.arange(self.size)) % len(self._order)
        return torch.from_numpy(self._order[places]).to(self._device)[None]
