"""Times of learning on series whose crossing is known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from orrery.analyses.learning_time import Settings, numbers, plot
from orrery.analyses.learning_time_numbers import median, ratios, resampled_medians, times
from orrery.config.errors import OrreryError


class Metrics:
    """A trajectory that has nothing but one metric."""

    def __init__(self, values: np.ndarray, steps: list[int]) -> None:
        self._array = xr.DataArray(
            values,
            dims=("run", "evaluation_step"),
            coords={"evaluation_step": steps, "seed": ("run", np.arange(len(values)) + 3)},
        )

    def select(self, copies: list[int]) -> Metrics:
        assert copies == [0]
        return self

    def metric(self, name: str) -> xr.DataArray:
        assert name == "test_accuracy"
        return self._array


def test_the_first_step_at_the_threshold() -> None:
    values = np.array([[0.1, 0.5, 0.9, 0.4], [0.1, 0.2, 0.3, np.nan], [0.8, 0.1, 0.1, 0.1]])
    source = Metrics(values, [0, 10, 20, 30])
    found = times(source, "test_accuracy", 0.5, at_most=False)
    assert found["time"].values.tolist()[::2] == [10, 0]
    assert np.isnan(found["time"].values[1])
    assert found["seed"].values.tolist() == [3, 4, 5]
    assert found.attrs["last"] == 30
    low = times(source, "test_accuracy", 0.2, at_most=True)
    assert low["time"].values.tolist() == [0, 0, 10]


def test_a_time_counts_from_where_a_branch_begins() -> None:
    source = Metrics(np.array([[0.9, 0.5, 0.9], [0.1, 0.2, 0.3]]), [100, 110, 120])
    found = times(source, "test_accuracy", 0.8, at_most=False, since=110)
    assert found["time"].values.tolist()[0] == 10
    assert np.isnan(found["time"].values[1])
    assert found.attrs["last"] == 10


def test_resampled_medians_are_medians_of_resampled_values() -> None:
    values = np.array([5.0, np.nan, 2.0, 9.0, 4.0, np.nan])
    draws = resampled_medians(values)
    assert np.nanmedian(draws) >= 2
    assert set(np.unique(draws[np.isfinite(draws)])) <= {
        (a + b) / 2 for a in (2, 4, 5, 9) for b in (2, 4, 5, 9)
    }
    # By the binomial law: half or more of six draws with replacement are late with probability .32.
    assert np.isnan(draws).mean() == pytest.approx(0.3196, abs=0.02)
    assert median(values) == 7.0
    assert np.isnan(median(np.array([np.nan, np.nan, 1.0])))


def result(values: list[float], rate: float) -> xr.Dataset:
    return xr.Dataset(
        {"time": (("seed",), np.array(values))},
        coords={"seed": np.arange(len(values))},
        attrs={"last": 100, "axes": {"rate": rate}},
    )


def test_the_fastest_condition_along_an_axis() -> None:
    sources = {
        "rate=0.1": result([90, 80, np.nan], 0.1),
        "rate=1": result([20, 30, 25], 1.0),
        "rate=10": result([np.nan, np.nan, 5], 10.0),
    }
    settings = Settings(threshold=0.8)
    found = {number.name: number for number in numbers(None, sources, settings)}
    assert found["fastest"].value == 1.0
    assert found["shortest"].value == 25
    assert np.isnan(found["time[rate=10]"].value)
    assert found["time[rate=10]"].interval is None
    assert found["share[rate=0.1]"].value == pytest.approx(2 / 3)
    # Seed 2 of rate 10 is fastest where it fills half of the draws: probability 7/27.
    assert found["fastest"].interval == (1.0, 10.0)
    (figure,) = plot(None, sources, settings)
    assert len(figure.data) == 9
    with pytest.raises(OrreryError, match="there is no axis 'rat'; did you mean 'rate'"):
        numbers(None, sources, Settings(threshold=0.8, axis="rat"))


def test_times_in_units_of_those_of_fresh_networks() -> None:
    sources = {
        "fresh": result([10, 20, np.nan, 0, 10], 1.0),
        "old": result([40, 20, 5, 5, np.nan], 2.0),
        "dead": result([np.nan] * 5, 3.0),
    }
    found = {number.name: number for number in ratios(sources, "fresh")}
    # Seeds 0, 1 and 4 count: 4, 1 and never.
    assert (found["ratio[old]"].value, found["ratio[old]"].n) == (4.0, 3)
    assert found["ratio[fresh]"].value == 1.0
    assert np.isnan(found["ratio[dead]"].value)
    assert ratios(sources, None) == []
    with pytest.raises(OrreryError, match="beside: there is no condition 'frech'"):
        ratios(sources, "frech")
