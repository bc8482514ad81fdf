"""What settings are refused with which sentence, what diverges is counted, and what is published."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.unit.tangent_examples import henon, linear, map_system, run_of

from orrery.analyses.lyapunov import Settings, numbers, plot
from orrery.analyses.lyapunov_figures import axis_of
from orrery.config.errors import ConfigError, OrreryError
from orrery.config.loading import load_study, load_workflow
from orrery.systems.system import Component, System


def settings(**changes: object) -> Settings:
    return Settings.model_validate({"exponents": 2, **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"window": [10, 10]}, "must be .first, last. with first < last"),
        ({"window": [0, 50], "steps": [0, 40]}, "does not lie within the steps that are read, .0, 40."),
        ({"window": [0, 50], "horizons": [10, 60]}, "horizons: 60 is longer than the window of 50 steps"),
        ({"window": [0, 50], "align": 50}, "align: 50 steps leave nothing"),
        ({"window": [10, 50], "moments": [5, 20]}, "moments: step 5 is not in the window"),
        (
            {"window": [0, 50], "covariant": {"transient": 30}},
            "covariant.transient: 30 and 30 steps at the ends leave nothing of the window of 50",
        ),
        ({"of": "copies"}, "trajectory"),
        ({"exponents": 0}, "greater than or equal to 1"),
        ({"exponents": "some"}, "all"),
    ],
)
def test_settings_that_contradict_each_other(changes: dict, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        settings(**changes)


def test_what_a_condition_does_not_allow_is_told_before_training() -> None:
    training = SimpleNamespace(steps=100, dtype="float64")
    sound = settings(window=[0, 100])
    assert list(sound.misfits(SimpleNamespace(training=training, start=0))) == []
    training = SimpleNamespace(steps=99, dtype="float32")
    (window, precision) = sound.misfits(SimpleNamespace(training=training, start=0))
    assert window == ("window", "ends at step 100, but training.steps is 99")
    assert "dtype: float64" in precision[1]


def test_more_exponents_than_components() -> None:
    with pytest.raises(
        OrreryError, match="exponents: 3 are more than the 2 components of the state; write at most 2"
    ):
        run_of(henon(), last=10, exponents=3)


def test_a_window_beyond_what_is_read() -> None:
    with pytest.raises(OrreryError, match="window: ends at step 20, but what is read ends at step 10"):
        run_of(henon(), last=10, window=[0, 20])


def test_horizons_beyond_what_is_read() -> None:
    with pytest.raises(OrreryError, match="horizons: 11 is longer than the window of 10 steps"):
        run_of(henon(), last=10, horizons=[11])


def test_single_precision() -> None:
    system = henon(initial=lambda runs: {"point": torch.zeros((runs.count, 2))})
    with pytest.raises(OrreryError, match=r"double precision; write training: \{dtype: float64\}"):
        run_of(system, last=10)


def test_a_system_without_a_derivative() -> None:
    smooth = henon()
    system = System(
        smooth.components, smooth.initial, smooth.batch, smooth.advance, byproducts=(), differentiable=False
    )
    with pytest.raises(OrreryError, match="lyapunov: the step of this system has no derivative"):
        run_of(system, last=10)


def test_start_vectors_in_too_few_components() -> None:
    with pytest.raises(OrreryError, match=r"frame: .'weight'. has 0 components, too few for 2 start vectors"):
        run_of(henon(), last=10, frame=["weight"])


def test_one_vector_has_no_angles() -> None:
    with pytest.raises(OrreryError, match="covariant: angles need at least two exponents"):
        run_of(henon(), last=30, exponents=1, covariant={"transient": 5})


def test_a_copy_that_there_is_not() -> None:
    with pytest.raises(OrreryError, match=r"copy: seed 0 has no copy 3; write one of .0."):
        run_of(henon(), last=10, copy=3)


def test_too_rare_orthogonalisation_names_what_would_do() -> None:
    with pytest.raises(OrreryError, match=r"every: exponents differ by 4.61 per step.*write at most 2"):
        run_of(linear([[10.0, 0.0], [0.0, 0.1]]), last=60, every=20, align=40)


def quadratic() -> System:
    """x' = x/2 + x^2/5: starts below 5/2 fall to 0, starts above 3 diverge within thirty steps."""
    return map_system(lambda x: x / 2 + x**2 / 5, 1, lambda generator: generator.uniform(0.5, 4.0, 1))


