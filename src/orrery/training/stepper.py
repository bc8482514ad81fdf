"""How a system is advanced: call by call, or by replays of a captured step where they are faster and equal in bytes.

The calls of a small network cost more than its arithmetic on a GPU; a captured step is one call. Nothing here knows
CUDA; what does is ``Captures`` (training/cuda.py), for which tests put one of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Protocol

import torch
from torch.autograd.graph import increment_version

from orrery.systems.system import Runs, System

if TYPE_CHECKING:
    from jaxtyping import Shaped

    from orrery.systems.system import Batch, Byproducts, State

# Steps of a round of the trial; a segment must be so many times longer, so that all rounds take a twentieth of it.
TRIAL_STEPS = 8
WORTH = 128
ROUNDS = 2
# A captured step has to take at most this part of the time, or the simpler way is taken.
FASTER = 0.95
# A system whose numbers change more often than this is advanced call by call from there on.
MOST_CAPTURES = 8


class Captures(Protocol):
    """A device that can capture work."""

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Do the work, perhaps several times, and return what does it again on the same memory."""

    def wait(self) -> None:
        """Wait until all work given to the device is done."""


class Stepper:
    """Advances a system call by call.

    Attributes:
        how: in which way, and why; for the provenance.
    """

    def __init__(self, system: System, how: str) -> None:
        self.system = system
        self.how = how

    def advance(self, state: State, batch: Batch, t: int) -> tuple[State, Byproducts]:
        """As ``System.advance``. What is returned may be written over by the next call but one."""
        return self.system.advance(state, batch, t)


class Replaying(Stepper):
    """Advances a system by replays.

    Two copies of the state take turns: a step reads one and writes the other, so that the state before a step is there
    until the next one. Where a step cannot be replayed (a batch of another shape, numbers that last for one step only)
    it is called. The first replay of each capture is held to the call, byte for byte; where they differ, the call
    counts and no step is replayed any more.

    Args:
        system: with a ``clock``.
        captures: of the device of the state.
        state: the state before step ``t``; it is left as it is.
        batch: of step ``t``.
        t: the first step that may be replayed.
    """

    def __init__(self, system: System, captures: Captures, state: State, batch: Batch, t: int) -> None:
        super().__init__(system, "graph")
        assert system.clock is not None
        self._clock: Callable[[int], Hashable] = system.clock
        self._captures = captures
        self._left = MOST_CAPTURES
        after, byproducts = system.advance(state, batch, t)
        # In the order in which the system gives them, which is that of the checkpoint.
        self._states: list[State] = [
            {name: torch.empty_like(tensor) for name, tensor in after.items()} for _ in range(2)
        ]
        self._byproducts: list[Byproducts] = [
            {name: torch.empty_like(values) for name, values in byproducts.items()} for _ in range(2)
        ]
        self._inputs: Batch = {}
        self._sources: Batch = {}
        self._replays: list[Callable[[], None]] = []
        self._key: Hashable = None
        self._unproved = True
        self._capture(state, batch, t)

    def advance(self, state: State, batch: Batch, t: int) -> tuple[State, Byproducts]:
        """As ``System.advance``. What is returned is written over by the next call but one."""
        if not self._replays or not _same_shapes(batch, self._inputs):
            return self.system.advance(state, batch, t)
        if self._clock(t) != self._key:
            if self._clock(t + 1) != self._clock(t) or not self._left:
                return self.system.advance(state, batch, t)
            try:
                self._capture(state, batch, t)
            except RuntimeError as error:
                self.how = f"eager from step {t} on (not captured: {_first_line(error)})"
                return self.system.advance(state, batch, t)
        side = self._side_of(state)
        self._take(batch)
        expected = self.system.advance(self._states[side], batch, t) if self._unproved else None
        self._replays[side]()
        found = self._states[1 - side], self._byproducts[side]
        # A replay writes behind the back of torch; who keeps a result by tensor and version must see another one.
        increment_version([*found[0].values(), *found[1].values()])
        if expected is not None:
            self._unproved = False
            if not (same_bytes(expected[0], found[0]) and same_bytes(expected[1], found[1])):
                self._replays = []
                self.how = f"eager from step {t} on (a captured step gave other bytes)"
                return expected
        return found

    @property
    def replays(self) -> bool:
        """Whether it still replays steps."""
        return bool(self._replays)

    def _side_of(self, state: State) -> int:
        """Which of the two copies the state is; one that comes from elsewhere becomes the first."""
        for side, own in enumerate(self._states):
            if state is own:
                return side
        for name, tensor in self._states[0].items():
            tensor.copy_(state[name])
        return 0

    def _take(self, batch: Batch) -> None:
        for name, tensor in batch.items():
            # A batch of all samples is one tensor for ever, and need be copied once.
            if self._sources.get(name) is not tensor:
                self._inputs[name].copy_(tensor)
                self._sources[name] = tensor

    def _capture(self, state: State, batch: Batch, t: int) -> None:
        # To capture does the work, which writes into both copies; the state that was given may be one of them.
        kept = {name: tensor.clone() for name, tensor in state.items()}
        self._left -= 1
        self._replays = []
        self._inputs = {name: tensor.clone() for name, tensor in batch.items()}
        self._sources = dict(batch)
        for own in self._states:
            for name, tensor in own.items():
                tensor.copy_(kept[name])
        try:
            self._replays = [self._captures.capture(self._work(side, t)) for side in range(2)]
        finally:
            if any(state is own for own in self._states):
                for name, tensor in state.items():
                    tensor.copy_(kept[name])
        self._key = self._clock(t)
        self._unproved = True

    def _work(self, side: int, t: int) -> Callable[[], None]:
        before, after, told = self._states[side], self._states[1 - side], self._byproducts[side]

        def work() -> None:
            moved, byproducts = self.system.advance(before, self._inputs, t)
            for name, tensor in after.items():
                tensor.copy_(moved[name])
            for name, values in told.items():
                values.copy_(byproducts[name])

        return work


