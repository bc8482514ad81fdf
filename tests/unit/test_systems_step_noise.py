"""Masks of dropout and false labels: shares, streams, random access, and training in segments."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.test_systems_network import make
from tests.unit.test_training_block import condition, iris, train

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems import step_noise
from orrery.systems.system import Runs, System
from orrery.systems.tangents import packed
from orrery.training.build import build_system
from orrery.training.replay import replay_of
from orrery.training.states import END, read_state
from orrery.training.stepper import Replaying
from orrery.trajectory.trajectory import Trajectory

__all__ = ["iris"]

CPU = torch.device("cpu")

RUNS = Runs.product((1, 2), 3)
DROPPING = {"kind": "mlp", "hidden": [60, 50], "dropout": 0.3}
NORMAL = {"kind": "batch", "momentum": 0.1}


def targets_of_numbers(outputs: int = 1) -> SimpleNamespace:
    generator = np.random.default_rng(0)
    return SimpleNamespace(
        train_inputs=generator.normal(size=(40, 7)),
        test_inputs=generator.normal(size=(23, 7)),
        train_targets=generator.integers(0, 2, (40, outputs)).astype(float),
        test_targets=generator.integers(0, 2, (23, outputs)).astype(float),
        class_names=(),
        attributes={},
    )


def masks(system: System, t: int, runs: Runs = RUNS) -> torch.Tensor:
    batch = system.batch(runs, t)
    return torch.cat([batch["dropout1"], batch["dropout2"]], dim=1)


def test_masks_keep_the_mean_and_are_shared_by_the_copies_of_a_seed() -> None:
    system = make(network=DROPPING)
    drawn = torch.stack([masks(system, t) for t in range(40)])
    assert drawn.shape == (40, 2, 110, 8)
    assert sorted(drawn.unique().tolist()) == [0.0, pytest.approx(1 / 0.7)]
    assert float(drawn.mean()) == pytest.approx(1, abs=0.02)
    assert float(np.corrcoef(drawn[:, 0].ravel(), drawn[:, 1].ravel())[0, 1]) == pytest.approx(0, abs=0.03)
    assert float(np.corrcoef(drawn[0].ravel(), drawn[1].ravel())[0, 1]) == pytest.approx(0, abs=0.1)
    assert "dropout1" not in system.whole()  # type: ignore[misc]


def test_masks_are_of_the_seed_and_the_step_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    system = make(network=DROPPING)
    late = masks(system, 700)
    assert torch.equal(masks(make(network=DROPPING), 700, Runs.product((2,)))[0], late[1])
    again = [masks(system, t) for t in (0, 700, 1, 699)]
    assert torch.equal(again[1], late)
    assert not torch.equal(again[3], late)
    shifted = make(network=DROPPING, streams=Streams({"order": {"shift": 5}, "label-noise": {"shift": 5}}))
    assert torch.equal(masks(shifted, 700), late)
    assert not torch.equal(shifted.batch(RUNS, 0)["inputs"], system.batch(RUNS, 0)["inputs"])
    held = make(network=DROPPING, streams=Streams({"dropout": {"hold": 2}}))
    assert torch.equal(masks(held, 700), late[1:])


def test_masks_of_other_batches() -> None:
    left = make(network=DROPPING, batches={"kind": "shuffled", "size": 16, "incomplete": "keep"})
    assert left.batch(RUNS, 2)["dropout1"].shape == (2, 60, 8)
    full = make(network=DROPPING, batches={"kind": "full"})
    batch = full.batch(RUNS, 3)
    assert (len(batch["inputs"]), batch["dropout2"].shape) == (1, (2, 50, 40))
    state = full.initial(RUNS)
    together, _ = full.advance(state, batch, 3)
    alone = Runs.product((2,))
    single, _ = full.advance(full.initial(alone), full.batch(alone, 3), 3)
    for name, tensor in single.items():
        torch.testing.assert_close(together[name][3:4], tensor, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("batches", [{"kind": "shuffled", "size": 8}, {"kind": "full"}])
def test_false_labels_are_other_classes_in_the_share_that_is_set(batches: dict[str, Any]) -> None:
    clean, noisy = make(batches=batches), make(batches=batches, label_noise=0.2)
    moved = []
    for t in range(300):
        true, false = clean.batch(RUNS, t), noisy.batch(RUNS, t)
        assert torch.equal(true["inputs"], false["inputs"])
        assert (false["targets"].sum(dim=-1) == 1).all()
        assert len(false["targets"]) == 2
        moved.append((false["targets"].argmax(dim=-1) - true["targets"].argmax(dim=-1)) % 3)
    counts = torch.stack(moved).flatten().bincount(minlength=3).double()
    total = float(counts.sum())
    for count, share in zip(counts.tolist(), (0.8, 0.1, 0.1), strict=True):
        assert abs(count / total - share) < 4 * np.sqrt(share * (1 - share) / total)
    assert torch.equal(noisy.whole()["targets"], clean.whole()["targets"])  # type: ignore[misc]
    shifted = make(batches=batches, label_noise=0.2, streams=Streams({"label-noise": {"shift": 7}}))
    assert torch.equal(shifted.batch(RUNS, 5)["inputs"], noisy.batch(RUNS, 5)["inputs"])
    assert not torch.equal(shifted.batch(RUNS, 5)["targets"], noisy.batch(RUNS, 5)["targets"])
    held = make(batches=batches, label_noise=0.2, streams=Streams({"order": {"hold": 1}}))
    assert not torch.equal(held.batch(RUNS, 5)["targets"][0], held.batch(RUNS, 5)["targets"][1])


@pytest.mark.parametrize("outputs", [1, 4])
def test_targets_of_zero_and_one_are_turned_over(outputs: int) -> None:
    settings: dict[str, Any] = {"loss": {"kind": "mse"}, "batches": {"kind": "with-replacement", "size": 1}}
    data = targets_of_numbers(outputs)
    clean = make(data=data, **settings)
    noisy = make(data=data, label_noise=0.1, **settings)
    differences = [
        (clean.batch(RUNS, t)["targets"] - noisy.batch(RUNS, t)["targets"]).abs() for t in range(2000)
    ]
    turned = torch.stack(differences)
    assert set(turned.unique().tolist()) == {0.0, 1.0}
    spread = np.sqrt(0.09 / turned.numel())
    assert abs(float(turned.mean()) - 0.1) < 4 * spread
    rows = turned.reshape(-1, outputs).mean(dim=1)
    assert (len(rows.unique()) > 2) == (outputs > 1)


def test_label_noise_without_classes_is_one_sentence() -> None:
    data = targets_of_numbers()
    data.train_targets = data.train_targets + 0.5
    with pytest.raises(OrreryError, match="at least two classes, or targets that are 0 or 1"):
        make(data=data, loss={"kind": "mse"}, label_noise=0.1)


def test_a_module_learns_from_false_labels_of_each_seed() -> None:
    module = {"kind": "module", "path": "tests.unit.test_systems_step_noise.Linear"}
    settings: dict[str, Any] = {"batches": {"kind": "full"}, "label_noise": 0.3}
    system = make(network=module, **settings)
    plain = make(network={"kind": "mlp", "hidden": []}, **settings)
    start = plain.initial(RUNS)
    given = {"layer.weight": start["fc1.weight"], "layer.bias": start["fc1.bias"]}
    found = system.step(given, system.batch(RUNS, 0), 0)
    expected = plain.step(start, plain.batch(RUNS, 0), 0)
    torch.testing.assert_close(found["layer.weight"], expected["fc1.weight"], rtol=1e-12, atol=1e-13)


class Linear(torch.nn.Module):
    """One layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(7, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.layer(x)


EVERYTHING = {
    **condition()["system"],
    "network": {
        "kind": "mlp",
        "hidden": [6, 6],
        "activation": "tanh",
        "normalisation": NORMAL,
        "dropout": 0.2,
        "residual": True,
    },
    "label_noise": 0.1,
}


def test_two_segments_are_one_and_a_replay_has_their_bits(
    tmp_path: Path, iris: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stretches end within the segments.
    monkeypatch.setattr(step_noise, "STRETCH", 7)
    given = condition(system=EVERYTHING)
    whole = train(tmp_path / "whole", iris, given, last=20)["state"]
    train(tmp_path / "one", iris, given, last=9)
    train(tmp_path / "two", iris, given, first=9, last=20, previous=tmp_path / "one")
    joined = Trajectory.open([tmp_path / "one" / "data.zarr", tmp_path / "two" / "data.zarr"])
    assert (joined.dataset["state"].values == whole.values).all()
    ends = [read_state(tmp_path / name / END, 20, CPU)[0] for name in ("whole", "two")]
    assert "bn2.running_var" in ends[0]
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())
    (orbit,) = replay_of(given, iris, [tmp_path / "one"])
    for step, state in orbit.states(11, 13):
        values = torch.from_numpy(whole.sel(step=step).values)
        assert torch.equal(packed(state, orbit.system.components), values)


def test_copies_start_with_the_statistics_of_the_original(tmp_path: Path, iris: Path) -> None:
    start = train(tmp_path / "a", iris, condition(system=EVERYTHING), last=1)["state"].sel(step=0).values
    differs = (start[0] != start[1]) & (start[2] != start[3])
    same = (start[0] == start[1]) & (start[2] == start[3])
    place = 0
    for component in build_system(condition(system=EVERYTHING), iris, CPU).components:
        here = slice(place, place + component.size)
        moves = component.role == "weight"
        assert (differs if moves else same)[here].all() or component.role == "bias", component.name
        place += component.size
    assert place == start.shape[1]


class Recorded:
    """Captures that call the work again, as a GPU would replay it on the same memory."""

    def capture(self, work: Any) -> Any:
        work()
        return work

    def wait(self) -> None:
        pass


def test_replayed_steps_take_masks_and_labels_of_their_own_step() -> None:
    system = make(
        torch.float32,
        network=EVERYTHING["network"],
        label_noise=0.1,
        optimizer={"kind": "momentum", "rate": 0.1},
    )
    state = system.initial(RUNS)
    stepper = Replaying(system, Recorded(), state, system.batch(RUNS, 0), 0)
    replayed = called = state
    for t in range(12):
        replayed, told = stepper.advance(replayed, system.batch(RUNS, t), t)
        called, expected = system.advance(called, system.batch(RUNS, t), t)
        assert stepper.replays
        assert torch.equal(told["loss"], expected["loss"])
        for name, tensor in called.items():
            assert torch.equal(replayed[name], tensor), name
