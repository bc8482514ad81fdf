from __future__ import annotations

import io
import re

import numpy as np
import pytest
import torch
from tests.unit.device_examples import SlowLane

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems.system import Component, Runs
from orrery.training import progress as progress_module
from orrery.training import recording as recording_module
from orrery.training.copies import perturb_copies
from orrery.training.progress import Progress
from orrery.training.projection import projection_of
from orrery.training.recording import Recorder, Recording, blank_runs
from orrery.training.schedule import recorded_steps

COMPONENTS = (
    Component("fc1.weight", (50, 40), "weight"),
    Component("fc1.bias", (50,), "bias"),
    Component("fc1.weight.momentum", (50, 40), "momentum"),
)


def start(runs: Runs) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    state = {}
    for component in COMPONENTS:
        rows = {seed: torch.randn(component.shape, generator=generator) for seed in dict.fromkeys(runs.seeds)}
        state[component.name] = torch.stack([rows[seed] for seed in runs.seeds])
    return state


def test_recorded_steps() -> None:
    assert recorded_steps({"every": 1}, 0, 3) == [0, 1, 2, 3]
    assert recorded_steps({"every": 1}, 3, 5) == [4, 5]
    assert recorded_steps({"every": 4}, 0, 10) == [0, 4, 8]
    assert recorded_steps({"every": 4}, 8, 16) == [12, 16]
    assert recorded_steps({"every": 2, "window": [5, 9]}, 0, 20) == [0, 6, 8]
    assert recorded_steps({"every": 1, "window": [5, 9]}, 7, 20) == [8, 9]
    assert recorded_steps({"logarithmic": 1}, 0, 1000) == [0, 1, 10, 100, 1000]
    assert recorded_steps({"logarithmic": 4}, 0, 0) == [0]
    with pytest.raises(OrreryError, match=r"record\.steps"):
        recorded_steps({"each": 1}, 0, 3)


@pytest.mark.parametrize("steps", [{"every": 3}, {"every": 2, "window": [10, 40]}, {"logarithmic": 7}])
def test_a_longer_run_records_the_same_and_more(steps: dict) -> None:
    long = recorded_steps(steps, 0, 1234)
    for last in (1, 9, 10, 57, 999, 1000):
        assert recorded_steps(steps, 0, last) == [step for step in long if step <= last]
        assert recorded_steps(steps, 0, last) + recorded_steps(steps, last, 1234) == long


@pytest.mark.parametrize("kind", ["relative", "absolute"])
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_copies(kind: str, distribution: str) -> None:
    runs = Runs.product((3, 9), 3)
    state = start(runs)
    settings = {"amplitude": 0.01, "kind": kind, "distribution": distribution, "tensors": ["fc1.weight"]}
    found = perturb_copies(state, COMPONENTS, runs, settings, Streams())
    weight, before = found["fc1.weight"], state["fc1.weight"]
    assert torch.equal(weight[[0, 3]], before[[0, 3]])
    assert found["fc1.bias"] is state["fc1.bias"]
    assert found["fc1.weight.momentum"] is state["fc1.weight.momentum"]
    change = (weight / before - 1 if kind == "relative" else weight - before).double()
    # One perturbation per copy, the same for all seeds; another one for another copy.
    torch.testing.assert_close(change[1], change[4], atol=2e-6, rtol=0)
    assert not torch.allclose(change[1], change[2], atol=1e-4)
    expected = 0.01 / np.sqrt(3) if distribution == "uniform" else 0.01
    assert float(change[[1, 2]].std()) == pytest.approx(expected, rel=0.05)
    assert (float(change.abs().max()) <= 0.01 + 1e-6) == (distribution == "uniform")


def test_copies_do_not_depend_on_how_many_there_are() -> None:
    few, many = Runs.product((3,), 2), Runs.product((3, 4, 5), 7)
    settings = {"amplitude": 0.01}
    one = perturb_copies(start(few), COMPONENTS, few, settings, Streams())["fc1.weight"]
    other = perturb_copies(start(many), COMPONENTS, many, settings, Streams())["fc1.weight"]
    assert torch.equal(one, other[:2])
    shifted = perturb_copies(start(few), COMPONENTS, few, settings, Streams({"copy": {"shift": 5}}))[
        "fc1.weight"
    ]
    assert torch.equal(shifted[0], one[0])
    assert not torch.equal(shifted[1], one[1])


