"""The way of recorded tensors from a device to the host: portion by portion, while training goes on.

Nothing here knows CUDA; what does is a ``Lane`` (training/cuda.py), for which tests put one of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from jaxtyping import Shaped

    Values = Shaped[torch.Tensor, "run ..."]
    Rows = Shaped[torch.Tensor, "row run ..."]
Key = tuple[str, str]


class Lane(Protocol):
    """A way to the host beside the stream of the training."""

    def host(self, rows: Rows) -> Rows:
        """Memory on the host in which rows of this shape and type arrive."""

    def send(self, pairs: Sequence[tuple[Rows, Rows]]) -> Callable[[], None]:
        """Begin to copy each first tensor, as it is once all work given to the device so far is done, to its second.

        What is returned waits until all have arrived. Work given to the device later is not held up.
        """


class Portion:
    """Rows of tensors that travel together.

    Args:
        length: rows of one tensor that it has room for.
        lane: the way to the host.
    """

    def __init__(self, length: int, lane: Lane) -> None:
        self._length = length
        self._lane = lane
        self._there: dict[Key, torch.Tensor] = {}
        self._here: dict[Key, torch.Tensor] = {}
        self._rows: dict[Key, int] = {}

    def hold(self, key: Key, values: Values) -> int:
        """Copy a tensor on its device, before whoever made it writes over it; the row that it has."""
        if key not in self._there:
            self._there[key] = values.new_empty((self._length, *values.shape))
            self._here[key] = self._lane.host(self._there[key])
        row = self._rows.get(key, 0)
        self._there[key][row].copy_(values)
        self._rows[key] = row + 1
        return row

    def send(self) -> Callable[[], None]:
        """Begin the way to the host; what is returned waits for the arrival."""
        return self._lane.send(
            [(self._there[key][:rows], self._here[key][:rows]) for key, rows in self._rows.items()]
        )

    def arrived(self, key: Key, row: int) -> Values:
        """A row on the host, to be used before the portion is filled anew."""
        return self._here[key][row]

    def clear(self) -> None:
        """Make room for the next rows; the memory stays."""
        self._rows.clear()
