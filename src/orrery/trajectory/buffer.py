"""A buffer of steps in memory that is written as whole chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
import zarr

from orrery.config.errors import OrreryError
from orrery.trajectory.components import Entry, table_width

Values = torch.Tensor | np.ndarray


class StepBuffer:
    """Gathers the rows of an array ``(run, step, component)`` and hands over whole chunks.

    Two buffers take turns: while one is compressed and written by a thread, the other is filled.

    Args:
        runs: number of runs.
        length: steps per buffer; the length of a chunk file along ``step``.
        entries: the tensors that make a row.
        dtype: of the stored values.
        write: called with the index of the first row and the rows ``(run, row, component)``; it must have
            finished with the rows when it returns. Calls come in order and never overlap.
        worker: runs ``write``; ``None`` writes at once in the calling thread.
    """

    def __init__(
        self,
        runs: int,
        length: int,
        entries: Sequence[Entry],
        dtype: np.dtype[Any],
        write: Callable[[int, np.ndarray], None],
        worker: ThreadPoolExecutor | None = None,
    ) -> None:
        self._shape = (runs, length, table_width(entries))
        self._entries = tuple(entries)
        self._dtype = dtype
        self._write = write
        self._worker = worker
        self._pending: Future[None] | None = None
        self._spare: tuple[np.ndarray, list[torch.Tensor]] | None = None
        self._values, self._views = self._allocate()
        self._first = 0
        self._filled = 0
        self.written = False

    def _allocate(self) -> tuple[np.ndarray, list[torch.Tensor]]:
        values = np.empty(self._shape, self._dtype)
        whole = torch.from_numpy(values)
        views = [
            whole[:, :, entry.slice].unflatten(2, entry.shape) if entry.shape else whole[:, :, entry.offset]
            for entry in self._entries
        ]
        return values, views

    @property
    def count(self) -> int:
        """Number of rows received so far."""
        return self._first + self._filled

    def put(self, tensors: Mapping[str, Values]) -> None:
        """Copy one step of all runs; each tensor is ``(run, *shape)``.

        Raises:
            OrreryError: a tensor is missing or has another shape.
        """
        row = self._filled
        for entry, view in zip(self._entries, self._views, strict=True):
            try:
                tensor = tensors[entry.name]
            except KeyError:
                raise OrreryError(
                    f"tensor '{entry.name}' is declared but was not given to the recorder; "
                    f"given were {', '.join(sorted(tensors)) or 'none'}"
                ) from None
            place = view[:, row]
            if tensor.shape != place.shape:
                raise OrreryError(
                    f"tensor '{entry.name}' has shape {tuple(tensor.shape)} but {tuple(place.shape)} was declared "
                    "(the first axis counts the runs)"
                )
            place.copy_(tensor.detach() if isinstance(tensor, torch.Tensor) else torch.from_numpy(tensor))
        self._filled = row + 1
        if self._filled == self._shape[1]:
            self.flush()

    def flush(self) -> None:
        """Hand over the rows gathered so far and turn to the other buffer."""
        if not self._filled:
            return
        self.written = True
        self.wait()
        rows, first = self._values[:, : self._filled], self._first
        self._first += self._filled
        self._filled = 0
        if self._worker is None:
            self._write(first, rows)
            return
        full = (self._values, self._views)
        self._values, self._views = self._spare or self._allocate()
        self._spare = full
        self._pending = self._worker.submit(self._write, first, rows)

    def wait(self) -> None:
        """Wait until the rows handed over are on disk.

        Raises:
            Whatever writing them raised.
        """
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()


def write_rows(array: zarr.Array[Any]) -> Callable[[int, np.ndarray], None]:
    """The function that puts rows ``(run, row, component)`` into ``array`` from a given step index on."""

    def write(first: int, rows: np.ndarray) -> None:
        array[:, first : first + rows.shape[1], :] = rows

    return write
