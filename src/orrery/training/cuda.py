"""The few lines that talk to CUDA: the way to the host on a stream of its own, and steps captured in a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from orrery.training.portions import Rows

WARM_UPS = 3


class SideStream:
    """Copies to pinned memory on a stream of its own, so that training need not wait for the bus.

    Args:
        device: a CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)

    def host(self, rows: Rows) -> Rows:
        """Pinned memory: without it a copy would hold up the thread that asks for it."""
        return torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)

    def send(self, pairs: Sequence[tuple[Rows, Rows]]) -> Callable[[], None]:
        """Copy behind what the training stream has been given so far; what is returned waits for the arrival."""
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for source, target in pairs:
                target.copy_(source, non_blocking=True)
            # Blocking, so that the thread that waits sleeps and leaves the core to the one that trains.
            arrived = torch.cuda.Event(blocking=True)
            arrived.record(self._stream)
        wait: Callable[[], None] = arrived.synchronize
        return wait


class CudaGraphs:
    """Captures of work on a CUDA device.

    Args:
        device: a CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Do the work a few times, then capture it; what is returned does it again, on the same memory."""
        aside = torch.cuda.Stream(self._device)
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                work()
        torch.cuda.current_stream(self._device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # The thread that receives portions may call CUDA meanwhile; only this one must not.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            work()
        replay: Callable[[], None] = graph.replay
        return replay

    def wait(self) -> None:
        """Wait until all work given to the device is done."""
        torch.cuda.synchronize(self._device)
