"""How far a job is: a bar on a terminal, plain lines with rate and time left in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import IO, Any

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_UPDATES = 0.1


class Progress:
    """Progress of one job through its steps.

    Args:
        label: what is being done.
        stream: where it is told; standard error where absent.
    """

    def __init__(self, label: str = "training", stream: IO[str] | None = None) -> None:
        self._label = label
        self._stream = sys.stderr if stream is None else stream
        self._bar: Any = None
        self._task: Any = None
        self._first = self._last = 0
        self._began: float | None = None
        self._told = 0.0

    def start(self, first: int, last: int) -> None:
        """Begin at step ``first``; the job ends at step ``last``."""
        self._first, self._last = first, last
        self._began = self._told = time.monotonic()
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(file=self._stream),
            )
            self._bar.start()
            self._task = self._bar.add_task(self._label, total=last - first, rate="")

    def advance(self, step: int) -> None:
        """Tell that ``step`` is reached; cheap enough to be called at every step."""
        now = time.monotonic()
        if self._began is None or now - self._told < (
            SECONDS_BETWEEN_UPDATES if self._bar else SECONDS_BETWEEN_LINES
        ):
            return
        self._told = now
        rate = (step - self._first) / max(now - self._began, 1e-9)
        if self._bar:
            self._bar.update(self._task, completed=step - self._first, rate=f"{rate:,.0f} steps/s")
        else:
            left = _duration((self._last - step) / rate) if rate > 0 else "unknown"
            self._line(f"step {step} of {self._last}, {rate:,.0f} steps/s, {left} left")

    def message(self, text: str) -> None:
        """Tell one thing that happened."""
        if self._bar:
            self._bar.console.print(f"{self._label}: {text}", markup=False, highlight=False)
        else:
            self._line(text)

    def finish(self) -> None:
        """End; tells how long it took."""
        if self._began is None:
            return
        seconds = time.monotonic() - self._began
        steps = self._last - self._first
        if self._bar:
            self._bar.update(self._task, completed=steps)
            self._bar.stop()
            self._bar = None
        else:
            self._line(f"{steps} steps in {_duration(seconds)}, {steps / max(seconds, 1e-9):,.0f} steps/s")
        self._began = None

    def _line(self, text: str) -> None:
        print(f"{self._label}: {text}", file=self._stream, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._bar:
            self._bar.stop()
        elif kind is None:
            self.finish()


class Everywhere(Progress):
    """The same progress told in several places: a bar on the terminal and lines in the log.

    Args:
        parts: who tells it; all are told the same.
    """

    def __init__(self, *parts: Progress) -> None:
        super().__init__()
        self._parts = parts

    def start(self, first: int, last: int) -> None:
        """As ``Progress.start``."""
        for part in self._parts:
            part.start(first, last)

    def advance(self, step: int) -> None:
        """As ``Progress.advance``."""
        for part in self._parts:
            part.advance(step)

    def message(self, text: str) -> None:
        """As ``Progress.message``."""
        for part in self._parts:
            part.message(text)

    def finish(self) -> None:
        """As ``Progress.finish``."""
        for part in self._parts:
            part.finish()


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
