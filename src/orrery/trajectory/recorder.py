"""Record a training loop that is not Orrery's."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from orrery.config.errors import OrreryError
from orrery.trajectory.layout import PARTIAL
from orrery.trajectory.snapshot import Model, Tensor, choose, common_dtype, stacked, states_of
from orrery.trajectory.writer import Writer

INTERRUPTED = ".interrupted"


class Recorder:
    """Records a model step by step into a trajectory store.

    ::

        with orrery.Recorder("run.zarr") as recorder:
            recorder.record(0, model)
            for step, batch in enumerate(batches, start=1):
                loss = train(model, batch)
                recorder.record(step, model, loss=loss)

    The store appears at ``path`` when the block ends. If the block raises (also on Ctrl-C), nothing appears
    there: the steps recorded so far become a store of their own at ``<path>.interrupted``, which says so in
    its attributes, and the exception carries a note with its place. A process that is killed leaves
    ``<path>.partial``, which is never taken for a trajectory and is cleared by the next recorder.

    Args:
        path: where the store will lie; nothing may lie there.
        tensors: names or patterns (``fc*.weight``) of what to record; all of floating point where absent.
        steps: the steps that will be recorded, where they are known beforehand.
        seeds: seed of each run of an ensemble; 0, 1, ... where absent.
        copies: copy of each run; 0, the original, where absent.
        first_run: index of the first run, where several stores are to be joined.
        dtype: ``float32`` or ``float64``; that of the tensors where absent.
        attributes: what describes the data, e.g. ``{"settings": {...}}``.
    """

    def __init__(
        self,
        path: str | Path,
        tensors: Sequence[str] | str | None = None,
        *,
        steps: Sequence[int] | None = None,
        seeds: Sequence[int] | None = None,
        copies: Sequence[int] | None = None,
        first_run: int = 0,
        dtype: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        if self.path.exists():
            raise OrreryError(f"{self.path} exists already; remove it or record somewhere else")
        self._patterns = [tensors] if isinstance(tensors, str) else tensors
        self._steps, self._seeds, self._copies = steps, seeds, copies
        self._first_run, self._dtype, self._attributes = first_run, dtype, attributes
        self._writer: Writer | None = None
        self._tensors: tuple[Tensor, ...] = ()
        self._runs = 0

    def record(self, step: int, model: Model | None = None, /, **metrics: Any) -> None:
        """Record the model after ``step``, with any metrics.

        Args:
            step: number of optimizer steps taken; 0 is the start. Must increase.
            model: a module, a state dictionary, or a list of them with one entry per run; ``None`` records
                metrics only.
            metrics: name -> one number, or one per run.

        Raises:
            OrreryError: the model, a step or a metric does not fit what was recorded before.
        """
        if model is not None:
            states = states_of(model)
            if self._writer is None:
                self._writer = self._begin(states)
            if len(states) != self._runs:
                raise OrreryError(
                    f"{len(states)} runs were given at step {step} but {self._runs} before; "
                    "give all runs each time"
                )
            self._writer.record(step, stacked(states, self._tensors))
        if self._writer is None:
            raise OrreryError("the first call of record needs a model: its tensors say what the store holds")
        for name, value in metrics.items():
            self._writer.record_metric(name, step, _one_per_run(value, self._runs))

    def close(self) -> None:
        """Finish the store.

        Raises:
            OrreryError: nothing was recorded, or a step declared in ``steps`` is missing.
        """
        if self._writer is None:
            raise OrreryError(f"nothing was recorded for {self.path}; call record(step, model) at least once")
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif self._writer is not None and self._writer.partial.exists():
            place = self.path.with_name(self.path.name + INTERRUPTED)
            self._keep(self._writer, place, error)

    def _keep(self, writer: Writer, place: Path, error: BaseException) -> None:
        try:
            shutil.rmtree(place, ignore_errors=True)
            writer.interrupt(place)
            error.add_note(f"orrery: the steps recorded until then lie in {place}")
        except (OSError, OrreryError) as second:
            left = self.path.with_name(self.path.name + PARTIAL)
            error.add_note(
                f"orrery: what was recorded until then could not be finished ({second}); see {left}"
            )

    def _begin(self, states: Sequence[Mapping[str, torch.Tensor]]) -> Writer:
        self._tensors = choose(states[0], self._patterns)
        if not self._tensors:
            raise OrreryError("the model has no floating-point tensor to record")
        self._runs = len(states)
        seeds = list(range(self._runs)) if self._seeds is None else list(self._seeds)
        if len(seeds) != self._runs:
            raise OrreryError(
                f"{len(seeds)} seeds were named but {self._runs} runs were given; name one per run"
            )
        return Writer(
            self.path,
            components=self._tensors,
            steps=self._steps,
            seeds=seeds,
            copies=[0] * self._runs if self._copies is None else self._copies,
            first_run=self._first_run,
            dtype=self._dtype or common_dtype(states[0], self._tensors),
            attributes=self._attributes,
        )


def _one_per_run(value: Any, runs: int) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        tensor = value.detach()
    else:
        tensor = torch.as_tensor(value, dtype=torch.float64)
    return tensor.reshape(1) if tensor.ndim == 0 and runs == 1 else tensor
