"""The critical size of the training set, of accuracies that are made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from tests.unit.test_analyses_modes_numbers import known

from orrery.analyses.modes import Settings, numbers, plot
from orrery.analyses.modes_sizes import by_size

SPREAD = np.array([-1.0, 0.0, 1.0])
"""Of the accuracies of three seeds about their mean: the standard error is 1/sqrt(3)."""


def pairs_of(gaps: dict[int, float], spread: dict[int, float] | float = 0.001) -> dict[str, xr.Dataset]:
    """Conditions ``size-P-tanh`` and ``size-P-linear`` with these mean gaps; only the gap varies over seeds."""
    found = {}
    for samples, gap in gaps.items():
        own = spread if isinstance(spread, float) else spread.get(samples, 0.001)
        for name, ahead in (("tanh", gap + own * SPREAD), ("linear", np.zeros(3))):
            one = known(seeds=(0, 1, 2)).assign_attrs(training_samples=samples)
            accuracy = np.broadcast_to((0.5 + ahead)[:, None, None], one["accuracy"].shape).copy()
            accuracy[:, :-1] = 0.1  # only the last moment counts
            found[f"size-{samples}-{name}"] = one.assign(accuracy=(one["accuracy"].dims, accuracy))
    return found


def asked(sources: dict[str, xr.Dataset]) -> Settings:
    sizes = [name.split("-")[1] for name in sources if name.endswith("tanh")]
    return Settings(pairs=tuple((f"size-{size}-tanh", f"size-{size}-linear") for size in sizes))


def said(sources: dict[str, xr.Dataset]) -> dict:
    return {number.name: number for number in numbers(None, sources, asked(sources))}


def test_the_gap_opens_in_the_middle_whatever_the_order_of_the_pairs() -> None:
    gaps = {1000: 0.03, 100: 0.0, 300: -0.02, 6000: 0.005, 600: 0.0101}
    found = said(pairs_of(gaps, spread=1e-5))
    assert found["critical-size"].value == 600
    assert found["critical-size"].interval == (600, 600)
    assert found["critical-size"].n == 3
    assert (found["sizes-compared"].value, found["sizes-separated"].value) == (5, 2)


def test_no_size_and_the_first_size() -> None:
    never = said(pairs_of({100: 0.0, 300: 0.0099, 600: -0.3}, spread=1e-5))
    assert np.isnan(never["critical-size"].value)
    assert never["critical-size"].interval is None
    assert (never["sizes-compared"].value, never["sizes-separated"].value) == (3, 0)
    assert said(pairs_of({100: 0.02, 300: 0.05}))["critical-size"].value == 100


def test_a_gap_within_two_standard_errors_does_not_count() -> None:
    within = 1.01 * 0.05 * np.sqrt(3) / 2
    beyond = 0.99 * 0.05 * np.sqrt(3) / 2
    gaps = {100: 0.0, 300: 0.05, 600: 0.05}
    assert said(pairs_of(gaps, {300: within}))["critical-size"].value == 600
    found = said(pairs_of(gaps, {300: beyond}))["critical-size"]
    assert found.value == 300
    # Half of the resamples of that size have a mean below the bound.
    assert found.interval == (300, 600)


def test_a_seed_that_is_lost_leaves_its_pair_and_one_seed_has_no_error() -> None:
    sources = pairs_of({100: 0.02, 300: 0.05})
    lost = sources["size-100-linear"]
    sources["size-100-linear"] = lost.assign(diverged=("seed", [True, True, False]))
    found = said(sources)["critical-size"]
    assert (found.value, found.interval, found.n) == (300, None, 1)


@pytest.mark.parametrize("changed", [("size-300-tanh", "size-300-linear"), ("size-300-tanh",), ()])
def test_pairs_that_do_not_differ_in_size_alone_have_none(changed: tuple[str, ...]) -> None:
    """Equal sizes, unequal ones within a pair, and one pair alone."""
    sources = pairs_of({100: 0.02, 300: 0.05})
    settings = asked(sources)
    for name in changed:
        sources[name] = sources[name].assign_attrs(training_samples=100)
    if not changed:
        settings = Settings(pairs=settings.pairs[:1])
    assert by_size(sources, settings) == []
    names = {number.name for number in numbers(None, sources, settings)}
    assert not names & {"critical-size", "sizes-compared", "sizes-separated"}


def test_the_figure_holds_means_and_errors() -> None:
    sources = pairs_of({100: 0.0, 300: 0.05, 600: 0.08}, spread=0.01)
    drawn = {figure.name: figure for figure in plot(None, sources, asked(sources))}
    table = drawn["sizes"].data
    assert table["samples"].tolist() == [100, 300, 600]
    np.testing.assert_allclose(table["gap"], [0.0, 0.05, 0.08], atol=1e-12)
    np.testing.assert_allclose(table["gap standard error"], 0.01 / np.sqrt(3))
    np.testing.assert_allclose(table["tanh accuracy"], [0.5, 0.55, 0.58])
    np.testing.assert_allclose(table["linear standard error"], 0.0, atol=1e-12)
    assert "sizes" not in {figure.name for figure in plot(None, sources, Settings())}
