"""A map that has no loss is judged by its state."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from orrery.training.block import train_block
from orrery.training.progress import Progress
from orrery.trajectory.trajectory import Trajectory

DOUBLING = """
from typing import Literal

from orrery.config.closed import Closed


class Settings(Closed):
    kind: Literal["doubling"] = "doubling"


def build(settings, *, dataset, dtype, device, streams):
    import torch

    from orrery.systems.system import Component, System

    def initial(runs):
        # Seed 1 starts so high that a few doublings leave the range of a double.
        return {"x": torch.tensor([[1e305 if seed else 1.0] for seed in runs.seeds], dtype=dtype)}

    def advance(state, batch, t):
        return {"x": 2 * state["x"]}, {}

    return System((Component("x", (1,), "variable"),), initial, lambda runs, t: {}, advance, byproducts=())
"""


def test_a_map_without_a_loss_diverges_with_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "doubling.py").write_text(DOUBLING)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    train_block(
        condition={
            "system": {"kind": "doubling"},
            "training": {"dtype": "float64"},
            "streams": {},
            "copies": {},
            "record": {"state": "all", "steps": {"every": 1}},
        },
        dataset=None,
        seeds=[0, 1],
        copies=[0],
        first_run=0,
        first=0,
        last=20,
        previous=None,
        out=tmp_path / "out",
        device="cpu",
        progress=Progress("doubling", io.StringIO()),
    )
    trajectory = Trajectory.open(tmp_path / "out" / "data.zarr")
    x = trajectory.tensor("x").values[:, :, 0]
    assert np.array_equal(x[0], 2.0 ** np.arange(21))
    doublings = int(np.floor(np.log2(np.finfo(float).max / 1e305)))
    assert np.isfinite(x[1, : doublings + 1]).all()
    assert np.isnan(x[1, doublings + 1 :]).all()
    assert trajectory.dataset["status"].values.tolist() == [0, 1]
    assert trajectory.dataset["last_step"].values.tolist() == [20, doublings]
