"""Write a trajectory while it is being made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import zarr

from orrery.config.errors import OrreryError
from orrery.trajectory import layout as lay
from orrery.trajectory.arrays import consolidate, create, set_length
from orrery.trajectory.buffer import StepBuffer, Write
from orrery.trajectory.chunks import write_rows
from orrery.trajectory.components import (
    ComponentLike,
    Entry,
    component_table,
    table_width,
)
from orrery.trajectory.declared import check_names, floating, increasing, split_metrics
from orrery.trajectory.series import Series
from orrery.trajectory.tables import RunTable, write_tables

if TYPE_CHECKING:
    import torch
    from jaxtyping import Int, Shaped

    from orrery.trajectory.buffer import Values

_GROWING = 2**40


class Writer:
    """A store of the recorded states of several runs.

    The store is made in ``<path>.partial`` and takes its name when it is whole: what lies at ``path`` is
    complete, whatever happened to the process.

    Args:
        path: where the store will lie; nothing may lie there.
        components: the tensors of a state, in their order; none where only observables are kept.
        steps: the steps that will be recorded, increasing; ``None`` where their number is not known yet.
        seeds: seed of each run.
        copies: copy of each run; 0 is the original.
        first_run: index of the first run among all runs of the condition.
        dtype: ``float32`` or ``float64``.
        metrics: name -> steps of the metrics recorded at every step; all on one step coordinate. Where
            absent, any metric is taken at any step.
        evaluations: name -> steps of the metrics measured now and then; all on one step coordinate. Metrics
            given in ``metrics`` on fewer steps than the others are taken for these.
        observables: name -> (shape, dtype) of what is recorded of each run together with the state.
        attributes: what describes the data: settings, units. No times and no host names: equal data has
            equal bytes.
        background: compress and write in a thread of its own.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        components: Iterable[ComponentLike],
        steps: Sequence[int] | None,
        seeds: Sequence[int],
        copies: Sequence[int],
        first_run: int = 0,
        dtype: str | np.dtype[Any] = "float32",
        metrics: Mapping[str, Sequence[int]] | None = None,
        evaluations: Mapping[str, Sequence[int]] | None = None,
        observables: Mapping[str, tuple[Sequence[int], Any]] | None = None,
        attributes: Mapping[str, Any] | None = None,
        background: bool = True,
        buffer_bytes: int = lay.BUFFER_BYTES,
    ) -> None:
        self.path = Path(path)
        self.partial = self.path.with_name(self.path.name + lay.PARTIAL)
        self.entries = component_table(components)
        self._dtype = floating(dtype)
        self._seeds = np.asarray(seeds, np.int64)
        self._copies = np.asarray(copies, np.int64)
        if len(self._seeds) != len(self._copies) or not len(self._seeds):
            raise OrreryError(
                f"{self.path}: {len(self._seeds)} seeds and {len(self._copies)} copies were given; "
                "give both for each run"
            )
        self._first_run = int(first_run)
        self._steps = None if steps is None else increasing(steps, self.path)
        self._recorded: list[int] = []
        self._attributes = dict(attributes or {})
        self._any_metric = metrics is None
        daily, rare = split_metrics(dict(metrics or {}), dict(evaluations or {}))
        self._series = {
            lay.METRICS: {name: Series(name, self.runs, at) for name, at in daily.items()},
            lay.EVALUATIONS: {name: Series(name, self.runs, at) for name, at in rare.items()},
        }
        self._observables = {
            name: (Entry(name, 0, tuple(shape), "observable", ()), floating(kind))
            for name, (shape, kind) in dict(observables or {}).items()
        }
        check_names([*self._observables, *(name for group in self._series.values() for name in group)])
        if self.path.exists():
            raise OrreryError(f"{self.path} exists already; remove it or write the trajectory somewhere else")
        self._begin(background, buffer_bytes)

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self._seeds)

    def record(self, step: int, tensors: Mapping[str, Values]) -> None:
        """Record the state after ``step``, one tensor by the name of each. Other entries are ignored.

        Raises:
            OrreryError: the step is not the next declared one, or a tensor is missing or misshapen.
        """
        self._expect(step)
        if self._state is not None:
            self._state.put(tensors)
        self._recorded.append(int(step))

    def record_observable(self, name: str, step: int, values: Values) -> None:
        """Record an observable after ``step``, at every step that the state is recorded at.

        Raises:
            OrreryError: the observable was not declared, or the step is not its next one.
        """
        buffer = self._buffers.get(name)
        if buffer is None or name == "state":
            raise OrreryError(
                f"observable '{name}' was not declared; declared are {', '.join(self._observables) or 'none'}"
            )
        if self._steps is not None:
            expected = self._steps[buffer.count] if buffer.count < len(self._steps) else None
            if step != expected:
                raise OrreryError(
                    f"observable '{name}' was given at step {step}; its next declared step is {expected}"
                )
        buffer.put({name: values})

    def record_metric(
        self, name: str, step: int, values: Shaped[torch.Tensor, " run"] | Shaped[np.ndarray, " run"]
    ) -> None:
        """Record a metric after ``step``.

        Raises:
            OrreryError: the metric or the step was not declared, or there is not one value per run.
        """
        for group in self._series.values():
            if name in group:
                group[name].put(step, values)
                return
        if not self._any_metric:
            declared = ", ".join(name for group in self._series.values() for name in group) or "none"
            raise OrreryError(f"metric '{name}' was not declared; declared are {declared}")
        check_names([*self._observables, name])
        self._series[lay.METRICS][name] = Series(name, self.runs, None)
        self._series[lay.METRICS][name].put(step, values)

    def close(
        self,
        status: Int[np.ndarray, " run"] | None = None,
        last_step: Int[np.ndarray, " run"] | None = None,
    ) -> None:
        """Write what is left and give the store its name.

        Args:
            status: of each run: 0 for one that went well, 1 for one that diverged. All 0 where absent.
            last_step: the last step at which each run was finite; the last recorded one where absent.

        Raises:
            OrreryError: nothing was recorded, or not all declared steps although a run was finite then.
        """
        steps = np.asarray(self._recorded if self._steps is None else self._steps, np.int64)
        if not len(steps):
            raise OrreryError(f"{self.path}: no step was recorded; a trajectory holds at least one")
        state = np.zeros(self.runs, np.int64) if status is None else np.asarray(status, np.int64)
        last = np.full(self.runs, steps[-1]) if last_step is None else np.asarray(last_step, np.int64)
        self._check_complete(steps, int(last.max()))
        self._finish(steps, state, last, self.path)

    def interrupt(self, path: Path) -> None:
        """Close what was recorded so far as a store of its own at ``path``; nothing comes to ``self.path``.

        The store is whole and says ``interrupted`` in its attributes. Declared steps that were not reached
        are not in it.
        """
        steps = np.asarray(self._recorded, np.int64)
        self._group.attrs["interrupted"] = True
        self._finish(steps, np.zeros(self.runs, np.int64), np.full(self.runs, steps[-1]), path)

    def _finish(self, steps: np.ndarray, status: np.ndarray, last: np.ndarray, path: Path) -> None:
        for name, buffer in self._buffers.items():
            buffer.flush()
            buffer.wait()
            self._open_array(name)
            if buffer.count < len(steps):
                self._arrays[name][:, buffer.count : len(steps), :] = np.nan
            if self._arrays[name].shape[1] != len(steps):
                set_length(self.partial / name / "zarr.json", len(steps))
        if self._worker is not None:
            self._worker.shutdown()
        runs = RunTable(np.arange(self._first_run, self._first_run + self.runs), self._seeds, self._copies)
        write_tables(self._group, self.entries, runs, steps, self._series, status, last)
        consolidate(self.partial)
        self.partial.rename(path)

    def abandon(self) -> None:
        """Stop; the unfinished store stays at ``<path>.partial`` and is never taken for a whole one."""
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abandon()
        elif self.partial.exists():
            self.close()

    # -- how it is done ------------------------------------------------------------------------------------

    def _begin(self, background: bool, buffer_bytes: int) -> None:
        if self.partial.exists():
            shutil.rmtree(self.partial)
        self.partial.mkdir(parents=True)
        self._group = zarr.open_group(
            self.partial, mode="w", zarr_format=3, attributes=self._root_attributes()
        )
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="orrery-writer") if background else None
        tables: dict[str, tuple[tuple[Entry, ...], np.dtype[Any]]] = {}
        if table_width(self.entries):
            tables["state"] = (self.entries, self._dtype)
        tables |= {name: ((entry,), kind) for name, (entry, kind) in self._observables.items()}
        rows = {
            name: max(1, table_width(entries)) * kind.itemsize for name, (entries, kind) in tables.items()
        }
        budget = buffer_bytes // (2 if background else 1)
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._layouts: dict[str, Callable[[int | None], lay.Layout]] = {}
        self._buffers: dict[str, StepBuffer] = {}
        self._count = None if self._steps is None else len(self._steps)
        for name, (entries, kind) in tables.items():
            share = budget * rows[name] // sum(rows.values())
            self._layouts[name] = _chooser(self.runs, table_width(entries), kind.itemsize, share)
            file = self._layouts[name](self._count).file
            write = self._array_writer(name)
            self._buffers[name] = StepBuffer(self.runs, file, entries, kind, write, self._worker)
        self._state = self._buffers.get("state")

    def _array_writer(self, name: str) -> Write:
        folder = self.partial / name

        def write(first: int, rows: int, values: np.ndarray) -> None:
            self._open_array(name)
            write_rows(folder, self._arrays[name], self._layouts[name](self._count), first, rows, values)

        return write

    def _open_array(self, name: str) -> None:
        """Create the array; longer than any training where the steps are not known, and cut at the end."""
        if name in self._arrays:
            return
        if name == "state":
            kind, width, dim, label = self._dtype, table_width(self.entries), "component", "recorded state"
        else:
            entry, kind = self._observables[name]
            width, dim, label = entry.size, f"{name}_component", f"observable {name}"
        self._arrays[name] = create(
            self._group,
            name,
            (self.runs, _GROWING if self._count is None else self._count, width),
            kind,
            ("run", "step", dim),
            {"long_name": label, "units": "1"},
            self._layouts[name](self._count),
        )

    def _expect(self, step: int) -> None:
        position = len(self._recorded)
        if self._steps is None:
            if self._recorded and step <= self._recorded[-1]:
                raise OrreryError(f"step {step} comes after step {self._recorded[-1]}; steps must increase")
        elif position >= len(self._steps) or self._steps[position] != step:
            expected = self._steps[position] if position < len(self._steps) else "none, all are recorded"
            raise OrreryError(f"{self.path}: step {step} was given; the next declared step is {expected}")

    def _check_complete(self, steps: np.ndarray, last: int) -> None:
        counts = {"the state": len(self._recorded)} if self._state is not None else {}
        counts |= {f"observable '{name}'": self._buffers[name].count for name in self._observables}
        for what, count in counts.items():
            if count < len(steps) and steps[count] <= last:
                raise OrreryError(
                    f"{self.path}: {what} was recorded at {count} of {len(steps)} declared steps; "
                    f"step {steps[count]} is the first that is missing"
                )
        for group in self._series.values():
            for series in group.values():
                missing = [step for step in series.missing() if step <= last]
                if missing:
                    raise OrreryError(
                        f"{self.path}: metric '{series.name}' was not recorded at step {missing[0]}"
                    )

    def _root_attributes(self) -> dict[str, Any]:
        fixed = {
            "coordinates": "copy seed",
            "schema": lay.SCHEMA,
            "schema_version": lay.SCHEMA_VERSION,
            "components": [entry.to_json() for entry in self.entries],
            "observables": {name: list(entry.shape) for name, (entry, _) in self._observables.items()},
            "seeds": self._seeds.tolist(),
            "copies": self._copies.tolist(),
        }
        taken = sorted(set(fixed) & set(self._attributes))
        if taken:
            raise OrreryError(
                f"attribute '{taken[0]}' of a trajectory is written by the store itself; choose another name"
            )
        merged: dict[str, Any] = json.loads(json.dumps({**self._attributes, **fixed}, sort_keys=True))
        return merged


def _chooser(runs: int, width: int, itemsize: int, share: int) -> Callable[[int | None], lay.Layout]:
    return lambda steps: lay.choose_layout(runs, steps, width, itemsize, share)
