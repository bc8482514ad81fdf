"""The smallest reduction: which kind, what is in it, how much memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.analysis_examples import ensemble, trajectory

from orrery.analyses.api import Context
from orrery.analyses.reduction import Settings, analyse, scope
from orrery.config.errors import OrreryError

CONTEXT = Context("a", workers=2)


def test_few_components_are_kept_as_recorded(tmp_path: Path) -> None:
    states = ensemble()
    source = trajectory(tmp_path / "data.zarr", {"x": states[..., :4], "y": states[..., 4:]}, seeds=[5, 3, 9])
    found = analyse(source, Settings(tensors=("y",)), CONTEXT)
    assert found.attrs["kind"] == "states"
    assert found["seed"].values.tolist() == [5, 3, 9]
    assert (found["state"].values == states[..., 4:]).all()


def test_many_components_leave_a_gram_matrix(tmp_path: Path) -> None:
    states = ensemble(seeds=2, copies=2, steps=5, components=300)
    source = trajectory(tmp_path / "data.zarr", {"x": states})
    found = analyse(source, Settings(chunk=64), CONTEXT)
    assert found.attrs["kind"] == "gram"
    assert found["gram"].shape == (2, 10, 10)
    for seed in range(2):
        flat = states[seed].reshape(10, -1)
        assert np.allclose(found["gram"][seed], flat @ flat.T, rtol=1e-13)
    joint = analyse(source, Settings(group="condition", keep="gram"), CONTEXT)
    flat = states.reshape(20, -1)
    assert np.allclose(joint["gram"][0], flat @ flat.T, rtol=1e-13)


def test_the_smaller_kind_is_chosen_at_the_bound(tmp_path: Path) -> None:
    # float64: equal sizes at components = copies x steps.
    for components, kind in ((10, "states"), (11, "gram")):
        states = ensemble(seeds=1, copies=2, steps=5, components=components)
        source = trajectory(tmp_path / f"{components}.zarr", {"x": states})
        assert analyse(source, Settings(), CONTEXT).attrs["kind"] == kind


def test_a_window_of_steps(tmp_path: Path) -> None:
    states = ensemble()
    source = trajectory(tmp_path / "data.zarr", {"x": states})
    found = analyse(source, Settings(steps=(3, 7)), CONTEXT)
    assert (found["state"].values == states[:, :, 3:8]).all()


def test_scope_and_errors(tmp_path: Path) -> None:
    assert scope(Settings()) == "block"
    assert scope(Settings(group="condition")) == "condition"
    source = trajectory(tmp_path / "data.zarr", {"x": ensemble()})
    with pytest.raises(OrreryError, match="was not recorded"):
        analyse(source, Settings(tensors=("fc1.weight",)), CONTEXT)
    with pytest.raises(OrreryError, match="leave 'of' out"):
        analyse(source, Settings(of="other"), CONTEXT)
