"""What is recorded of a segment, and the way from the states to the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orrery.config.errors import OrreryError, nearest
from orrery.systems.system import Component, System
from orrery.training.portions import Key, Lane, Portion
from orrery.training.schedule import evaluated_steps, recorded_steps
from orrery.trajectory.writer import Writer

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, Shaped

    from orrery.systems.system import Byproducts, State

# Steps of a portion, gathered on a GPU before they go to the host, so that the device need not wait at every step.
STAGED_STEPS = 32
STAGED_BYTES = 2**28


@dataclass(frozen=True)
class Recording:
    """What one segment records.

    Attributes:
        components: tensors of the state that are recorded.
        steps: steps at which state and observables are.
        observables: name to (shape, function of the state).
        byproducts: recorded at every step.
        evaluations: metric to function of the state.
        evaluated: steps of the evaluations.
    """

    components: tuple[Component, ...]
    steps: list[int]
    observables: Mapping[str, tuple[tuple[int, ...], Callable[[State], Float[torch.Tensor, "run ..."]]]]
    byproducts: tuple[str, ...]
    evaluations: Mapping[str, Callable[[State], Float[torch.Tensor, " run"]]]
    evaluated: list[int]


def plan_recording(
    system: System,
    record: Mapping[str, Any],
    first: int,
    last: int,
    projection: Callable[[int], Callable[[State], Float[torch.Tensor, "run dimension"]]],
    start: int = 0,
) -> Recording:
    """Look up what the record settings name.

    Raises:
        OrreryError: a pattern, observable or metric that the system does not have.
    """
    observables = {
        name: _named("record.observables", name, system.observables)
        for name in record.get("observables") or ()
    }
    if record.get("projection"):
        dimension = int(record["projection"]["dimension"])
        observables["projection"] = ((dimension,), projection(dimension))
    byproducts = dict.fromkeys(system.byproducts)
    for name in record.get("metrics") or ():
        _named("record.metrics", name, byproducts)
    evaluate = record.get("evaluate") or {}
    return Recording(
        components=_chosen(system.components, record.get("state", "all")),
        steps=recorded_steps(record.get("steps") or {"every": 1}, first, last, start),
        observables=observables,
        byproducts=tuple(record.get("metrics") or ()),
        evaluations={
            name: _named("record.evaluate.metrics", name, system.metrics)
            for name in evaluate.get("metrics") or ()
        },
        evaluated=evaluated_steps(int(evaluate["every"]), first, last, start) if evaluate else [],
    )


def _named(place: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise OrreryError(f"{place}: this system has no '{name}'; {nearest(name, known)}")
    return known[name]


def _chosen(components: Sequence[Component], patterns: str | Sequence[str]) -> tuple[Component, ...]:
    if patterns == "all":
        return tuple(components)
    for pattern in patterns:
        if not any(fnmatchcase(component.name, pattern) for component in components):
            known = [component.name for component in components]
            raise OrreryError(
                f"record.state: '{pattern}' matches no tensor of this system; {nearest(pattern, known)}"
            )
    return tuple(
        component
        for component in components
        if any(fnmatchcase(component.name, pattern) for pattern in patterns)
    )


@dataclass
class _Staged:
    """What is taken of one step: tensors, or the rows of a portion in which they travel."""

    step: int
    loss: Any
    byproducts: Mapping[str, Any] | None
    state: Mapping[str, Any] | None = None
    observables: dict[str, Any] = field(default_factory=dict)
    evaluations: dict[str, Any] = field(default_factory=dict)

    def mapped(self, change: Callable[[Key, Any], Any]) -> _Staged:
        """The same step with every tensor, or row, changed."""

        def part(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
            return {key: change((name, key), value) for key, value in values.items()}

        return _Staged(
            self.step,
            change(("judged", ""), self.loss),
            None if self.byproducts is None else part("byproducts", self.byproducts),
            None if self.state is None else part("state", self.state),
            part("observables", self.observables),
            part("evaluations", self.evaluations),
        )


class Recorder:
    """Takes every state with its by-products, finds the runs that diverged, and hands what is recorded to the store.

    A run has diverged at the first step at which its loss (its state, where a map has no loss) is not finite: from
    that step on all that is recorded of it is NaN. From a GPU, steps travel in portions, two of which take turns: while
    one is filled, the other is on its way to the host, and a thread checks it there and hands it to the store. So
    divergence is found a portion later or two, which changes nothing that is recorded.

    Args:
        writer: of the store; ``None`` where nothing is recorded and only divergence is looked for.
        recording: what is recorded.
        last: last step of the segment; its by-products belong to the next one.
        status: 0 or 1 per run, from the segment before.
        last_step: last finite step per run.
        lane: the way to the host; ``None`` where the states are there already.

    Attributes:
        status: 0 or 1 per run; after ``flush`` that of all that was put.
        last_step: last finite step per run; likewise.
        gone: the runs known to have diverged when ``put`` or ``flush`` last found any.
        all_stopped: whether these are all runs.
    """

    def __init__(
        self,
        writer: Writer | None,
        recording: Recording,
        last: int,
        status: Int[np.ndarray, " run"],
        last_step: Int[np.ndarray, " run"],
        lane: Lane | None = None,
    ) -> None:
        self._writer = writer
        self._recording = recording
        self._last = last
        self.status = status.copy()
        self.last_step = last_step.copy()
        self._steps = set(recording.steps)
        self._evaluated = set(recording.evaluated)
        self._names = [component.name for component in recording.components]
        self._stopped = bool(self.status.any())
        self.gone: Bool[np.ndarray, " run"] = self.status == 1
        self.all_stopped = bool(self.gone.all())
        self._pending: list[_Staged] = []
        self._portions: list[Portion] = []
        self._received: Future[bool] | None = None
        if lane is not None:
            self._capacity = portion_length(len(status), recording)
            self._portions = [Portion(self._capacity, lane) for _ in range(2)]
            self._receiver = ThreadPoolExecutor(1, thread_name_prefix="orrery-receiver")

    def put(self, step: int, state: State, byproducts: Byproducts) -> bool:
        """Take the state after ``step`` and its by-products.

        Returns:
            Whether further runs were found to have diverged.
        """
        judged = byproducts["loss"] if "loss" in byproducts else total(state)
        staged = _Staged(step, judged, byproducts if step < self._last else None)
        if step in self._steps:
            staged.state = {name: state[name] for name in self._names}
            for name, (_, function) in self._recording.observables.items():
                staged.observables[name] = function(state)
        if step in self._evaluated:
            for name, metric in self._recording.evaluations.items():
                staged.evaluations[name] = metric(state)
        if not self._portions:
            return self._found(self._take([staged]))
        self._pending.append(staged.mapped(self._portions[0].hold))
        return len(self._pending) >= self._capacity and self._send()

    def flush(self) -> bool:
        """Hand over what is on its way; whether further runs were found to have diverged."""
        found = self._send() if self._pending else False
        return self._collect() or found

    def close(self) -> None:
        """End the thread that receives portions; what is on its way is handed over by ``flush``, not here."""
        if self._portions:
            self._receiver.shutdown(cancel_futures=True)

    def _send(self) -> bool:
        """Send the portion that is full, once the one before it is received and free again."""
        found = self._collect()
        portion, pending = self._portions[0], self._pending
        arrival = portion.send()

        def receive() -> bool:
            arrival()
            found = self._take([staged.mapped(portion.arrived) for staged in pending])
            portion.clear()
            return found

        self._received = self._receiver.submit(receive)
        self._portions.reverse()
        self._pending = []
        return found

    def _collect(self) -> bool:
        """Wait until the portion that was sent is received; whether further runs were found to have diverged."""
        if self._received is None:
            return False
        received, self._received = self._received, None
        return self._found(received.result())

    def _found(self, found: bool) -> bool:
        # A copy: the next portion, which is being received meanwhile, must not change what is computed.
        if found:
            self.gone = self.status == 1
            self.all_stopped = bool(self.gone.all())
        return found

    def _take(self, pending: Sequence[_Staged]) -> bool:
        """Check and hand over steps that are on the host; whether further runs were found to have diverged."""
        found = False
        for staged in pending:
            found = self._check(staged) or found
            if self._stopped:
                staged = self._blanked(staged)
            self._write(staged)
        self.last_step[self.status == 0] = pending[-1].step
        return found

    def _check(self, staged: _Staged) -> bool:
        # One sum tells that all losses are finite; only if it is not are the runs looked at.
        if math.isfinite(float(staged.loss.sum())):
            return False
        self.last_step[self.status == 0] = staged.step - 1
        bad = ~torch.isfinite(staged.loss).numpy() & (self.status == 0)
        if not bad.any():
            return False
        self.status[bad] = 1
        self._stopped = True
        return True

    def _blanked(self, staged: _Staged) -> _Staged:
        gone = torch.from_numpy(self.status == 1)

        def blank(values: Mapping[str, torch.Tensor] | None) -> dict[str, torch.Tensor]:
            return {name: blank_runs(tensor, gone) for name, tensor in (values or {}).items()}

        return _Staged(
            staged.step,
            staged.loss,
            None if staged.byproducts is None else blank(staged.byproducts),
            None if staged.state is None else blank(staged.state),
            blank(staged.observables),
            blank(staged.evaluations),
        )

    def _write(self, staged: _Staged) -> None:
        if self._writer is None:
            return
        if staged.state is not None:
            self._writer.record(staged.step, staged.state)
            for name, values in staged.observables.items():
                self._writer.record_observable(name, staged.step, values)
        if staged.byproducts is not None:
            for name in self._recording.byproducts:
                self._writer.record_metric(name, staged.step, staged.byproducts[name])
        for name, values in staged.evaluations.items():
            self._writer.record_metric(name, staged.step, values)


def portion_length(runs: int, recording: Recording) -> int:
    """Steps of a portion: some, and no more than fit into ``STAGED_BYTES``, but two."""
    width = sum(component.size for component in recording.components)
    width += sum(math.prod(shape) for shape, _ in recording.observables.values())
    return min(STAGED_STEPS, max(2, STAGED_BYTES // max(1, 8 * runs * width)))


def total(state: State) -> Float[torch.Tensor, " run"]:
    """Sum of all components of each run: finite only if each of them is; judges a map that has no loss."""
    return torch.stack([tensor.double().flatten(1).sum(dim=1) for tensor in state.values()]).sum(dim=0)


def blank_runs(
    tensor: Shaped[torch.Tensor, " run *shape"], gone: Bool[torch.Tensor, " run"]
) -> Shaped[torch.Tensor, " run *shape"]:
    """The tensor with NaN in the rows of the runs that are gone; the other rows keep their bits.

    Tensors of integers, which hold no NaN, stay as they are.
    """
    if not tensor.is_floating_point():
        return tensor
    result = tensor.clone()
    result[gone.to(tensor.device)] = math.nan
    return result
