"""Autocorrelation and divergence of neighbours of recorded metrics: what they read, publish, draw and refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import xarray as xr
from tests.unit.analysis_examples import trajectory
from tests.unit.test_numerics_neighbour_divergence import logistic

from orrery.analyses import autocorrelation, neighbour_divergence
from orrery.analyses.api import Context
from orrery.config.errors import OrreryError
from orrery.numerics.autocorrelation import autocorrelation as acf_of
from orrery.numerics.neighbour_divergence import neighbour_divergence as divergence_of
from orrery.trajectory.trajectory import Trajectory

CONTEXT = Context("a")
SEEDS = [2, 3, 6]


def correlation(**given: Any) -> autocorrelation.Settings:
    return autocorrelation.Settings.model_validate({"method": "autocorrelation", "shuffles": 200, **given})


def divergence(**given: Any) -> neighbour_divergence.Settings:
    return neighbour_divergence.Settings.model_validate(
        {"method": "neighbour-divergence", "starts": 300, "radius": 1e-3, **given}
    )


def source(path: Path, series: np.ndarray, copies: int = 2) -> Trajectory:
    """The metric ``loss``, one series per seed, of its copy 0; its copies hold others; none at the last state."""
    seeds, steps = series.shape
    loss = np.stack([series, *[-series] * (copies - 1)], axis=1).reshape(seeds * copies, steps)
    states = np.zeros((seeds, copies, steps + 1, 1))
    return trajectory(path, {"x": states}, metrics={"loss": loss}, seeds=SEEDS[:seeds])


def regression(factor: float, seeds: int = 3, steps: int = 4000) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((seeds, steps))
    return scipy.signal.lfilter([1], [1, -factor], noise, axis=1)


@pytest.fixture(scope="module")
def autoregressive(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    return source(tmp_path_factory.mktemp("series") / "a.zarr", regression(-0.6))


@pytest.fixture(scope="module")
def chaotic(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    series = np.stack([logistic(3000, start) for start in (0.11, 0.23)])
    return source(tmp_path_factory.mktemp("series") / "b.zarr", series)


def test_autocorrelation_is_that_of_copy_0(autoregressive: Trajectory) -> None:
    result = autocorrelation.analyse(autoregressive, correlation(lags=20), CONTEXT)
    np.testing.assert_allclose(result["acf"].values, acf_of(regression(-0.6), 20), atol=1e-12)
    found = {number.name: number for number in autocorrelation.numbers(None, {"a": result}, correlation())}
    for lag in (1, 2, 3):
        assert found[f"acf[a,lag={lag}]"].value == pytest.approx((-0.6) ** lag, abs=0.05)
        assert found[f"outside[a,lag={lag}]"].value == 1
    assert found["acf[a,lag=1]"].n == 3
    assert found["band-low[a,lag=1]"].value == pytest.approx(-1.96 / np.sqrt(4000), rel=0.3)
    assert 0.2 < found["outside[a]"].value < 0.7
    assert found["outside[a]"].floor == 0.05
    assert found["undefined[a]"].value == 0


def test_stretch_and_seeds_are_chosen(autoregressive: Trajectory) -> None:
    window = autoregressive.select(steps=(1000, 2000))
    result = autocorrelation.analyse(window, correlation(lags=5, seeds=[6, 99]), CONTEXT)
    assert result["seed"].values.tolist() == [6]
    assert (result.attrs["first_step"], result.attrs["points"]) == (1000, 1000)
    np.testing.assert_allclose(result["acf"].values[0], acf_of(regression(-0.6)[2, 1000:2000], 5), atol=1e-12)
    nobody = autocorrelation.analyse(window, correlation(lags=5, seeds=[99]), CONTEXT)
    assert nobody.sizes["seed"] == 0
    found = {number.name: number for number in autocorrelation.numbers(None, {"a": nobody}, correlation())}
    assert np.isnan(found["acf[a,lag=1]"].value)


def test_seeds_beyond_the_bounds_are_left_out_and_counted(tmp_path: Path) -> None:
    series = np.stack([logistic(600, start) for start in (0.11, 0.23, 0.37)])
    series[1, 300:] += 2  # as where a run changes to another attractor
    trained = source(tmp_path / "a.zarr", series)
    given = correlation(lags=3, within=[-0.1, 1.1])
    result = autocorrelation.analyse(trained, given, CONTEXT)
    assert np.isfinite(result["acf"].values).all(axis=1).tolist() == [True, False, True]
    found = {number.name: number for number in autocorrelation.numbers(None, {"a": result}, given)}
    assert (found["left-out[a]"].value, found["left-out[a]"].n, found["acf[a,lag=1]"].n) == (1, 3, 2)
    followed = divergence(radius=1e-2, within=[-0.1, 1.1])
    result = neighbour_divergence.analyse(trained, followed, CONTEXT)
    found = {number.name: number for number in neighbour_divergence.numbers(None, {"a": result}, followed)}
    assert (found["left-out[a]"].value, found["exponent[a]"].n) == (1, 2)
    assert (result["dropped"].values[1] == 4).all()
    assert neighbour_divergence.plot(None, {"a": result}, followed)
    with pytest.raises(ValueError, match="the lower bound"):
        correlation(within=[1, 0])


def test_results_of_blocks_join_to_that_of_all_seeds(autoregressive: Trajectory) -> None:
    """Also where a block holds none of the seeds that are read."""
    for method, given in (
        (autocorrelation, correlation(lags=3, seeds=[3, 6])),
        (neighbour_divergence, divergence(seeds=[3, 6], radius=0.01)),
    ):
        blocks = ([2], [3], [6])
        parts = [method.analyse(autoregressive.select(seeds=block), given, CONTEXT) for block in blocks]
        joined = xr.concat(parts, dim="seed", join="exact", data_vars="minimal")
        xr.testing.assert_identical(joined, method.analyse(autoregressive, given, CONTEXT))


def test_shuffles_are_seeded(autoregressive: Trajectory) -> None:
    one, other = (autocorrelation.analyse(autoregressive, correlation(lags=3), CONTEXT) for _ in range(2))
    assert one["low"].values.tobytes() == other["low"].values.tobytes()
    assert len(np.unique(one["low"].values[:, 1])) == 3  # each seed has shuffles of its own


def test_constant_and_diverged_series_are_counted(tmp_path: Path) -> None:
    series = regression(0.5, steps=200)
    series[0] = 0.1
    series[1, 100:] = np.nan
    result = autocorrelation.analyse(source(tmp_path / "a.zarr", series), correlation(lags=3), CONTEXT)
    found = {number.name: number for number in autocorrelation.numbers(None, {"a": result}, correlation())}
    assert (found["undefined[a]"].value, found["acf[a,lag=1]"].n) == (2, 1)


def test_figure_of_the_autocorrelation(autoregressive: Trajectory) -> None:
    result = autocorrelation.analyse(autoregressive, correlation(lags=8), CONTEXT)
    (figure,) = autocorrelation.plot(None, {"a": result, "b": result}, correlation())
    assert "4000 steps from step 0" in figure.caption
    assert len(figure.data) == 2 * 3 * 9
    with pytest.raises(OrreryError, match="no condition was analysed"):
        autocorrelation.plot(None, {}, correlation())


def test_divergence_of_each_seed_is_that_of_its_series(chaotic: Trajectory) -> None:
    given = divergence()
    result = neighbour_divergence.analyse(chaotic, given, CONTEXT)
    starts = result["start_step"].values
    assert starts.shape == (2, 300)
    assert all(len(set(row)) == 300 for row in starts.tolist())
    assert starts[0].tolist() != starts[1].tolist()
    for row, start in enumerate((0.11, 0.23)):
        expected = divergence_of(logistic(3000, start), starts[row], 1e-3)
        np.testing.assert_array_equal(result["exponent"].values[row], expected.exponent)
        np.testing.assert_array_equal(result["neighbours"].values[row], expected.neighbours)
        curve = np.log(expected.distance[expected.dropped == 0]).mean(axis=0)
        np.testing.assert_allclose(result["logarithm"].values[row], curve)
        assert float(result["mean_slope"][row]) == pytest.approx(np.polyfit(range(1, 11), curve[1:11], 1)[0])
    found = {number.name: number for number in neighbour_divergence.numbers(None, {"a": result}, given)}
    assert found["exponent[a]"].value > found["slope[a]"].value > 0
    assert found["positive-share[a]"].value > 0.9
    significant = result["p"].values[np.isfinite(result["exponent"].values)] <= 0.05
    assert found["significant-share[a]"].value == pytest.approx(significant.mean(), abs=0.02)
    dropped = result["dropped"].values
    assert found["near-end[a]"].value == (dropped == 1).sum() == (starts > 2975).sum()
    assert found["without-neighbours[a]"].value == (dropped == 2).sum()
    assert found["void[a]"].value == 0


def test_a_second_theiler_window_stands_beside_the_first(chaotic: Trajectory) -> None:
    """The same numbers as an analysis of its own with that window, of the same starts."""
    both, alone = divergence(theiler=0, apart=50), divergence(theiler=50)
    of_both, of_one = (neighbour_divergence.analyse(chaotic, given, CONTEXT) for given in (both, alone))
    np.testing.assert_array_equal(of_both["exponent_apart"].values, of_one["exponent"].values)
    assert not np.array_equal(of_both["exponent_apart"].values, of_both["exponent"].values, equal_nan=True)
    published, expected = (
        {number.name: number.value for number in neighbour_divergence.numbers(None, {"a": result}, given)}
        for result, given in ((of_both, both), (of_one, alone))
    )
    for word in ("exponent", "significant-share", "positive-share"):
        assert published[f"{word}-apart[a]"] == pytest.approx(expected[f"{word}[a]"])


def test_edges_and_middle_of_the_range() -> None:
    """A planted V: exponents 0.2 + |x| for values x in [-1, 1]."""
    value = np.linspace(-1, 1, 101)[None]
    names = ("p", "slope", "r_squared", "length", "neighbours", "dropped")
    result = xr.Dataset(
        {name: (("seed", "draw"), np.zeros((1, 101))) for name in names}
        | {"exponent": (("seed", "draw"), 0.2 + np.abs(value)), "start_value": (("seed", "draw"), value)}
    )
    found = {
        number.name: number for number in neighbour_divergence.numbers(None, {"a": result}, divergence())
    }
    for word in ("low", "high"):
        number = found[f"{word}-edge-over-middle[a]"]
        assert number.value == pytest.approx(0.8 - 0.1, abs=0.01)
        low, high = number.interval or (0, 0)
        assert 0.6 < low < number.value < high < 0.8


def test_figures_of_the_divergence(chaotic: Trajectory) -> None:
    given = divergence(theiler=50)
    result = neighbour_divergence.analyse(chaotic, given, CONTEXT)
    figures = {figure.name: figure for figure in neighbour_divergence.plot(None, {"a": result}, given)}
    assert set(figures) == {"exponents", "mean-divergence"}
    assert len(figures["exponents"].data) == np.isfinite(result["exponent"].values).sum()
    assert "Theiler window 50" in figures["exponents"].caption
    with pytest.raises(OrreryError, match="no condition was analysed"):
        neighbour_divergence.plot(None, {}, given)


def test_what_cannot_be_analysed_is_one_sentence(chaotic: Trajectory, tmp_path: Path) -> None:
    for method, given in ((autocorrelation, correlation), (neighbour_divergence, divergence)):
        with pytest.raises(
            OrreryError, match=r"metric 'los' was not recorded; did you mean 'loss'\? \(record.met"
        ):
            method.analyse(chaotic, given(metric="los"), CONTEXT)
        with pytest.raises(OrreryError, match="leave 'of' out"):
            method.analyse(chaotic, given(of="reduced"), CONTEXT)
        holes = Trajectory(
            chaotic.dataset.isel(training_step=slice(0, 2000, 10)), chaotic.components, {}, chaotic.attributes
        )
        with pytest.raises(OrreryError, match="need every step, and step 0 is followed by step 10"):
            method.analyse(holes, given(), CONTEXT)
    short = chaotic.select(steps=(0, 40))
    with pytest.raises(OrreryError, match="the stretch has 40 steps, and lags reach to 50"):
        autocorrelation.analyse(short, correlation(), CONTEXT)
    with pytest.raises(OrreryError, match="the stretch has 40 steps, and 300 distinct starts are drawn"):
        neighbour_divergence.analyse(short, divergence(), CONTEXT)
    with pytest.raises(OrreryError, match="the series has 20 values, and neighbours are followed over 25"):
        neighbour_divergence.analyse(chaotic.select(steps=(0, 20)), divergence(starts=5), CONTEXT)
    lost = regression(0.5, steps=400)
    lost[1, 300:] = np.nan
    with pytest.raises(OrreryError, match="seed 3, metric 'loss': the series is not finite"):
        neighbour_divergence.analyse(source(tmp_path / "a.zarr", lost), divergence(), CONTEXT)
