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
            work()

        return replay

    def wait(self) -> None:
        pass
