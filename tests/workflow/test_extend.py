"""A study that grows: more seeds, copies and steps train only what is new, to the bytes of one that began so large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import orrery
from orrery.analyses.results import open_result
from orrery.trajectory.trajectory import Trajectory

from .conftest import Laboratory, once
from .table import holds

SMALL = {"steps": 4, "seeds": 1, "copies": 2}
LARGE = {"steps": 8, "seeds": 2, "copies": 3}
STUDY = """\
title: One rate on iris
dataset: {{name: iris}}
system:
  kind: network
  network: {{kind: mlp, hidden: [3], activation: tanh}}
  optimizer: {{kind: momentum, rate: 0.1, momentum: 0.9}}
  batches: {{kind: shuffled, size: 30}}
training: {{steps: {steps}, segment: 4, seeds: {seeds}, block: 1}}
copies: {{count: {copies}, block: 2, amplitude: 0.01}}
record:
  state: all
  metrics: [loss]
  evaluate: {{every: 2, metrics: [test_accuracy]}}
conditions: {{plain: {{}}}}
analyses:
  weights: {{method: reduction, tensors: [fc2.weight]}}
"""
FIRST = "block=000,steps=0-4"
NEW = {
    "block=000,steps=4-8",
    "block=000,copies=2-3,steps=0-4",
    "block=000,copies=2-3,steps=4-8",
    "block=001,steps=0-4",
    "block=001,steps=4-8",
    "block=001,copies=2-3,steps=0-4",
    "block=001,copies=2-3,steps=4-8",
}


def say(lab: Laboratory, numbers: dict[str, int]) -> None:
    """Write the study with these numbers of steps, seeds and copies."""
    lab.path("studies/growing.yaml").write_text(STUDY.format(**numbers))
    lab.path("config.yaml").write_text("studies: [growing]\ndevice: cpu\n")


def built_as(start: Laboratory, folder: Path, numbers: dict[str, int], *targets: str) -> None:
    lab = start.copy(folder)
    say(lab, numbers)
    lab.build(*targets)


@pytest.fixture(scope="session")
def small(clone: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """The study while it was small; never changed by a test."""
    return once(tmp_path_factory, "small", lambda folder: built_as(clone, folder, SMALL))


@pytest.fixture(scope="session")
def grown(small: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """The study after it grew in seeds, copies and steps at once."""
    return once(tmp_path_factory, "grown", lambda folder: built_as(small, folder, LARGE))


@pytest.fixture(scope="session")
def at_once(clone: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """The large study, trained where nothing was before."""
    return once(tmp_path_factory, "at-once", lambda folder: built_as(clone, folder, LARGE, "trajectories"))


def trajectory(lab: Laboratory) -> Trajectory:
    return Trajectory.open(lab.path("results/store/trajectories/growing/plain").glob("*@*/data.zarr"))


GROWS = {
    *(f"train growing/plain/{tile}" for tile in NEW),
    "analyse growing/weights/plain/block=000",
    "analyse growing/weights/plain/block=001",
    "report growing",
    "publish growing",
    "index",
}


@holds("config", "a study of one tile that grows in seeds, copies and steps at once, to eight tiles", GROWS)
def test_only_what_is_new_is_trained(small: Laboratory, tmp_path: Path) -> None:
    lab = small.copy(tmp_path / "lab")
    say(lab, LARGE)
    assert lab.dry() == GROWS


def test_what_was_trained_stays_and_nothing_is_stale_afterwards(small: Laboratory, grown: Laboratory) -> None:
    before, after = small.manifests(), grown.manifests()
    assert [tile(name) for name in before if name.startswith("trajectories/")] == [FIRST]
    assert before.items() < after.items()
    assert {tile(name) for name in after if name.startswith("trajectories/")} == {FIRST, *NEW}
    assert grown.dry() == set()


def tile(manifest: str) -> str:
    return Path(manifest).name.partition("@")[0].replace("+", ",")


def test_it_makes_no_difference_how_a_study_grew(grown: Laboratory, at_once: Laboratory) -> None:
    """Equal names, so equal specs; equal manifests, so equal bytes: of the new seeds, copies and steps too."""
    assert grown.manifests("trajectories") == at_once.manifests("trajectories")


def test_joined_segments_are_those_of_one_go(grown: Laboratory, at_once: Laboratory) -> None:
    joined, whole = trajectory(grown).dataset, trajectory(at_once).dataset
    assert {"state", "loss", "test_accuracy", "status", "last_step"} <= set(joined.variables)
    assert joined["step"].values.tolist() == list(range(9))
    for name in joined.variables:
        assert np.array_equal(joined[name].values, whole[name].values), name


def test_readers_see_what_the_study_asks_for(grown: Laboratory) -> None:
    whole, read = trajectory(grown), orrery.open("growing", "plain", results=grown.path("results"))
    assert whole.copies == [0, 1, 2, 3]
    assert read.dataset["seed"].values.tolist() == [0, 0, 0, 1, 1, 1]
    assert read.dataset["copy"].values.tolist() == [0, 1, 2, 0, 1, 2]
    for block, seed in (("000", 0), ("001", 1)):
        place = grown.path("results/store/analyses/growing/weights/plain")
        results = [open_result(path) for path in place.glob(f"block={block}@*") if path.is_dir()]
        (states,) = [one["state"] for one in results if one.sizes["copy"] == 3 and one.sizes["step"] == 9]
        assert states["copy"].values.tolist() == [0, 1, 2]
        expected = read.select(seeds=[seed]).array("fc2.weight").values
        np.testing.assert_array_equal(states.sel(seed=seed).values, expected)


@holds("config", "the same study, shrunk again", {"publish growing", "index"})
def test_a_study_that_shrinks_again_finds_its_results(grown: Laboratory, tmp_path: Path) -> None:
    lab = grown.copy(tmp_path / "lab")
    say(lab, SMALL)
    assert lab.dry() == {"publish growing", "index"}


@pytest.mark.parametrize("key", ["steps", "seeds", "copies"])
def test_less_of_anything_trains_nothing(grown: Laboratory, tmp_path: Path, key: str) -> None:
    lab = grown.copy(tmp_path / "lab")
    say(lab, {**LARGE, key: SMALL[key]})
    assert not any(job.startswith("train") for job in lab.dry())
