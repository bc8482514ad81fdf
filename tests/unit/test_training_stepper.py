"""Steps that are replayed give the bytes of steps that are called, or are not replayed; with a stand-in for CUDA."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.device_examples import Redone, SlowLane, written_by

from orrery.data.store import write_dataset
from orrery.systems.system import Component, Runs, System
from orrery.training import block, recording, stepper
from orrery.training.block import train_block
from orrery.training.build import build_system
from orrery.training.progress import Progress
from orrery.training.stepper import Replaying, Stepper, choose_stepper, same_bytes

CPU = torch.device("cpu")
RUNS = Runs.product((0, 1))
STEPS = 300


def condition(optimizer: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "system": {
            "kind": "network",
            "network": {"kind": "mlp", "hidden": [6], "activation": "tanh"},
            "optimizer": optimizer or {"kind": "momentum", "rate": 0.05, "momentum": 0.9},
            "batches": {"kind": "shuffled", "size": 16},
            **more,
        },
        "training": {"dtype": "float32"},
        "streams": {},
        "copies": {"amplitude": 0.01},
        "record": {
            "state": ["fc*.weight"],
            "steps": {"every": 3},
            "metrics": ["loss"],
            "observables": ["outputs"],
            "evaluate": {"every": 50, "metrics": ["test_loss"]},
        },
    }


@pytest.fixture(autouse=True)
def _short_segments_are_worth_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepper, "WORTH", 16)


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("iris")
    write_dataset({"name": "iris"}, out, out / "cache")
    return out


def path_of(way: Stepper, state: dict[str, torch.Tensor], steps: range) -> list[dict[str, torch.Tensor]]:
    """The states and by-products of some steps, copied before they are written over."""
    found = []
    for t in steps:
        before = {name: tensor.clone() for name, tensor in state.items()}
        after, byproducts = way.advance(state, way.system.batch(RUNS, t), t)
        # The state before a step is there until the next one: the recorder takes it then.
        assert same_bytes(state, before)
        state = after
        found.append({name: tensor.clone() for name, tensor in {**state, **byproducts}.items()})
    return found


def assert_same(ours: list[dict[str, torch.Tensor]], theirs: list[dict[str, torch.Tensor]]) -> None:
    assert len(ours) == len(theirs)
    for t, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert list(one) == list(other)
        assert same_bytes(one, other), t


def replaying(system: System, captures: Redone, first: int = 0) -> tuple[Replaying, dict[str, torch.Tensor]]:
    state = system.initial(RUNS)
    return Replaying(system, captures, state, system.batch(RUNS, first), first), state


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"batches": {"kind": "full"}},
        # The last batch of an epoch is smaller, so that it is called.
        {"batches": {"kind": "shuffled", "size": 50, "incomplete": "keep"}},
        {"schedule": {"kind": "step", "every": 20, "factor": 0.5}},
        {"schedule": {"kind": "linear-warmup", "steps": 10}},
    ],
)
def test_replayed_steps_are_called_steps(iris: Path, more: dict[str, Any]) -> None:
    system = build_system(condition(**more), iris, CPU)
    captures = Redone()
    way, state = replaying(system, captures)
    steps = range(60)
    assert_same(path_of(way, state, steps), path_of(Stepper(system, ""), system.initial(RUNS), steps))
    assert captures.replayed >= 40
    assert way.how == "graph"


def test_numbers_that_change_are_captured_anew(iris: Path) -> None:
    captures = Redone()
    system = build_system(condition(schedule={"kind": "step", "every": 20, "factor": 0.5}), iris, CPU)
    way, state = replaying(system, captures)
    path_of(way, state, range(60))
    assert captures.captured == 2 * 3
    # As often as is sensible, and no more.
    path_of(way, state, range(60, 600))
    assert captures.captured == 2 * stepper.MOST_CAPTURES


def test_a_state_from_elsewhere_is_taken(iris: Path) -> None:
    """As after a divergence, when the rows of some runs are blanked."""
    system = build_system(condition(), iris, CPU)
    way, state = replaying(system, Redone())
    for t in range(5):
        state, _ = way.advance(state, system.batch(RUNS, t), t)
    other = {name: tensor * 2 for name, tensor in state.items()}
    expected, _ = system.advance(other, system.batch(RUNS, 5), 5)
    found, _ = way.advance(other, system.batch(RUNS, 5), 5)
    assert same_bytes(found, expected)


class Wrong(Redone):
    """Replays that are not what was captured, from the given one on."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first

    def replay_of(self, work: Callable[[], None]) -> Callable[[], None]:
        right = super().replay_of(work)

        def replay() -> None:
            right()
            if self.replayed >= self.first:
                written_by(work)[0].add_(1e-6)

        return replay


def test_a_replay_that_gives_other_bytes_does_not_count(iris: Path) -> None:
    system = build_system(condition(), iris, CPU)
    way, state = replaying(system, Wrong(1))
    steps = range(30)
    assert_same(path_of(way, state, steps), path_of(Stepper(system, ""), system.initial(RUNS), steps))
    assert way.how == "eager from step 0 on (a captured step gave other bytes)"


