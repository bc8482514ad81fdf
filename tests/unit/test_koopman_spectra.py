"""Spectra of a condition: sources, groups, windows, variants, controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.unit.analysis_examples import ensemble, reduction, trajectory

from orrery.analyses import reduction as reduction_analysis
from orrery.analyses.api import Context
from orrery.analyses.koopman import Settings, analyse
from orrery.config.errors import OrreryError
from orrery.numerics.matching import distance
from orrery.numerics.spectrum import RankError, estimate

CONTEXT = Context("width=5")


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({"method": "koopman", "delays": [2, 5], "rank": 6, **changes})


def spectrum(found: xr.Dataset, seed: int, place: int, variant: int = 0) -> np.ndarray:
    values = found["eigenvalue"].values[seed, place, variant]
    return np.asarray(values[np.isfinite(values)])


def test_one_spectrum_per_seed_from_all_its_copies() -> None:
    states = ensemble()
    found = analyse(reduction(states), settings(), CONTEXT)
    assert found["eigenvalue"].dims == ("seed", "delays", "variant", "mode")
    assert found["eigenvalue"].dtype == complex
    for seed in range(3):
        for place, delays in enumerate((2, 5)):
            exact = estimate(states[seed], delays, 6)
            assert distance(spectrum(found, seed, place), exact.eigenvalues) < 1e-10
            assert float(found["singular_ratio"][seed, place, 0]) == pytest.approx(exact.ratio)
            assert float(found["error"][seed, place, 0]) < 1e-9


@pytest.mark.parametrize("path", ["direct", "gram", "covariance", "operator"])
def test_paths_agree(path: str) -> None:
    states = ensemble()
    found = analyse(reduction(states), settings(path=path), CONTEXT)
    assert found.attrs["paths"][int(found["path"][0, 0, 0])] == path
    assert distance(spectrum(found, 1, 0), estimate(states[1], 2, 6).eigenvalues) < 1e-8


def test_trajectories_reductions_and_gram_matrices_give_the_same(tmp_path: Path) -> None:
    states = ensemble()
    source = trajectory(tmp_path / "data.zarr", {"x": states[..., :4], "y": states[..., 4:]})
    from_states = analyse(source, settings(observable=["x", "y"]), CONTEXT)
    kept = reduction_analysis.analyse(
        source, reduction_analysis.Settings(method="reduction", keep="gram"), CONTEXT
    )
    from_gram = analyse(kept, settings(of="kept", splits=2, stride=2), CONTEXT)
    plain = analyse(reduction(states), settings(splits=2, stride=2), CONTEXT)
    for seed in range(3):
        assert distance(spectrum(from_states, seed, 1), spectrum(plain, seed, 1)) < 1e-12
        assert distance(spectrum(from_gram, seed, 1), spectrum(plain, seed, 1)) < 1e-8
    assert np.allclose(from_gram["split_distance"], plain["split_distance"], atol=1e-8)


def test_one_spectrum_of_all_runs(tmp_path: Path) -> None:
    states = ensemble(seeds=5, copies=1)
    found = analyse(reduction(states), settings(group="condition"), CONTEXT)
    assert found.sizes["seed"] == 1
    assert distance(spectrum(found, 0, 0), estimate(states[:, 0], 2, 6).eigenvalues) < 1e-12
    source = trajectory(tmp_path / "data.zarr", {"x": states})
    kept = reduction_analysis.analyse(
        source, reduction_analysis.Settings(method="reduction", keep="gram", group="condition"), CONTEXT
    )
    found = analyse(kept, settings(group="condition", of="kept"), CONTEXT)
    assert distance(spectrum(found, 0, 0), estimate(states[:, 0], 2, 6).eigenvalues) < 1e-8
    with pytest.raises(OrreryError, match="write the same group in both"):
        analyse(kept, settings(group="seed", of="kept"), CONTEXT)


def test_only_the_window_is_read() -> None:
    states = ensemble()
    found = analyse(reduction(states), settings(steps=[10, 29]), CONTEXT)
    assert distance(spectrum(found, 2, 0), estimate(states[2][:, 10:30], 2, 6).eigenvalues) < 1e-10


def test_a_rank_may_give_way() -> None:
    states = ensemble(components=2)
    found = analyse(reduction(states), settings(delays=[0, 1, 9], rank={"most": 10}), CONTEXT)
    assert found["modes"].values[0, :, 0].tolist() == [2, 4, 10]
    with pytest.raises(RankError):
        analyse(reduction(states), settings(delays=[0], rank=3), CONTEXT)


def test_variants_of_a_sweep() -> None:
    states = ensemble()
    chosen = settings(sweep={"ranks": [3, 60], "centred": True, "delays": [5]})
    found = analyse(reduction(states), chosen, CONTEXT)
    assert [v["rank"] for v in found.attrs["variants"]] == [6, 3, 60, 6]
    assert found["modes"].values[0].tolist() == [[6, 0, 0, 0], [6, 3, 0, 6]]
    assert distance(spectrum(found, 0, 1, 1), estimate(states[0], 5, 3).eigenvalues) < 1e-10
    centred = states[0] - states[0].mean(axis=(0, 1))
    assert distance(spectrum(found, 0, 1, 3), estimate(centred, 5, 6).eigenvalues) < 1e-10


def test_controls() -> None:
    states = ensemble()
    found = analyse(reduction(states), settings(stride=2, splits=3), CONTEXT)
    values = found["stride_eigenvalue"].values[1, 0]
    strided = estimate(states[1], 2, 6, stride=2).eigenvalues
    assert distance(values[np.isfinite(values)], strided) < 1e-10
    assert found.sizes["split"] == 3
    # Four copies: the first of the three splits is {0, 1} and {2, 3}.
    halves = [estimate(states[1][half], 2, 6).eigenvalues for half in ([0, 1], [2, 3])]
    assert float(found["split_distance"][1, 0, 0]) == pytest.approx(distance(*halves), abs=1e-10)
    bare = analyse(reduction(states), settings(stride=2, splits=3, controls=False), CONTEXT)
    assert "stride_eigenvalue" not in bare
    assert "split_distance" not in bare


def test_a_diverged_seed_has_no_spectrum_and_spoils_no_other() -> None:
    states = ensemble()
    states[1, 2, 30:] = np.nan
    found = analyse(reduction(states), settings(), CONTEXT)
    assert np.isfinite(found["modes"].values).all()
    assert found["modes"].values[:, 0, 0].tolist() == [6, 0, 6]


def test_workers_change_no_bit() -> None:
    states = ensemble(seeds=5)
    one, three = (
        analyse(reduction(states), settings(path="operator", splits=3), Context("a", workers=workers))
        for workers in (1, 3)
    )
    xr.testing.assert_identical(one, three)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(OrreryError, match="write delays <= 38"):
        analyse(reduction(ensemble()), settings(delays=[39]), CONTEXT)
    with pytest.raises(OrreryError, match="chosen by the reduction"):
        analyse(reduction(ensemble()), settings(observable=["x"]), CONTEXT)
    with pytest.raises(OrreryError, match="is no reduction"):
        analyse(xr.Dataset(), settings(of="other"), CONTEXT)
