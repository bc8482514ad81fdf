"""A buffer of steps in memory that is written as whole chunk files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orrery.config.errors import OrreryError
from orrery.trajectory.components import Entry, table_width

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    Values = Shaped[torch.Tensor, "run ..."] | Shaped[np.ndarray, "run ..."]
Write = Callable[[int, int, "Float[np.ndarray, 'file run row component']"], None]


class StepBuffer:
    """Gathers the rows of an array ``(run, step, component)`` and hands over whole chunk files.

    The values lie as ``(file, run, row, component of the file)``, so that what goes into one file is
    contiguous and is compressed without another copy. Two buffers take turns: while one is compressed and
    written by a thread, the other is filled.

    Args:
        runs: number of runs.
        file: runs, rows and components of one chunk file.
        entries: the tensors that make a row.
        dtype: of the stored values.
        write: called with the index of the first row, the number of rows, and the values, where rows not
            filled are NaN. Calls come in order and never overlap.
        worker: runs ``write``; ``None`` writes at once in the calling thread.
    """

    def __init__(
        self,
        runs: int,
        file: tuple[int, int, int],
        entries: Sequence[Entry],
        dtype: np.dtype[Any],
        write: Write,
        worker: ThreadPoolExecutor | None = None,
    ) -> None:
        self._runs = runs
        self._length = file[1]
        self._entries = tuple(entries)
        files = math.ceil(table_width(entries) / file[2])
        self._shape = (files, file[0] * math.ceil(runs / file[0]), file[1], file[2])
        self._padded = self._shape[1] > runs or files * file[2] > table_width(entries)
        self._pieces = _pieces(entries, file[2])
        self._dtype = dtype
        self._write = write
        self._worker = worker
        self._pending: Future[None] | None = None
        self._spare: np.ndarray | None = None
        self._values = self._allocate()
        self._first = 0
        self._filled = 0

    def _allocate(self) -> np.ndarray:
        if self._padded:
            return np.full(self._shape, np.nan, self._dtype)
        return np.empty(self._shape, self._dtype)

    @property
    def count(self) -> int:
        """Number of rows received so far."""
        return self._first + self._filled

    def put(self, tensors: Mapping[str, Values]) -> None:
        """Copy one step of all runs.

        Raises:
            OrreryError: a tensor is missing or has another shape.
        """
        row, runs = self._filled, self._runs
        for entry, pieces in zip(self._entries, self._pieces, strict=True):
            try:
                tensor = tensors[entry.name]
            except KeyError:
                raise OrreryError(
                    f"tensor '{entry.name}' is declared but was not given to the recorder; "
                    f"given were {', '.join(sorted(tensors)) or 'none'}"
                ) from None
            if tuple(tensor.shape) != (runs, *entry.shape):
                raise OrreryError(
                    f"tensor '{entry.name}' has shape {tuple(tensor.shape)} but {(runs, *entry.shape)} was "
                    "declared (the first axis counts the runs)"
                )
            # NumPy copies strided rows half again as fast as torch does.
            flat = host(tensor).reshape(runs, -1)
            for source, file, target in pieces:
                self._values[file, :runs, row, target] = flat[:, source]
        self._filled = row + 1
        if self._filled == self._length:
            self.flush()

    def flush(self) -> None:
        """Hand over the rows gathered so far and turn to the other buffer."""
        if not self._filled:
            return
        self.wait()
        values, first, rows = self._values, self._first, self._filled
        values[:, :, rows:] = np.nan
        self._first += rows
        self._filled = 0
        if self._worker is None:
            self._write(first, rows, values)
            return
        self._values = self._allocate() if self._spare is None else self._spare
        self._spare = values
        self._pending = self._worker.submit(self._write, first, rows, values)

    def wait(self) -> None:
        """Wait until the rows handed over are on disk.

        Raises:
            Whatever writing them raised.
        """
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()


def host(tensor: Values) -> Shaped[np.ndarray, "run ..."]:
    """The values of a tensor on any device, without a copy where they can be had without."""
    if not isinstance(tensor, torch.Tensor):
        return tensor
    found = tensor.detach()
    if found.dtype in (torch.bfloat16, torch.float16):
        found = found.float()
    return found.numpy(force=True)


def _pieces(entries: Sequence[Entry], width: int) -> list[list[tuple[slice, int, slice]]]:
    """For each tensor the stretches that fall into one file: place in the tensor, file, place in the file."""
    found = []
    for entry in entries:
        start, stop = entry.offset, entry.offset + entry.size
        pieces = []
        while start < stop:
            file = start // width
            end = min(stop, (file + 1) * width)
            place = slice(start - file * width, end - file * width)
            pieces.append((slice(start - entry.offset, end - entry.offset), file, place))
            start = end
        found.append(pieces)
    return found