@pytest.fixture
def _graphs_seem_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurement itself is of no use with a stand-in."""
    monkeypatch.setattr(stepper, "_seconds", lambda *arguments: (2e-6, 1e-6))


@pytest.mark.usefixtures("_graphs_seem_faster")
def test_the_faster_way_is_chosen(iris: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = build_system(condition(), iris, CPU)
    state = system.initial(RUNS)
    kept = {name: tensor.clone() for name, tensor in state.items()}
    chosen = choose_stepper(system, RUNS, state, 0, STEPS, Redone())
    assert isinstance(chosen, Replaying)
    assert chosen.how == "graph (1 µs a step, eager 2 µs)"
    assert same_bytes(state, kept)
    monkeypatch.setattr(stepper, "_seconds", lambda *arguments: (1e-6, 1e-6))
    chosen = choose_stepper(system, RUNS, state, 0, STEPS, Redone())
    assert not isinstance(chosen, Replaying)
    assert chosen.how == "eager (graph 1 µs a step, eager 1 µs)"


def test_the_measurement_knows_the_faster_one() -> None:
    """A call that waits beside one that does not, with differences far above the noise."""

    def slow(state: Any, batch: Any, t: int) -> Any:
        stepper.time.sleep(0.01)
        return state, {"loss": state["x"][:, 0]}

    component = Component("x", (1,), "variable")
    system = System((component,), lambda runs: {"x": torch.zeros(2, 1)}, lambda runs, t: {}, slow)

    class Quick(Stepper):
        def advance(self, state: Any, batch: Any, t: int) -> Any:
            return state, {}

    found = stepper._seconds(
        Stepper(system, ""), Quick(system, ""), Redone(), RUNS, system.initial(RUNS), range(3)
    )
    assert found[0] >= 0.01 > 2 * found[1]


class Refusing(Redone):
    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing\nfurther lines")


@pytest.mark.usefixtures("_graphs_seem_faster")
@pytest.mark.parametrize(
    ("captures", "given", "last", "how"),
    [
        (None, condition(), STEPS, "eager (the CPU captures nothing)"),
        (
            Redone(),
            condition({"kind": "adam", "rate": 0.01}),
            STEPS,
            "eager (the step depends on its number)",
        ),
        (Redone(), condition(), 100, "eager (few steps)"),
        (
            Redone(),
            condition(schedule={"kind": "cosine", "steps": 300}),
            STEPS,
            "eager (the numbers of the step change)",
        ),
        (
            Refusing(),
            condition(),
            STEPS,
            "eager (not captured: operation not permitted when stream is capturing)",
        ),
        (Wrong(1), condition(), STEPS, "eager (a captured step gave other bytes)"),
        (Wrong(6), condition(), STEPS, "eager (a captured step gave other bytes)"),
    ],
)
def test_otherwise_steps_are_called(iris: Path, captures: Any, given: dict, last: int, how: str) -> None:
    system = build_system(given, iris, CPU)
    chosen = choose_stepper(system, RUNS, system.initial(RUNS), 0, last, captures)
    assert type(chosen) is Stepper
    # What the replaying one found out at its first step, or the trial at a later one.
    assert chosen.how == how


def test_a_capture_that_fails_later_keeps_nobody_from_training(iris: Path) -> None:
    system = build_system(condition(schedule={"kind": "step", "every": 20, "factor": 0.5}), iris, CPU)
    captures = Redone()
    way, state = replaying(system, captures)

    def refuse(work: Callable[[], None]) -> Callable[[], None]:
        work()
        raise RuntimeError("out of memory")

    captures.capture = refuse  # type: ignore[method-assign]
    steps = range(40)
    assert_same(path_of(way, state, steps), path_of(Stepper(system, ""), system.initial(RUNS), steps))
    assert way.how == "eager from step 20 on (not captured: out of memory)"


def train(out: Path, iris: Path, given: dict[str, Any]) -> dict[str, bytes]:
    progress = Progress("test", stream=io.StringIO())
    train_block(given, iris, (3, 5), (0, 1), 0, 0, STEPS, None, out, "cpu", progress)
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "provenance.json"
    }


@pytest.mark.usefixtures("_graphs_seem_faster")
@pytest.mark.parametrize("rate", [0.05, 1e30])
@pytest.mark.parametrize("steps", [2, 7, 32])
def test_a_device_of_its_own_gives_the_bytes_of_the_cpu(
    tmp_path: Path, iris: Path, monkeypatch: pytest.MonkeyPatch, rate: float, steps: int
) -> None:
    """A whole segment with portions on a slow way and replayed steps, where runs diverge as well as where none do."""
    given = condition({"kind": "momentum", "rate": rate, "momentum": 0.9})
    expected = train(tmp_path / "plain", iris, given)
    lane, captures = SlowLane(), Redone()
    monkeypatch.setattr(block, "lane_from", lambda place: lane)
    monkeypatch.setattr(block, "captures_of", lambda place: captures)
    monkeypatch.setattr(recording, "STAGED_STEPS", steps)
    assert train(tmp_path / "device", iris, given) == expected
    assert lane.sent == -(-(STEPS + 1) // steps)
    if rate < 1:
        assert captures.replayed >= STEPS
    told = json.loads((tmp_path / "device" / "provenance.json").read_text())
    assert told["step"].startswith("graph (")


def test_same_bytes() -> None:
    def of(*values: float) -> dict[str, torch.Tensor]:
        return {"x": torch.tensor(values)}

    assert same_bytes(of(1, torch.nan), of(1, torch.nan))
    assert not same_bytes(of(0.0), of(-0.0))
    assert not same_bytes(of(1), of(1 + 1e-7))
    assert not same_bytes(of(1), {"y": torch.tensor([1.0])})
    assert not same_bytes(of(1, 2), of(1))