def test_single_diverged_runs_are_counted_and_do_not_touch_the_others() -> None:
    starts = {seed: quadratic().initial(SimpleNamespace(seeds=(seed,)))["point"].item() for seed in range(12)}
    tame = [seed for seed, start in starts.items() if start < 2.5]
    wild = [seed for seed, start in starts.items() if start > 3]
    assert tame
    assert wild
    found = run_of(quadratic(), [*tame, *wild], last=30, horizons=[2, 30])
    assert found["diverged"].values.tolist() == [False] * len(tame) + [True] * len(wild)
    assert np.isnan(found["exponent"].values[len(tame) :]).all()
    # Before it diverges a run has exponents as good as any.
    assert np.isfinite(found["finite_time"].values[:, 0]).all()
    alone = run_of(quadratic(), tame, last=30, horizons=[2, 30])
    assert np.array_equal(found["exponent"].values[: len(tame)], alone["exponent"].values)
    said = {number.name: number for number in numbers(None, {"it": found}, settings(exponents=1))}
    assert said["diverged[it]"].value == len(wild)
    assert said["exponent[it,index=0]"].n == len(tame)
    assert said["undefined[it]"].value == 0


def test_what_training_stopped_is_left_out_from_there_on() -> None:
    found = run_of(henon(), last=40, horizons=[10, 30], status=[0, 1, 0], last_step=[40, 15, 40])
    assert found["diverged"].values.tolist() == [False, True, False]
    assert np.isfinite(found["finite_time"].values[1, 0]).all()
    assert np.isnan(found["finite_time"].values[1, 1]).all()
    assert np.isnan(found["exponent"].values[1]).all()
    assert np.isfinite(found["exponent"].values[[0, 2]]).all()
    # What diverged after the window did not diverge in it.
    early = run_of(henon(), last=40, window=[0, 15], status=[0, 1, 0], last_step=[40, 15, 40])
    assert not early["diverged"].any()


def test_all_runs_diverged_is_one_sentence() -> None:
    wild = map_system(lambda x: x**2 + 4, 1, lambda generator: generator.uniform(0.5, 4.0, 1))
    found = run_of(wild, last=30)
    with pytest.raises(
        OrreryError, match=r"all 3 runs of 'large' diverged before step 30; let the window .0, 30."
    ):
        numbers(None, {"large": found}, settings(exponents=1))


def test_numbers_are_means_over_seeds() -> None:
    chosen = settings(
        exponents="all", window=[0, 120], align=20, horizons=[5, 100], covariant={"transient": 20}
    )
    found = run_of(henon(), range(10), last=120, **chosen.model_dump(exclude={"method", "of", "copy_"}))
    said = {number.name: number for number in numbers(None, {"it": found}, chosen)}
    exponents = found["exponent"].values
    first = said["exponent[it,index=0]"]
    assert first.value == pytest.approx(exponents[:, 0].mean())
    low, high = first.interval or (math.nan, math.nan)
    assert low < first.value < high
    assert (first.n, first.unit) == (10, "1/step")
    assert said["sum[it]"].value == pytest.approx(math.log(0.3))
    assert said["largest-sum-rule[it]"].value < 1e-10
    assert 0 < said["largest-single-sum-rule[it]"].value < 1e-10
    assert said["largest-covariance-residual[it]"].value < 1e-10
    assert said["finite-time[it,horizon=5,index=1]"].value == pytest.approx(
        found["finite_time"].values[:, 0, 1].mean()
    )
    assert said["finite-time-positive[it,horizon=100,index=0]"].value == 1
    assert said["finite-time-positive[it,horizon=100,index=0]"].interval[0] < 0.8
    assert "finite-time-svd[it,horizon=5,index=1]" in said
    assert "finite-time-svd[it,horizon=100,index=1]" not in said
    assert said["angle-least[it,pair=0-1]"].value == pytest.approx(found["least_angle"].values.min())
    assert 40 < said["angle-mean[it,pair=0-1]"].value < 65
    assert said["super-contracted[it]"].value == 0


def test_minus_infinity_is_left_out_of_means() -> None:
    found = run_of(linear([[2.0, 0.0], [0.0, 0.0]]), last=10)
    said = {number.name: number for number in numbers(None, {"it": found}, settings())}
    assert math.isnan(said["exponent[it,index=1]"].value)
    assert said["exponent[it,index=1]"].n == 0
    assert said["super-contracted[it]"].value >= 27


