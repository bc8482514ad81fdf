"""Displacements and paths of weights: planted paths, a plain second implementation, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.analysis_examples import ensemble, trajectory

from orrery.analyses.api import Context
from orrery.analyses.displacements import Settings, analyse, numbers, plot
from orrery.config.errors import OrreryError
from orrery.trajectory.trajectory import Trajectory

CONTEXT = Context("a")


def settings(**given: Any) -> Settings:
    return Settings.model_validate({"method": "displacements", **given})


def test_planted_paths(tmp_path: Path) -> None:
    """One weight goes straight from 2 to 3, one goes to and fro and comes back to 4, a bias goes from 0 to -1."""
    steps = np.arange(41)
    weight = np.stack([2 + steps / 40, 4 + 0.5 * (steps % 2)], axis=-1)
    bias = -steps[:, None] / 40
    tensors = {name: values[None, None] for name, values in (("w", weight), ("b", bias))}
    result = analyse(trajectory(tmp_path / "a.zarr", tensors), settings(), CONTEXT)
    np.testing.assert_allclose(result["relative"].values[0], [0.5, 0, np.nan])
    np.testing.assert_allclose(result["displacement"].values[0], [1, 0, 1])
    np.testing.assert_allclose(result["path"].values[0], [1, 20, 1])
    assert result["total"].values == pytest.approx([2 / 6])
    np.testing.assert_allclose(result["norm"].values[0], np.abs(weight).sum(axis=1) + np.abs(bias[:, 0]))
    found = {number.name: number for number in numbers(None, {"a": result}, settings())}
    assert found["displacement[a]"].value == pytest.approx(1 / 3)
    assert found["norm-first[a]"].value == pytest.approx(6)
    assert found["norm-last[a]"].value == pytest.approx(8)
    assert found["straightness[a]"].value == pytest.approx(2 / 22)


def test_a_plain_second_implementation(tmp_path: Path) -> None:
    states = ensemble(seeds=3, copies=2, steps=40, components=6)
    source = trajectory(tmp_path / "a.zarr", {"x": states[..., :4], "y": states[..., 4:]}, seeds=[7, 3, 5])
    result = analyse(source, settings(drawn=5, follow={"tensors": ["y"], "most": 2}), CONTEXT)
    assert result["seed"].values.tolist() == [7, 3, 5]
    for seed in range(3):
        total = start = 0.0
        for component in range(6):
            path = states[seed, 0, :, component]
            length = sum(abs(path[t] - path[t - 1]) for t in range(1, 40))
            assert float(result["path"][seed, component]) == pytest.approx(length)
            assert float(result["relative"][seed, component]) == pytest.approx(
                abs(path[-1] - path[0]) / abs(path[0])
            )
            total, start = total + abs(path[-1] - path[0]), start + abs(path[0])
        assert float(result["total"][seed]) == pytest.approx(total / start)
    moments = result["moment_step"].values
    assert (moments[0], moments[-1], len(moments)) == (0, 39, 5)
    np.testing.assert_array_equal(result["single"].values, states[:, 0][:, moments][:, :, 4:])
    assert result.attrs["entries"] == ["y[0]", "y[1]"]
    of_one = analyse(source, settings(tensors=["y"]), CONTEXT)
    np.testing.assert_array_equal(of_one["path"].values, result["path"].values[:, 4:])


def test_weights_that_wander_are_counted(tmp_path: Path) -> None:
    """Of 16 weights 4 shake most and come back, 12 go straight: all 4 have long paths and small displacements."""
    steps = np.arange(21)
    straight = 1 + np.outer(steps, np.arange(1, 13)) / 400
    shaking = 1 + np.outer(steps % 2, np.arange(1, 5))
    states = np.concatenate([straight, shaking], axis=1)[None, None]
    result = analyse(trajectory(tmp_path / "a.zarr", {"w": states}), settings(), CONTEXT)
    found = {number.name: number for number in numbers(None, {"a": result}, settings())}
    assert found["wandering-share[a]"].value == pytest.approx(0.25)
    assert found["wandering-share[a]"].floor == 1 / 16
    assert found["rank-correlation[a]"].value < 0


def test_diverged_seeds_are_left_out(tmp_path: Path) -> None:
    states = ensemble(seeds=2, copies=1)
    states[1, 0, 20:] = np.nan
    result = analyse(trajectory(tmp_path / "a.zarr", {"x": states}, diverged=[1]), settings(), CONTEXT)
    found = {number.name: number for number in numbers(None, {"a": result}, settings())}
    assert found["displacement[a]"].n == 1
    assert found["wandering-share[a]"].n == 1


def test_figures_hold_what_they_show(tmp_path: Path) -> None:
    source = trajectory(tmp_path / "a.zarr", {"x": ensemble()})
    given = settings(follow={"tensors": ["x"], "most": 3})
    sources = {name: analyse(source, given, CONTEXT) for name in ("a", "b")}
    figures = {figure.name: figure for figure in plot(None, sources, given)}
    assert set(figures) == {"paths", "norm", "single"}
    assert len(figures["paths"].data) == 2 * 3 * 6
    assert list(figures["single"].data.columns) == ["condition", "step", "x[0]", "x[2]", "x[5]"]
    with pytest.raises(OrreryError, match="no condition was analysed"):
        plot(None, {}, given)


@dataclass(frozen=True)
class Tensor:
    """What a system tells of one of its tensors."""

    name: str
    role: str = "weight"


def quadratic(*components: Tensor, tensors: tuple[str, ...] = ("w", "b")) -> Context:
    """A condition whose loss is 1 + the sum over w of (place + 1) w^2 + the sum of b^2."""

    def loss(state: dict[str, torch.Tensor]) -> torch.Tensor:
        factors = torch.arange(1, state["w"].shape[1] + 1, dtype=torch.float64)
        return 1 + (factors * state["w"] ** 2).sum(dim=1) + (state["b"] ** 2).sum(dim=1)

    system = SimpleNamespace(
        metrics={"train_loss": loss}, components=components or tuple(map(Tensor, tensors))
    )
    return Context("a", system=lambda dtype: system)  # type: ignore[arg-type,misc,return-value]


def test_the_loss_without_one_weight(tmp_path: Path) -> None:
    """A plain second implementation, with tensors that are read in another order than the losses are asked for."""
    states = ensemble(seeds=2, copies=2, components=5)
    source = trajectory(tmp_path / "a.zarr", {"b": states[..., :2], "w": states[..., 2:]}, seeds=[7, 3])
    given = settings(ablate={"tensors": ["w", "b"]})
    result = analyse(source, given, quadratic())
    np.testing.assert_array_equal(np.sort(result["ablated_component"].values), np.arange(5))
    weights = np.array([1.0, 1, 1, 2, 3])  # of b, b, w, w, w
    for seed in range(2):
        last = states[seed, 0, -1]
        whole = 1 + (weights * last**2).sum()
        for place, component in enumerate(result["ablated_component"].values):
            without = whole - weights[component] * last[component] ** 2
            assert float(result["loss_ratio"][seed, place]) == pytest.approx(without / whole)
    figures = {figure.name: figure for figure in plot(None, {"a": result}, given)}
    table = figures["loss-ratios"].data
    assert len(table) == 2 * 5
    row = table[(table["seed"] == 3) & (table["component"] == 4)].iloc[0]
    assert row["path"] == pytest.approx(float(result["path"][1, 4]))
    at = result["ablated_component"].values.tolist().index(4)
    assert row["loss ratio"] == pytest.approx(float(result["loss_ratio"][1, at]))
    found = {number.name: number.value for number in numbers(None, {"a": result}, given)}
    ratios = result["loss_ratio"].values
    assert found["loss-ratio-largest[a]"] == pytest.approx(ratios.max(axis=1).mean())
    assert found["loss-ratio-near-one[a]"] == pytest.approx((np.abs(ratios - 1) < 0.1).mean())
    assert found["path-share[a,w]"] + found["path-share[a,b]"] == pytest.approx(1)


def test_a_part_of_the_weights_and_a_seed_can_be_chosen(tmp_path: Path) -> None:
    states = ensemble(seeds=2, components=5)
    source = trajectory(tmp_path / "a.zarr", {"b": states[..., :2], "w": states[..., 2:]}, seeds=[7, 3])
    given = settings(ablate={"tensors": ["w"], "most": 2}, follow={"tensors": ["w"], "most": 1, "seed": 3})
    result = analyse(source, given, quadratic())
    assert result["ablated_component"].values.tolist() == [2, 4]
    figures = {figure.name: figure for figure in plot(None, {"a": result}, given)}
    np.testing.assert_array_equal(figures["single"].data["w[0]"], states[1, 0, :, 2])
    unknown = settings(follow={"tensors": ["w"], "seed": 4})
    with pytest.raises(OrreryError, match=r"follow\.seed: 'a' has no seed 4; write one of 3 to 7"):
        plot(None, {"a": result}, unknown)


def test_what_has_no_loss_without_a_weight_is_one_sentence(tmp_path: Path) -> None:
    states = ensemble(components=5)
    source = trajectory(tmp_path / "a.zarr", {"b": states[..., :2], "w": states[..., 2:]})
    with pytest.raises(OrreryError, match="there is no loss on training samples here"):
        analyse(source, settings(ablate={"tensors": ["w"]}), CONTEXT)
    with pytest.raises(OrreryError, match="'w' is not among the tensors that are read; add it to 'tensors'"):
        analyse(source, settings(tensors=["b"], ablate={"tensors": ["w"]}), quadratic())
    memory = (Tensor("w"), Tensor("b"), Tensor("m", "momentum"))
    analyse(source, settings(ablate={"tensors": ["w"]}), quadratic(*memory))
    with pytest.raises(OrreryError, match=r"needs 'c', which was not recorded; write record: \{state: all\}"):
        analyse(source, settings(ablate={"tensors": ["w"]}), quadratic(*memory, Tensor("c", "bias")))


def test_what_cannot_be_analysed_is_one_sentence(tmp_path: Path) -> None:
    source = trajectory(tmp_path / "a.zarr", {"x": ensemble()})
    gaps = Trajectory(source.dataset.isel(step=slice(0, 40, 2)), source.components, {}, source.attributes)
    with pytest.raises(OrreryError, match="path lengths need every step, and step 0 is followed by step 2"):
        analyse(gaps, settings(), CONTEXT)
    with pytest.raises(OrreryError, match="leave 'of' out"):
        analyse(source, settings(of="reduced"), CONTEXT)
    with pytest.raises(OrreryError, match="'y' was not recorded"):
        analyse(source, settings(follow={"tensors": ["y"]}), CONTEXT)
    with pytest.raises(OrreryError, match="no weight, bias or variable was recorded"):
        analyse(Trajectory(source.dataset, (), {}, {}), settings(), CONTEXT)
