"""Comparisons of spectra that are known, and the numbers that they publish."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from orrery.analyses.api import Number
from orrery.analyses.koopman import Settings, compare, numbers, plot
from orrery.config.errors import OrreryError

SEEDS = [2, 3, 6, 7, 11, 16, 17, 22, 23]
BASE = np.array([0.99, 0.97 + 0.05j, 0.97 - 0.05j, 0.94])


def spectra(
    shift: float, noise: float, key: int, *, delays: tuple[int, ...] = (8,), group: str = "seed"
) -> xr.Dataset:
    """Spectra around a shifted base; every seed has noise of its own."""
    generator = np.random.default_rng(key)
    seeds = SEEDS if group == "seed" else SEEDS[:1]
    shape = (len(seeds), len(delays), 1, 4)
    values = BASE + shift + noise * (generator.standard_normal(shape) + 1j * generator.standard_normal(shape))
    shape = shape[:3]
    return xr.Dataset(
        {
            "eigenvalue": (("seed", "delays", "variant", "mode"), values),
            "modes": (("seed", "delays", "variant"), np.full(shape, 4)),
            "singular_ratio": (("seed", "delays", "variant"), np.full(shape, 0.01)),
            "error": (("seed", "delays", "variant"), np.full(shape, 1e-14)),
        },
        coords={"seed": seeds, "delays": list(delays), "variant": [0], "mode": np.arange(4)},
        attrs={"group": group, "variants": [{"rank": 4, "centred": False}], "stride": 1, "paths": []},
    )


def settings(**compared: Any) -> Settings:
    return Settings.model_validate({"method": "koopman", "delays": [8], "rank": 4, "compare": compared})


def published(sources: dict[str, xr.Dataset], chosen: Settings) -> dict[str, Number]:
    found = numbers(compare(sources, chosen), sources, chosen)
    assert len({number.name for number in found}) == len(found)
    return {number.name: number for number in found}


def far_apart() -> dict[str, xr.Dataset]:
    return {
        "a": spectra(0, 1e-4, 1),
        "b": spectra(0.02, 1e-4, 2),
        "a again": spectra(0, 1e-4, 3),
        "b again": spectra(0.02, 1e-4, 4),
    }


FLOORS = {"a": "a again", "b": "b again"}


def test_far_conditions_are_not_conjugate() -> None:
    found = published(far_apart(), settings(pairs=[["a", "b"]], floors=FLOORS, swap=True))
    assert found["distance[a,b,delays=8]"].value == pytest.approx(0.02, rel=0.02)
    low, high = found["distance[a,b,delays=8]"].interval or (0, 0)
    assert low <= found["distance[a,b,delays=8]"].value <= high
    assert found["distance[a,b,delays=8]"].n == 9
    assert found["distance[a,b,delays=8]"].floor == found["floor[a,b,delays=8]"].value
    floors = [found[f"order-floor[{name},delays=8]"].value for name in "ab"]
    assert found["floor[a,b,delays=8]"].value == max(floors)
    # Nine pairs of seeds: exchanging all labels gives the observed value as well.
    assert found["permutation-p[a,b,delays=8]"].value == pytest.approx(2 / 2**9)
    assert found["verdict[a,b,delays=8]"].value == 1
    assert found["swap-share[a,b,delays=8]"].value >= 2 / 2**4


def test_equal_conditions_are_compatible_with_conjugacy() -> None:
    sources = {"a": spectra(0, 1e-3, 1), "b": spectra(0, 1e-3, 2)}
    found = published(sources, settings(pairs=[["a", "b"]]))
    assert found["verdict[a,b,delays=8]"].value == -1
    assert found["permutation-p[a,b,delays=8]"].value > 0.01
    assert found["margin[a,b,delays=8]"].value == pytest.approx(
        found["between[a,b,delays=8]"].value - found["larger-within[a,b,delays=8]"].value
    )


def test_significant_but_within_the_floor_is_undecided() -> None:
    sources = far_apart() | {"a again": spectra(0.03, 1e-4, 3)}
    found = published(sources, settings(pairs=[["a", "b"]], floors=FLOORS))
    assert found["permutation-p[a,b,delays=8]"].value < 0.01
    assert np.isnan(found["verdict[a,b,delays=8]"].value)
    assert found["verdict[a,b,delays=8]"].description.startswith("undecided")


@pytest.mark.parametrize("shift", [0.0, 0.02])
def test_too_few_seeds_for_the_test_decide_nothing(shift: float) -> None:
    few = {name: source.isel(seed=slice(0, 6)) for name, source in far_apart().items()}
    few["b"] = few["b"].assign(eigenvalue=few["b"]["eigenvalue"] - 0.02 + shift)
    paired = published(few, settings(pairs=[["a", "b"]], floors=FLOORS))
    assert np.isnan(paired["verdict[a,b,delays=8]"].value)
    # Pooled, six and six seeds have 924 relabellings: enough.
    pooled = published(few, settings(pairs=[["a", "b"]], floors=FLOORS, paired=False))
    assert pooled["permutation-p[a,b,delays=8]"].value >= 2 / 924
    assert not np.isnan(pooled["verdict[a,b,delays=8]"].value)


def test_orders_of_distances() -> None:
    sources = {"a": spectra(0, 1e-4, 1), "b": spectra(0.01, 1e-4, 2), "c": spectra(0.03, 1e-4, 3)}
    chosen = settings(orders={"ac over ab": {"larger": ["a", "c"], "smaller": ["a", "b"]}})
    found = published(sources, chosen)
    assert found["order-difference[ac over ab,delays=8]"].value == pytest.approx(0.02, rel=0.02)
    assert found["order-share[ac over ab,delays=8]"].value == 1
    assert found["order-p[ac over ab,delays=8]"].value == pytest.approx(2**-9)
    low, high = found["excess-difference[ac over ab,delays=8]"].interval or (0, 0)
    assert 0.018 < low < high < 0.022


def test_unequal_delays() -> None:
    sources = {"a": spectra(0, 1e-4, 1, delays=(64,)), "b": spectra(0.02, 1e-4, 2, delays=(8,))}
    with pytest.raises(OrreryError, match="share no number of delays"):
        compare(sources, settings(pairs=[["a", "b"]]))
    found = published(sources, settings(pairs=[["a", "b"]], unequal_delays=True))
    assert found["distance[a,b]"].value == pytest.approx(0.02, rel=0.02)


def test_nothing_compared_asks_for_nothing_in_common() -> None:
    sources = {"a": spectra(0, 1e-4, 1, delays=(64, 32)), "b": spectra(0, 1e-4, 2, delays=(8,))}
    assert published(sources, settings()) == {}
    assert plot(compare(sources, settings()), sources, settings()) == []


def test_one_spectrum_per_condition_has_no_n_and_no_interval() -> None:
    sources = {
        "a": spectra(0, 0, 1, group="condition", delays=(0, 8)),
        "half": spectra(0, 0, 1, group="condition", delays=(0, 8)),
        "far": spectra(-0.5, 0, 2, group="condition", delays=(0, 8)),
    }
    sources["half"]["eigenvalue"] = np.sqrt(sources["half"]["eigenvalue"])
    chosen = settings(
        headline=8,
        pairs=[["a", "far"]],
        ratios={"r": {"pair": ["a", "half"], "against": [["a", "far"], ["half", "far"]]}},
        rates={"rate": {"reference": "a", "other": "half", "power": 0.5}},
        ladder=[{"label": "near", "pair": ["a", "half"]}],
    )
    found = published(sources, chosen)
    assert found["distance[a,far]"].value == pytest.approx(0.5)
    assert found["distance[a,far]"].n is None
    assert found["distance[a,far]"].interval is None
    assert found["rate-control[rate]"].value == pytest.approx(0, abs=1e-12)
    near = float(np.abs(np.sqrt(BASE) - BASE).mean())
    assert found["ladder[near]"].value == pytest.approx(near)
    assert found["largest-ratio[r]"].value == pytest.approx(found["ratio[r]"].value)
    assert found["largest-imaginary[a]"].value == pytest.approx(0.05)


def test_a_seed_without_spectrum_is_left_out() -> None:
    sources = far_apart()
    sources["a"]["eigenvalue"][4] = np.nan
    found = published(sources, settings(pairs=[["a", "b"]], floors=FLOORS))
    assert found["distance[a,b,delays=8]"].n == 8
    assert found["order-floor[a,delays=8]"].n == 8
    assert np.isfinite(found["between[a,b,delays=8]"].value)


def test_null_of_delays() -> None:
    source = spectra(0, 0, 1, delays=(8, 64))
    source["eigenvalue"][:, 1] += 0.01
    found = published({"a": source}, settings(null_of_delays=True))
    assert found["null[a,delays=8 and 64]"].value == pytest.approx(0.01)


def test_unknown_conditions_are_named() -> None:
    with pytest.raises(OrreryError, match="did you mean 'a again'"):
        compare(far_apart(), settings(floors={"a": "a agan"}))


def test_figures_come_with_captions_and_data() -> None:
    sources = far_apart()
    chosen = settings(pairs=[["a", "b"]], floors=FLOORS, ladder=[{"label": "one", "pair": ["a", "b"]}])
    figures = {figure.name: figure for figure in plot(compare(sources, chosen), sources, chosen)}
    assert set(figures) == {"spectra", "distances-8-delays", "sensitivity", "ladder"}
    assert len(figures["spectra"].data) == 2 * 9 * 4
    matrix = figures["distances-8-delays"].data
    assert matrix.loc[0, "b"] == pytest.approx(0.02, rel=0.02)
    assert (matrix["other batches"] < 0.001).all()
    strips = figures["sensitivity"].data
    assert [f"without seed {seed}" in set(strips["setting"]) for seed in SEEDS] == [True] * 9
    for figure in figures.values():
        assert figure.caption.endswith(".")
        assert "8 delays" in figure.caption
