"""Outcome prediction on runs whose outcomes are planted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from sklearn.metrics import roc_auc_score

from orrery.analyses import outcome_prediction
from orrery.analyses.api import Context
from orrery.analyses.outcome_numbers import answer
from orrery.analyses.outcome_scores import permuted_areas, strengths
from orrery.analyses.results import open_result, write_result
from orrery.config.errors import OrreryError
from orrery.numerics.resampling import bootstrap_counts
from orrery.numerics.streams import Streams

HORIZONS = [50, 200]
CONTEXT = Context(condition="tanh")


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def exponents(
    final: np.ndarray,
    signal: np.ndarray | None = None,
    loss: np.ndarray | None = None,
    indices: int = 3,
    seed: int = 7,
) -> xr.Dataset:
    """What ``lyapunov`` returns, as far as it is read: noise, but for one exponent and the loss at the last horizon."""
    n = len(final)
    # Far apart, so that sorting keeps the order.
    values = noise((n, len(HORIZONS), indices), seed) - 100 * np.arange(indices)
    if signal is not None:
        values[:, -1, 1] = signal - 100
    known = noise((n, len(HORIZONS)), seed + 1)
    if loss is not None:
        known[:, -1] = loss
    return xr.Dataset(
        {
            # In no particular order, as QR gives them over short windows.
            "finite_time": (("seed", "horizon", "index"), values[:, :, ::-1]),
            "loss": (("seed", "horizon"), known),
            "step_length": (("seed", "horizon"), noise((n, len(HORIZONS)), seed + 2)),
            "final_loss": (("seed",), final),
        },
        coords={"seed": np.arange(n), "horizon": HORIZONS, "index": np.arange(indices)},
    )


def analysed(source: object, **settings: object) -> xr.Dataset:
    given = {
        "of": "exponents",
        "threshold": 1.0,
        "choose": 100,
        "resamples": 400,
        "permutations": 50,
        **settings,
    }
    return outcome_prediction.analyse(source, outcome_prediction.Settings.model_validate(given), CONTEXT)


def outcomes(n: int = 300, share: float = 0.25, seed: int = 0) -> np.ndarray:
    """Final losses near 0 and near 2, the second for a share of the runs."""
    generator = np.random.default_rng(seed)
    return 2.0 * (generator.random(n) < share) + 0.1 * generator.random(n)


def numbers(**results: xr.Dataset) -> dict[str, object]:
    settings = outcome_prediction.Settings(of="exponents", threshold=1.0, choose=100)
    found = outcome_prediction.numbers(None, results, settings)
    assert len({number.name for number in found}) == len(found)
    return {number.name: number for number in found}


def test_a_predictor_of_known_area_is_found_and_scored_on_fresh_runs() -> None:
    final = outcomes(6000)
    # Two normals one deviation apart: AUC = Phi(1/sqrt 2) = .760; smaller where the outcome is high.
    result = analysed(exponents(final, noise((6000,), 3) - (final > 1)), choose=3000, resamples=100)
    assert result.attrs["headline"] == 1
    assert result["chosen_index"].values[1] == 1
    assert result["orientation"].values[0, 1] == -1
    area = result["area"].sel(horizon=200).values
    assert area[0] == pytest.approx(scipy.stats.norm.cdf(1 / np.sqrt(2)), abs=0.02)
    assert area[1:3] == pytest.approx([0.5, 0.5], abs=0.03)
    low, high = (float(result[f"area_{end}"].sel(horizon=200)[0]) for end in ("low", "high"))
    assert 0.72 < low < area[0] < high < 0.80


def test_the_value_is_that_of_scikit_learn_on_the_fresh_runs_alone() -> None:
    final = outcomes()
    signal = np.round(noise((300,), 3) + (final > 1))
    source = exponents(final, signal)
    result = analysed(source)
    fresh = np.arange(300) >= 100
    assert result["fresh"].values.tolist() == fresh.tolist()
    assert float(result["area"].sel(horizon=200)[0]) == pytest.approx(
        roc_auc_score(final[fresh] > 1, signal[fresh]), abs=1e-12
    )
    assert float(result["correlation"].sel(horizon=200)[0]) == pytest.approx(
        scipy.stats.spearmanr(signal[fresh], final[fresh]).statistic, abs=1e-12
    )
    changed = source.copy(deep=True)
    changed["final_loss"][200:] = final[200:][::-1]
    again = analysed(changed)
    for name in ("chosen_index", "orientation", "choosing_area"):
        assert np.array_equal(result[name], again[name], equal_nan=True)


def test_the_orientation_is_never_turned_on_fresh_runs() -> None:
    final = outcomes()
    signal = np.where(np.arange(300) < 100, 1, -1) * (final > 1) + 0.01 * noise((300,), 1)
    result = analysed(exponents(final, signal))
    assert float(result["area"].sel(horizon=200)[0]) < 0.05


def test_intervals_are_those_of_a_plain_loop_over_the_same_resamples() -> None:
    final = outcomes()
    signal = -np.round(noise((300,), 3) + (final > 1))
    loss = np.round(noise((300,), 4) + 2 * (final > 1))
    result = analysed(exponents(final, signal, loss), resamples=100).sel(horizon=200)
    fresh = np.arange(300) >= 100
    high = final[fresh] > 1
    counts = bootstrap_counts(200, 100, Streams().generator("probe", 200, "bootstrap"))
    areas, differences, correlations, partial = [], [], [], []
    for count in counts:
        x, y, z, h = (np.repeat(one, count) for one in (signal[fresh], final[fresh], loss[fresh], high))
        areas.append(roc_auc_score(h, -x))
        differences.append(areas[-1] - roc_auc_score(h, z))
        xy, xz, yz = (scipy.stats.spearmanr(*pair).statistic for pair in ((x, y), (x, z), (y, z)))
        correlations.append(xy)
        partial.append((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))
    for name, samples, row in (
        ("area", areas, 0),
        ("difference", differences, 0),
        ("correlation", correlations, 0),
        ("partial", partial, None),
    ):
        for end, percent in (("low", 2.5), ("high", 97.5)):
            found = result[f"{name}_{end}"].values
            expected = np.percentile(samples, percent)
            assert (found if row is None else found[row]) == pytest.approx(expected, abs=1e-10), name


@pytest.mark.parametrize(("of_exponent", "of_loss", "expected"), [(3, 1, 1), (1, 3, -1), (2, 2, np.nan)])
def test_the_answer_says_which_of_the_two_tells_more(
    of_exponent: float, of_loss: float, expected: float
) -> None:
    final = outcomes(800)
    high = final > 1
    result = analysed(
        exponents(final, noise((800,), 3) + of_exponent * high, noise((800,), 4) + of_loss * high),
        choose=400,
    )
    assert answer(result)[0] == pytest.approx(expected, nan_ok=True)
    published = numbers(tanh=result)
    assert published["verdict[tanh]"].value == pytest.approx(expected, nan_ok=True)
    assert answer(result)[1] in published["verdict[tanh]"].description


def test_what_adds_to_the_loss_is_told_from_what_repeats_it() -> None:
    final = outcomes(800)
    high = final > 1
    loss = noise((800,), 4) + high
    new = analysed(exponents(final, noise((800,), 3) + high, loss), choose=400)
    repeated = analysed(exponents(final, loss + 0.5 * noise((800,), 5), loss), choose=400)
    together = [float(one["difference_low"].sel(horizon=200)[2]) for one in (new, repeated)]
    assert together[0] > 0.02
    assert together[1] < 0.005
    assert float(new["partial_low"].sel(horizon=200)) > 0.1
    assert (
        float(repeated["partial_low"].sel(horizon=200)) < 0 < float(repeated["partial_high"].sel(horizon=200))
    )
    assert float(repeated["correlation_low"].sel(horizon=200)[0]) > 0.1


def test_permuted_outcomes_give_one_half() -> None:
    final = outcomes(400)
    high, choosing = final > 1, np.arange(400) < 200
    result = analysed(exponents(final, noise((400,), 3) + 3 * high), choose=200, permutations=200)
    assert numbers(tanh=result)["auc-permuted[tanh]"].value == pytest.approx(0.5, abs=0.03)
    # Of a hundred predictors one goes with the outcomes on any runs; on others it does not.
    many = noise((400, 100), 9)
    assert permuted_areas(many, high, choosing, 100).mean() == pytest.approx(0.5, abs=0.03)
    leaking = [
        np.abs(strengths(many[choosing], np.random.default_rng(seed).permuted(high[choosing])[None])).max()
        for seed in range(20)
    ]
    assert 0.5 + np.mean(leaking) > 0.56


def test_without_a_threshold_there_are_rank_correlations_only() -> None:
    final = np.exp(noise((300,), 0))
    result = analysed(exponents(final, -final), threshold=None)
    assert result["chosen_index"].values[1] == 1
    assert float(result["correlation"].sel(horizon=200)[0]) == pytest.approx(-1)
    assert np.isnan(result["area"]).all()
    published = numbers(control=result)
    assert not any(name.startswith("auc") or name.startswith("high") for name in published)
    assert published["spearman[control]"].value == pytest.approx(-1)


def test_runs_that_diverged_are_counted_and_infinite_exponents_are_ranked() -> None:
    final = outcomes()
    source = exponents(final, noise((300,), 3) + 3 * (final > 1))
    source["final_loss"][5] = np.nan
    source["finite_time"][7, 0, 0] = np.nan
    source["finite_time"][150:160, -1, 1] = -np.inf
    result = analysed(source)
    assert result.attrs["excluded"] == 2
    assert result.sizes["seed"] == 298
    assert int((~result["fresh"]).sum()) == 98
    assert np.isfinite(result["area"].sel(horizon=200)).all()
    assert numbers(tanh=result)["excluded[tanh]"].value == 2


def test_shares_and_quantiles_of_the_final_loss() -> None:
    final = outcomes()
    result = analysed(exponents(final, final), bands={"low": (0.0, 0.05)})
    found = numbers(tanh=result)
    assert found["high-share[tanh]"].value == pytest.approx((final > 1).mean())
    low, high = found["high-share[tanh]"].interval
    assert low < found["high-share[tanh]"].value < high
    assert found["share[low,tanh]"].value == pytest.approx(((final >= 0) & (final <= 0.05)).mean())
    assert found["final-loss-quantile[tanh,50%]"].value == np.quantile(final, 0.5)
    assert found["auc[tanh,horizon=200]"].value == found["auc[tanh]"].value


def test_angles_are_predictors_where_they_are_known() -> None:
    final = outcomes()
    source = exponents(final)
    angles = noise((300, 4, 3), 5) + 10
    angles[:, :, 2] += 2 * (final > 1)[:, None]
    angles[0] = np.nan
    # Two of them have no angle of their own, and one run has none at all.
    angles[:280, :, 0] = np.nan
    source["angle"] = (("seed", "moment", "pair"), angles)
    source.attrs["pairs"] = [[0, 1], [0, 2], [1, 2]]
    result = analysed(source)
    assert result.attrs["angle"] == "mean angle of vectors 1 and 2"
    assert float(result["angle_area"][0]) > 0.95
    assert float(result["angle_difference"][1]) > 0.2
    assert numbers(tanh=result)["auc-angle[tanh]"].value > 0.95


@pytest.mark.parametrize(
    ("change", "settings", "words"),
    [
        (
            lambda s: s,
            {"threshold": 5.0},
            "all 100 runs of 'tanh' to choose with end at or below the threshold 5",
        ),
        (lambda s: s, {"threshold": -5.0}, "end above the threshold -5"),
        (lambda s: s, {"choose": 295}, "'tanh' has 5 runs to score where 'choose' is 295, and needs 10"),
        (lambda s: s, {"horizons": [50, 70]}, r"horizons \[70\] are not among those of the exponents"),
        (lambda s: s.drop_vars("finite_time"), {}, "write 'of: <name of an analysis lyapunov>'"),
        (lambda s: s.assign(final_loss=s["final_loss"] * np.nan), {}, "has 0 runs to choose with"),
    ],
)
def test_what_does_not_fit_is_one_sentence(change, settings: dict[str, object], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OrreryError, match=words):
        analysed(change(exponents(outcomes())), **settings)


def test_results_are_written_and_figures_drawn_for_every_condition(tmp_path: Path) -> None:
    final = outcomes(150)
    with_angles = exponents(final, noise((150,), 3) + (final > 1))
    results = {
        "tanh": analysed(with_angles, choose=75, bands={"low": (0.0, 0.1)}),
        "control": analysed(exponents(np.exp(noise((150,), 0))), choose=75, threshold=None),
    }
    for name, result in results.items():
        (tmp_path / name).mkdir()
        write_result(result, tmp_path / name)
        again = open_result(tmp_path / name)
        assert again.attrs == result.attrs
        results[name] = again
    assert numbers(**results)
    settings = outcome_prediction.Settings(of="exponents", threshold=1.0, choose=75)
    drawn = outcome_prediction.plot(None, results, settings)
    assert [one.name for one in drawn] == [
        "roc",
        "areas",
        "indices",
        "correlations",
        "final-losses",
        "final-loss-distribution",
    ]
    assert len(drawn[0].figure.axes) == 1
    assert len(drawn[3].figure.axes) == 2
    # Every exponent at every horizon, one of them chosen at each.
    for _, one in drawn[1].data.iterrows():
        tried = drawn[2].data[drawn[2].data["horizon"] == one["horizon"]].set_index("index")["area"]
        assert (tried - 0.5).abs().idxmax() == one["index"]
    assert drawn[1].data["area_exponent"].size == len(HORIZONS)
    assert "loss at the same step" in drawn[0].caption
    drawn = outcome_prediction.plot(None, {"control": results["control"]}, settings)
    assert [one.name for one in drawn] == ["correlations", "final-losses", "final-loss-distribution"]


def test_a_job_reads_the_settings_without_the_name_of_its_source() -> None:
    dumped = outcome_prediction.Settings(of="exponents", threshold=None, choose=100).model_dump(mode="json")
    del dumped["of"]
    assert outcome_prediction.Settings.model_validate(dumped).choose == 100


def test_a_study_that_cannot_work_is_told_before_it_runs() -> None:
    settings = outcome_prediction.Settings(of="exponents", threshold=1.0, choose=100)

    def told(seeds: int, method: str) -> dict[str, str]:
        condition = SimpleNamespace(
            training=SimpleNamespace(seeds=SimpleNamespace(count=seeds)),
            analyses={"exponents": SimpleNamespace(method=method)},
        )
        return dict(settings.misfits(condition))

    assert told(200, "lyapunov") == {}
    assert told(105, "lyapunov") == {
        "choose": "is 100 of 105 seeds, and at least 10 must be left to score; write at most 95"
    }
    assert told(200, "koopman") == {"of": "is 'exponents', and must be the name of an analysis 'lyapunov'"}
