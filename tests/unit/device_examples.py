"""Stand-ins for a GPU, on the CPU: a way to the host that takes its time, and work that is done again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import torch


class SlowLane:
    """What is sent arrives late, and reads the device late, as a stream of its own does."""

    def __init__(self, seconds: float = 0.002) -> None:
        self.seconds = seconds
        self.sent = 0

    def host(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.full_like(rows, 77)

    def send(self, pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> Callable[[], None]:
        self.sent += 1

        def copy() -> None:
            time.sleep(self.seconds)
            for source, target in pairs:
                target.copy_(source)

        thread = threading.Thread(target=copy)
        thread.start()
        return thread.join


class Redone:
    """Captures of a device: work is done again by calling it."""

    def __init__(self) -> None:
        self.captured = 0
        self.replayed = 0

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        self.captured += 1
        for _ in range(3):
            work()
        return self.replay_of(work)

    def replay_of(self, work: Callable[[], None]) -> Callable[[], None]:
        def replay() -> None:
            self.replayed += 1
            tensors = written_by(work)
            versions = tuple(tensor._version for tensor in tensors)
            work()
            # A graph writes behind the back of torch, which counts what it writes itself.
            torch._C._autograd._unsafe_set_version_counter(tensors, versions)

        return replay

    def wait(self) -> None:
        pass


def written_by(work: Callable[[], None]) -> tuple[torch.Tensor, ...]:
    """The tensors of the state, then of the by-products, that captured work writes."""
    code, cells = work.__code__, work.__closure__ or ()  # type: ignore[attr-defined]
    held = {name: cell.cell_contents for name, cell in zip(code.co_freevars, cells, strict=True)}
    return (*held["after"].values(), *held["told"].values())