def test_copies_of_a_seed_may_have_perturbations_of_their_own() -> None:
    runs = Runs.product((3, 9), 3)
    state = {name: tensor.double() for name, tensor in start(runs).items()}
    settings = {"amplitude": 0.01, "kind": "absolute", "tensors": ["*.weight"], "draw": "run"}
    weight = perturb_copies(state, COMPONENTS, runs, settings, Streams())["fc1.weight"]
    change = (weight - state["fc1.weight"]) / 0.01
    drawn = change[[1, 2, 4, 5]].flatten(1).numpy()
    assert not change[[0, 3]].any()
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 0.1
    assert np.abs(drawn).mean(axis=1) == pytest.approx(0.5, rel=0.05)
    # The same for a copy that is trained alone, in another block.
    alone = Runs((9,), (2,))
    one = perturb_copies({"fc1.weight": state["fc1.weight"][5:]}, COMPONENTS[:1], alone, settings, Streams())
    assert torch.equal(one["fc1.weight"][0], weight[5])


def test_small_perturbations_survive_as_far_as_float64_holds_them() -> None:
    runs = Runs.product((0,), 2)
    component = Component("w", (3,), "weight")
    state = {"w": torch.tensor([[0.0, 1e-4, 1.0]] * 2, dtype=torch.float64)}
    settings = {"amplitude": 1e-18, "kind": "absolute", "draw": "run"}
    change = (perturb_copies(state, (component,), runs, settings, Streams())["w"] - state["w"])[1]
    assert 0 < abs(float(change[0])) < 1e-18
    assert float(change[2]) == 0  # beyond the digits of 1.0


def test_projection_keeps_lengths_and_is_linear() -> None:
    runs = Runs.product(tuple(range(6)))
    state = start(runs)
    project = projection_of(COMPONENTS, 400, Streams(), torch.device("cpu"))
    found = project(state)
    flat = torch.cat([state[name].flatten(1) for name in ("fc1.weight", "fc1.bias")], dim=1)
    np.testing.assert_allclose(found.norm(dim=1) / flat.norm(dim=1), 1, atol=0.12)
    doubled = project({name: 2 * tensor for name, tensor in state.items()})
    torch.testing.assert_close(doubled, 2 * found)
    assert torch.equal(projection_of(COMPONENTS, 400, Streams(), torch.device("cpu"))(state), found)


class Taken:
    """What a recorder hands over, in memory."""

    def __init__(self) -> None:
        self.states: dict[int, torch.Tensor] = {}
        self.metrics: dict[int, torch.Tensor] = {}

    def record(self, step: int, tensors: dict[str, torch.Tensor]) -> None:
        self.states[step] = tensors["w"].clone()

    def record_metric(self, name: str, step: int, values: torch.Tensor) -> None:
        self.metrics[step] = values.clone()


@pytest.mark.parametrize("portion", [1, 2, 4, 100])
def test_divergence_is_found_in_portions_as_at_once(portion: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_module, "STAGED_STEPS", portion)
    taken = Taken()
    recording = Recording((Component("w", (2,), "variable"),), list(range(11)), {}, ("loss",), {}, [])
    recorder = Recorder(
        taken,  # type: ignore[arg-type]
        recording,
        10,
        np.zeros(3, dtype=np.int64),
        np.full(3, -1),
        None if portion == 1 else SlowLane(),
    )
    for step in range(11):
        loss = torch.tensor([1.0, torch.inf if step == 5 else 1.0, torch.nan if step >= 8 else 1.0])
        recorder.put(step, {"w": torch.full((3, 2), float(step))}, {"loss": loss})
    recorder.flush()
    recorder.close()
    assert list(recorder.status) == [0, 1, 1]
    assert list(recorder.last_step) == [10, 4, 7]
    path = torch.stack([taken.states[step] for step in range(11)])[:, :, 0]
    expected = torch.arange(11.0)[:, None].expand(11, 3).clone()
    expected[5:, 1] = expected[8:, 2] = torch.nan
    assert torch.equal(torch.nan_to_num(path, nan=-1), torch.nan_to_num(expected, nan=-1))
    assert sorted(taken.metrics) == list(range(10))


def test_blank_runs_touches_its_rows_only() -> None:
    tensor = torch.randn(4, 3)
    found = blank_runs(tensor, torch.tensor([False, True, False, False]))
    assert torch.isnan(found[1]).all()
    assert torch.equal(found[[0, 2, 3]], tensor[[0, 2, 3]])
    assert torch.isfinite(tensor).all()


def test_progress_in_a_log_has_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0.0, 1000.0, 5.0))
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    bar = Progress("job", stream=stream)
    bar.start(100, 200)
    for step in (110, 120, 130, 140):
        bar.advance(step)
    bar.finish()
    lines = stream.getvalue().splitlines()
    assert lines == [
        "job: step 120 of 200, 2 steps/s, 40.0 s left",
        "job: step 140 of 200, 2 steps/s, 30.0 s left",
        "job: 100 steps in 25.0 s, 4 steps/s",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_is_a_bar() -> None:
    stream = Terminal()
    with Progress("job", stream=stream) as bar:
        bar.start(0, 50)
        bar.advance(25)
        bar.message("one thing happened")
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    assert "50/50" in text
    assert "one thing happened" in text
