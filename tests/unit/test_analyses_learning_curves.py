"""Learning curves of made-up trajectories with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from orrery.analyses import learning_curves
from orrery.analyses.learning_curves import Settings
from orrery.config.errors import OrreryError
from orrery.figures.style import save_all
from orrery.trajectory.trajectory import Trajectory


def trajectory(level: float, *, lost: tuple[int, ...] = (), seeds: int = 3, steps: int = 100) -> Trajectory:
    """Loss falls as ``level + seed / 10 + 1 / (t + 1)``; accuracy every ten steps; lost runs end as NaN."""
    seed = np.repeat(np.arange(seeds), 2)
    at = np.arange(steps)
    loss = level + seed[:, None] / 10 + 1 / (at + 1)
    accuracy = np.repeat((np.arange(0, steps + 1, 10) / steps)[None], len(seed), axis=0)
    for run in lost:
        loss[run, 50:] = np.nan
        accuracy[run, 5:] = np.nan
    dataset = xr.Dataset(
        {
            "state": (("run", "step", "component"), np.zeros((len(seed), 2, 1))),
            "loss": (("run", "training_step"), loss),
            "test_accuracy": (("run", "evaluation_step"), accuracy),
            "status": ("run", np.isin(np.arange(len(seed)), lost).astype(int)),
        },
        {
            "run": np.arange(len(seed)),
            "seed": ("run", seed),
            "copy": ("run", np.tile([0, 1], seeds)),
            "step": [0, steps],
            "training_step": at,
            "evaluation_step": np.arange(0, steps + 1, 10),
        },
    )
    return Trajectory(dataset, (), {}, {})


SOURCES = {"low": trajectory(1.0), "high": trajectory(2.0, lost=(4,)), "long": trajectory(1.5, steps=200)}


def settings(**more: Any) -> Settings:
    return Settings(**{"method": "learning-curves", "last": 10, "resamples": 200, **more})


def test_final_values_differences_and_single_values() -> None:
    chosen = settings(
        pairs=[("high", "low")],
        points=[{"metric": "loss", "condition": "low", "seed": 2, "step": 0}],
    )
    comparison = learning_curves.compare(SOURCES, chosen)
    found = {one.name: one for one in learning_curves.numbers(comparison, SOURCES, chosen)}
    tail = np.mean(1 / np.arange(91, 101))
    final = found["final[loss,low]"]
    assert final.value == pytest.approx(1.1 + tail)
    assert final.n == 3
    assert final.interval is not None
    assert final.interval[0] < final.value < final.interval[1]
    assert found["final[test_accuracy,low]"].value == pytest.approx(1.0)
    # Seed 2 of "high" has a copy that diverged: it has no final value, and is no part of the difference.
    assert found["final[loss,high]"].value == pytest.approx(2.05 + tail)
    assert found["final[loss,high]"].n == 2
    difference = found["difference[loss,high,low]"]
    assert (difference.value, difference.n) == (pytest.approx(1.0), 2)
    assert difference.interval == pytest.approx((1.0, 1.0))
    assert (found["diverged[high]"].value, found["diverged[high]"].n) == (1, 6)
    assert found["diverged[low]"].value == 0
    assert found["value[loss,low,2,0]"].value == pytest.approx(2.2)


def test_quartiles_leave_diverged_runs_out() -> None:
    comparison = learning_curves.compare(SOURCES, settings(metrics=("loss",)))
    assert "test_accuracy_final" not in comparison
    quartiles = comparison["loss_quartile"].sel(condition="high", loss_step=99).values
    assert quartiles == pytest.approx(np.quantile([2.0, 2.0, 2.1, 2.1, 2.2], [0.25, 0.5, 0.75]) + 0.01)
    assert np.isnan(comparison["loss_quartile"].sel(condition="high", loss_step=150)).all()


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"metrics": ("lose",)}, "did you mean 'loss'"),
        ({"pairs": [("hihg", "low")]}, "did you mean 'high'"),
        ({"points": [{"metric": "loss", "condition": "low", "seed": 9, "step": 0}]}, "was not recorded"),
        ({"points": [{"metric": "loss", "condition": "low", "seed": 0, "step": 777}]}, "was not recorded"),
        ({"points": [{"metric": "loss", "condition": "lo", "seed": 0, "step": 0}]}, "did you mean 'low'"),
    ],
)
def test_what_is_not_there_is_named(more: dict[str, Any], part: str) -> None:
    chosen = settings(**more)
    with pytest.raises(OrreryError, match=part):
        learning_curves.numbers(learning_curves.compare(SOURCES, chosen), SOURCES, chosen)


@pytest.mark.parametrize("copies_of_conditions", [1, 3])
def test_figures_of_few_and_of_many_conditions(tmp_path: Path, copies_of_conditions: int) -> None:
    sources = {f"{name}{i}": source for i in range(copies_of_conditions) for name, source in SOURCES.items()}
    chosen = settings(logarithmic=("loss",))
    comparison = learning_curves.compare(sources, chosen)
    figures = learning_curves.plot(comparison, sources, chosen)
    assert [figure.name for figure in figures] == ["loss", "test-accuracy"]
    assert f"{copies_of_conditions} of {18 * copies_of_conditions} runs diverged" in figures[0].caption
    assert figures[0].figure.axes[0].get_yscale() == "log"
    assert list(figures[0].data.columns)[:2] == ["condition", "step"]
    save_all(figures, tmp_path)