def test_figures_name_what_they_show() -> None:
    chosen = settings(exponents="all", horizons=[5, 50], covariant={"transient": 20})
    sources = {}
    for rate in (0.2, 0.4):
        found = run_of(henon(), range(4), last=100, horizons=[5, 50], covariant={"transient": 20})
        found.attrs["axes"] = {"rate": rate}
        sources[f"rate={rate}"] = found
    figures = {figure.name: figure for figure in plot(None, sources, chosen)}
    assert list(figures) == ["spectra", "horizons", "exponents", "angles"]
    assert axis_of(sources) == ("rate", [0.2, 0.4])
    assert figures["exponents"].data["rate"].tolist() == [0.2, 0.4] * 2
    assert set(figures["horizons"].data["horizon"]) == {5, 50}
    assert figures["angles"].data["angle"].between(0, 90).all()
    assert len(plot(None, {"it": sources["rate=0.2"]}, chosen)) == 3
    assert "the QR, steps 0 to 100," in figures["exponents"].caption
    sources["rate=0.4"].attrs["averaged"] = [20, 80]
    exponents = plot(None, sources, chosen)[2]
    assert "rate=0.2: steps 0 to 100, rate=0.4: steps 20 to 80" in exponents.caption


def test_curves_of_many_seeds_are_not_drawn_one_by_one() -> None:
    for seeds, single in ((3, True), (80, False)):
        found = run_of(henon(), range(seeds), last=20)
        figure = plot(None, {"it": found}, settings())[0]
        assert ("Thin lines are seeds" in figure.caption) == single
        assert (len(figure.figure.axes[0].lines) > 3) == single


def test_an_axis_of_names_is_no_axis() -> None:
    found = run_of(henon(), last=20)
    sources = {}
    for name, axes in (("a", {"order": "first"}), ("b", {"order": "second"})):
        sources[name] = found.assign_attrs(axes=axes)
    assert axis_of(sources) is None
    assert plot(None, sources, settings())[1].data["place"].tolist() == [0, 1] * 2


def test_roles_of_start_vectors() -> None:
    base = linear([[0.5, 0.0, 0.0], [0.3, 2.0, 0.0], [0.0, 0.0, 0.1]])

    def two_parts(role: str) -> System:
        def advance(state: dict, batch: dict, t: int) -> tuple[dict, dict]:
            point = torch.cat([state["weight"], state["rest"]], dim=1)
            after = base.step({"point": point}, {}, t)["point"]
            return {"weight": after[:, :1], "rest": after[:, 1:]}, {}

        return System(
            (Component("weight", (1,), "weight"), Component("rest", (2,), role)),
            lambda runs: {
                "weight": torch.ones((runs.count, 1), dtype=torch.float64),
                "rest": torch.ones((runs.count, 2), dtype=torch.float64),
            },
            base.batch,
            advance,
            byproducts=(),
        )

    found = run_of(two_parts("bias"), last=1, exponents=1, frame=["weight"])
    # The start vector is the first unit vector; one step takes it to (.5, .3, 0).
    assert np.allclose(found["finite_time"], math.log(math.hypot(0.5, 0.3)), atol=1e-14)
    assert np.allclose(found["vector_growth_l1"], math.log(0.8), atol=1e-14)
    momentum = run_of(two_parts("momentum"), last=1, exponents=1, frame=["weight"])
    assert np.allclose(momentum["vector_growth"], math.log(0.5), atol=1e-14)
    assert np.allclose(momentum["finite_time"], math.log(math.hypot(0.5, 0.3)), atol=1e-14)


STUDY = """\
title: Hénon
system: {kind: reference-map, map: {kind: henon}}
training: {steps: 100, seeds: 2, dtype: float64}
record: {state: all}
conditions:
  grid:
    axes:
      a: {values: [1.2, 1.4], sets: system.map.a}
analyses:
  exponents: {method: lyapunov, exponents: all, window: [0, 90]}
"""


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("90", "900", "10: analyses.exponents.window: ends at step 900, but training.steps is 100"),
        (
            "dtype: float64",
            "dtype: float32",
            "10: analyses.exponents.method: 'lyapunov' follows tangents in double precision; write training: "
            "{dtype: float64}, not float32",
        ),
        ("90]", "90], of: other", "analyses.exponents.of: 'other' is not allowed; allowed are trajectory"),
        ("90]", "90], horizons: [200]", "horizons: 200 is longer than the window of 90 steps, [0, 90]"),
    ],
)
def test_a_study_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("studies: [henon]\n")
    Path("studies").mkdir()
    Path("studies/henon.yaml").write_text(STUDY)
    workflow = load_workflow("config.yaml")
    assert len(load_study(Path("studies/henon.yaml"), workflow).conditions) == 2
    Path("studies/henon.yaml").write_text(STUDY.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_study(Path("studies/henon.yaml"), workflow)
    told = str(caught.value).splitlines()
    assert sum(sentence in line for line in told) == 1, told
