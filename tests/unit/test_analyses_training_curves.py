"""Values read off curves, and their figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.analysis_examples import ensemble, trajectory

from orrery.analyses.training_curves import Settings, numbers, plot
from orrery.config.errors import OrreryError
from orrery.trajectory.trajectory import Trajectory


def source(path: Path, diverged: tuple[int, ...] = ()) -> Trajectory:
    """Loss of run r at step t is r + 1 / (t + 1); there is none at the last state."""
    loss = np.arange(12.0)[:, None] + 1 / (1 + np.arange(39.0))
    for run in diverged:
        loss[run, 20:] = np.nan
    return trajectory(path, {"x": ensemble()}, metrics={"loss": loss}, seeds=[2, 3, 6], diverged=diverged)


def settings(**changes: object) -> Settings:
    return Settings.model_validate({"method": "training-curves", "last": {"loss": 5}, **changes})


def test_last_steps_points_and_divergences(tmp_path: Path) -> None:
    point = {"condition": "a", "metric": "loss", "seed": 3, "copy": 2, "step": 9}
    found = {
        number.name: number
        for number in numbers(None, {"a": source(tmp_path / "a.zarr")}, settings(points={"it": point}))
    }
    tail = np.mean(1 / (1 + np.arange(34, 39)))
    assert found["last-loss[a]"].value == pytest.approx(5.5 + tail)
    low, high = found["last-loss[a]"].interval or (0, 0)
    assert 1.5 < low < 5.5 < high < 9.6
    assert found["last-loss[a]"].n == 3
    assert found["point[it]"].value == pytest.approx(6 + 0.1)
    assert found["diverged[a]"].value == 0
    assert found["diverged[a]"].n == 12


def test_diverged_runs_are_counted_and_left_out(tmp_path: Path) -> None:
    sources = {"a": source(tmp_path / "a.zarr", diverged=(0, 1))}
    found = {number.name: number for number in numbers(None, sources, settings())}
    assert found["diverged[a]"].value == 2
    tail = np.mean(1 / (1 + np.arange(34, 39)))
    assert found["last-loss[a]"].value == pytest.approx(np.mean([2.5, 5.5, 9.5]) + tail)
    (figure,) = plot(None, sources, settings())
    assert "2 runs diverged" in figure.caption
    assert len(figure.data.columns) == 14


def test_what_was_not_recorded_is_named(tmp_path: Path) -> None:
    sources = {"a": source(tmp_path / "a.zarr")}
    point = {"condition": "a", "metric": "loss", "seed": 3, "step": 39}
    with pytest.raises(OrreryError, match="recorded are steps 0 to"):
        numbers(None, sources, settings(points={"it": point}))
    with pytest.raises(OrreryError, match="was not recorded"):
        numbers(None, sources, settings(last={"accuracy": 5}))


def test_steps_at_which_a_metric_rises_are_counted(tmp_path: Path) -> None:
    loss = np.tile(1 / (1 + np.arange(39.0)), (12, 1))
    loss[4, 20] = loss[4, 19] + 1e-12
    sources = {"a": trajectory(tmp_path / "a.zarr", {"x": ensemble()}, metrics={"loss": loss})}
    found = {number.name: number for number in numbers(None, sources, settings(rises=["loss"]))}
    assert found["rises-loss[a]"].value == 1
    assert "of 456 steps" in found["rises-loss[a]"].description


def test_turns_of_a_metric_are_counted(tmp_path: Path) -> None:
    """Runs of seed 2 fall, those of 3 go to and fro about a drift, those of 6 turn at every other step."""
    step = np.arange(39.0)
    courses = (1 / (1 + step), 0.01 * step + step % 2, np.abs((step + 2) % 4 - 2))
    loss = np.repeat(np.stack(courses), 4, axis=0)
    sources = {
        "a": trajectory(tmp_path / "a.zarr", {"x": ensemble()}, metrics={"loss": loss}, seeds=[2, 3, 6])
    }
    (found,) = (
        number
        for number in numbers(None, sources, settings(alternates={"loss": 20}))
        if number.name == "alternates-loss[a]"
    )
    assert found.value == pytest.approx((0 + 1 + 0.5) / 3)
    assert found.n == 3


def test_conditions_stand_in_the_panels_that_name_them(tmp_path: Path) -> None:
    one = source(tmp_path / "a.zarr")
    names = ["low", "high", *(f"rate={place}" for place in range(7))]
    (figure,) = plot(
        None, dict.fromkeys(names, one), settings(panels=[["high"], ["rate=1", "rate=2", "none"]])
    )
    panels = [
        [text.get_text() for text in ax.get_legend().get_texts()]
        for ax in figure.figure.axes
        if ax.get_visible()
    ]
    rest = [name for name in names if name not in ("high", "rate=1", "rate=2")]
    assert panels == [["high"], ["rate=1", "rate=2"], rest]