def choose_stepper(
    system: System, runs: Runs, state: State, first: int, last: int, captures: Captures | None
) -> Stepper:
    """Choose how to advance a system, by what a few steps take in both ways. The bytes do not depend on the choice.

    Args:
        system: to be advanced.
        runs: of the state.
        state: at step ``first``; it is left as it is.
        first, last: steps at which the segment starts and ends.
        captures: of the device; ``None`` where it has none.
    """
    if captures is None:
        return Stepper(system, "eager (the CPU captures nothing)")
    clock = system.clock
    if clock is None:
        return Stepper(system, "eager (the step depends on its number)")
    if last - first < WORTH * TRIAL_STEPS:
        return Stepper(system, "eager (few steps)")
    steps = range(first, first + TRIAL_STEPS)
    if len({clock(t) for t in steps}) > 1:
        return Stepper(system, "eager (the numbers of the step change)")
    eager = Stepper(system, "eager")
    try:
        replaying = Replaying(system, captures, state, system.batch(runs, first), first)
        if not (_agree(eager, replaying, runs, state, steps) and replaying.replays):
            return Stepper(system, "eager (a captured step gave other bytes)")
        slow, fast = _seconds(eager, replaying, captures, runs, state, steps)
    except RuntimeError as error:
        # Whatever keeps a step from being captured, memory among it, keeps nobody from training.
        return Stepper(system, f"eager (not captured: {_first_line(error)})")
    measured = f"{1e6 * fast:.0f} µs a step, eager {1e6 * slow:.0f} µs"
    if fast > FASTER * slow:
        return Stepper(system, f"eager (graph {measured})")
    replaying.how = f"graph ({measured})"
    return replaying


def _agree(eager: Stepper, replaying: Stepper, runs: Runs, state: State, steps: range) -> bool:
    """Whether both ways give the same bytes at every step."""
    ours = theirs = state
    for t in steps:
        ours, told = eager.advance(ours, eager.system.batch(runs, t), t)
        theirs, also_told = replaying.advance(theirs, eager.system.batch(runs, t), t)
        if not (same_bytes(ours, theirs) and same_bytes(told, also_told)):
            return False
    return True


def _seconds(
    eager: Stepper, replaying: Stepper, captures: Captures, runs: Runs, state: State, steps: range
) -> tuple[float, float]:
    """Seconds of one step in each way: the best of some rounds in turn."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for way, stepper in enumerate((eager, replaying)):
            captures.wait()
            began = time.perf_counter()
            at = state
            for t in steps:
                at, _told = stepper.advance(at, eager.system.batch(runs, t), t)
            captures.wait()
            best[way] = min(best[way], (time.perf_counter() - began) / len(steps))
    return best[0], best[1]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def same_bytes(
    ours: Mapping[str, Shaped[torch.Tensor, " ..."]], theirs: Mapping[str, Shaped[torch.Tensor, " ..."]]
) -> bool:
    """Whether two sets of tensors are equal bit by bit: NaN equals NaN, and 0 is not -0."""
    return ours.keys() == theirs.keys() and all(
        tensor.dtype == theirs[name].dtype
        and tensor.shape == theirs[name].shape
        and torch.equal(_bytes_of(tensor), _bytes_of(theirs[name]))
        for name, tensor in ours.items()
    )


def _bytes_of(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def _same_shapes(batch: Batch, inputs: Batch) -> bool:
    return batch.keys() == inputs.keys() and all(
        tensor.shape == inputs[name].shape and tensor.dtype == inputs[name].dtype
        for name, tensor in batch.items()
    )
