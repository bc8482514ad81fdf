"""Training responses along recorded trajectories: one-sample exponents, kernels, stages, and unfit settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError
from tests.unit.response_examples import BINARY, LINEAR, MSE, described, started, system_of

from orrery.analyses.api import Context, Number
from orrery.analyses.response import Settings, analyse, numbers, plot
from orrery.analyses.response_fits import PREDICTED, PREDICTED_PRODUCT
from orrery.config.errors import OrreryError
from orrery.systems.system import Runs, System
from orrery.trajectory.trajectory import Trajectory
from orrery.trajectory.writer import Writer

STEPS = np.unique(np.geomspace(1, 2000, 24).round().astype(int)).tolist()
SHORT = [1, 3, 10, 30, 100]
PROBE = {"places": [0.3], "target": 1.0}


def recorded(
    path: Path,
    system: System,
    units: int,
    loss: dict[str, Any],
    *,
    seeds: int = 3,
    steps: list[int] = STEPS,
    rate: float = 0.1,
    state: dict[str, torch.Tensor] | None = None,
) -> Trajectory:
    """The states after these steps of full-batch training."""
    state = started(system, seeds) if state is None else state
    writer = Writer(
        path,
        components=system.components,
        steps=[0, *steps],
        seeds=range(seeds),
        copies=[0] * seeds,
        dtype="float64",
        metrics={},
        attributes={"condition": {"system": described(units, "relu", loss, rate)}},
    )
    assert system.whole is not None
    whole, wanted = system.whole(), {0, *steps}
    with torch.no_grad():
        for step in range(steps[-1] + 1):
            if step in wanted:
                writer.record(step, state)
            state = system.step(state, whole, step)
    writer.close(status=np.zeros(seeds, int), last_step=np.full(seeds, steps[-1]))
    return Trajectory.open(path)


def context(system: System) -> Context:
    return Context("one", system=lambda dtype=None: system)


@dataclass(frozen=True)
class Looked:
    """A result with its numbers, and what it was made from."""

    found: xr.Dataset
    settings: Settings
    published: dict[str, Number]
    source: Trajectory
    system: System


def looked_at(folder: Path, activation: str, loss: dict[str, Any], units: int, **more: Any) -> Looked:
    system = system_of(units, activation, loss, rate=0.1)
    source = recorded(folder / "data.zarr", system, units, loss)
    settings = Settings.model_validate({"probe": PROBE, **more})
    found = analyse(source, settings, context(system))
    published = {number.name: number for number in numbers(None, {"one": found}, settings)}
    return Looked(found, settings, published, source, system)


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    folder = tmp_path_factory.mktemp("squares")
    return looked_at(
        folder, "tanh", MSE, 100, grid=[-1, 1, 41], identity=[1e-2, 1e-3, 1e-4, 1e-5], products=[2000, 100000]
    )


def test_exponents_of_one_sample_and_squares(squares: Looked) -> None:
    # Method note, criterion A-2, at a tenth of its time: within 0.1, K_u between 0 and 0.1.
    published = squares.published
    for key, expected in PREDICTED["squares", "sigmoid"].items():
        assert published[f"{key}-slope[one]"].value == pytest.approx(expected, abs=0.1), key
    assert 0 <= published["kernel-slope[one]"].value <= 0.1
    assert published["bookkeeping[one]"].value < 1e-12
    # Criterion A-3: derived before it was measured.
    assert published["product[one,step=2000]"].value == pytest.approx(PREDICTED_PRODUCT, rel=0.1)
    assert "product[one,step=100000]" not in published  # it ends before


def test_exponents_of_one_sample_and_binary_cross_entropy(tmp_path: Path) -> None:
    published = looked_at(tmp_path, "elu", BINARY, 50, grid=[-1, 1, 5]).published
    for key, expected in PREDICTED["binary", "sigmoid"].items():
        assert published[f"{key}-slope[one]"].value == pytest.approx(expected, abs=0.1), key


def test_responses_become_kernels_and_the_first_order_has_slope_one(
    squares: Looked,
) -> None:
    found, published = squares.found, squares.published
    assert published["kernel-mismatch[one]"].value < 1e-12
    assert published["out-deviation[one]"].value < 1e-3
    assert published["pre-deviation[one]"].value < 1e-3
    assert published["identity-slope[one]"].value == pytest.approx(1.0, abs=0.05)
    assert published["identity-error[one,rate=0.0001]"].value < 1e-3
    own, tangent = found["own"].values, found["own_tangent"].values
    np.testing.assert_allclose(own[..., 1], tangent[..., 0], rtol=1e-3)
    factor = found["factor"].values
    np.testing.assert_allclose(tangent[..., 0], factor**2 * tangent[..., 1], rtol=1e-12)
    # MSE behind a sigmoid: raw = 2 rate (y0 - f) K_f to first order.
    np.testing.assert_allclose(
        own[..., 0], 2 * 1e-5 * found["probe_error"].values * tangent[..., 0], rtol=1e-3
    )


def test_stages_separability_and_specificity_are_there(
    squares: Looked,
) -> None:
    found, published = squares.found, squares.published
    errors, steps = found["mean_error"].values, found["moment_step"].values
    for seed in range(3):
        below = np.flatnonzero(errors[seed] < 0.05)
        assert found["boundary"].values[seed, 1] == steps[below[0]]
    assert published["late-from[one]"].value == pytest.approx(found["boundary"].values[:, 1].mean())
    # One sample: the kernel of the last layer stays as it is.
    for rows in ("rows", "unit-rows"):
        assert 0 <= published[f"violation-pre-{rows}-all[one]"].value < 0.01
    assert (
        published["violation-out-unit-rows-all[one]"].value > published["violation-out-rows-all[one]"].value
    )
    assert 0.05 < published["last-half-width-pre[one]"].value < 2
    assert published["last-small-distance[one]"].value == pytest.approx(2, abs=0.1)
    assert published["factor-late[one]"].value < published["factor-transition[one]"].value < 0.25


def test_other_seeds_and_steps_and_portions_of_them_do_not_matter(
    squares: Looked, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = squares.found.isel(seed=[1])
    source = squares.source.select(seeds=[1], steps=(10, 2000))
    for room in (None, 1):
        if room:
            monkeypatch.setattr("orrery.analyses.response_records.ROOM", room)
        alone = analyse(source, squares.settings, context(squares.system))
        same = np.flatnonzero(np.isin(whole["moment_step"].values, alone["moment_step"].values))
        assert same.size == alone.sizes["moment"]
        for name in ("response", "tangent", "small_distance"):
            np.testing.assert_allclose(alone[name].values, whole[name].values[:, same], rtol=1e-7, atol=1e-15)


def test_a_linear_output_keeps_its_response(tmp_path: Path) -> None:
    # In the limit of many units K_u stays as it is; at 1,000 units it drifts by less than a tenth (criterion A-3).
    system = system_of(1000, "relu", LINEAR, rate=0.001)
    source = recorded(tmp_path / "data.zarr", system, 1000, LINEAR, steps=SHORT, rate=0.001)
    settings = Settings.model_validate({"probe": PROBE, "grid": [-1, 1, 11]})
    found = analyse(source, settings, context(system))
    published = {number.name: number for number in numbers(None, {"one": found}, settings)}
    assert published["out-drift[one]"].value < 0.1
    np.testing.assert_allclose(found["factor"].values, 1.0)
    assert float(found["shifted"].max()) == 1.0


@pytest.mark.parametrize("hidden", [[6], [6, 5]])
def test_several_outputs_probes_that_are_samples_and_the_worst_one(tmp_path: Path, hidden: list[int]) -> None:
    generator = np.random.default_rng(0)
    inputs, targets = generator.standard_normal((5, 2)), generator.integers(0, 2, (5, 3)).astype(float)
    system = system_of(6, "tanh", MSE, inputs=inputs, targets=targets, hidden=hidden, rate=0.05)
    state = system.initial(Runs.product(range(2)))
    source = recorded(tmp_path / "a.zarr", system, 6, MSE, seeds=2, steps=SHORT, state=state)
    of_all = Settings.model_validate({"probe": {"samples": "all"}, "grid": "samples"})
    found = analyse(source, of_all, context(system))
    assert found["response"].shape == (2, 6, 5, 3, 5)
    assert np.isfinite(found["mismatch"].values).all() == (len(hidden) == 1)
    # A response at the probe's own place is that of the place of the same sample.
    for sample in range(5):
        np.testing.assert_allclose(
            found["response"].values[:, :, sample, :, sample], found["own"].values[:, :, sample], rtol=1e-9
        )
    np.testing.assert_allclose(found["own"].values[..., 2], found["own_tangent"].values[..., 1], rtol=1e-3)
    worst = Settings.model_validate({"probe": {"samples": "worst"}, "grid": "samples"})
    of_worst = analyse(source, worst, context(system))
    largest = found["probe_error"].values.max(axis=2)
    np.testing.assert_allclose(of_worst["probe_error"].values[..., 0], largest, rtol=1e-12)
    assert len(numbers(None, {"a": found}, of_all)) > 5
    assert {figure.name for figure in plot(None, {"a": found}, of_all)} >= {"ageing", "profiles", "kernels"}


def test_a_run_that_diverged_is_counted_and_left_out(tmp_path: Path) -> None:
    system = system_of(5, "relu", MSE, rate=0.1)
    settings = Settings.model_validate({"probe": PROBE, "grid": [-1, 1, 5]})
    state = started(system, 3)
    whole = analyse(
        recorded(tmp_path / "a.zarr", system, 5, MSE, steps=SHORT, state=state), settings, context(system)
    )
    state["fc2.bias"][2] = torch.nan
    source = recorded(tmp_path / "b.zarr", system, 5, MSE, steps=SHORT, state=state)
    lost = analyse(source, settings, context(system))
    assert lost["diverged"].values.tolist() == [False, False, True]
    published = {number.name: number for number in numbers(None, {"one": lost}, settings)}
    assert published["diverged[one]"].value == 1
    assert published["error-slope[one]"].n == 2
    np.testing.assert_allclose(lost["own"].values[:2], whole["own"].values[:2], rtol=1e-8)
    assert len(plot(None, {"one": lost}, settings)) == 6


def test_figures_carry_their_numbers(squares: Looked) -> None:
    found = squares.found
    figures = {figure.name: figure for figure in plot(None, {"one": found}, squares.settings)}
    assert list(figures) == [
        "ageing",
        "profiles",
        "kernels",
        "separability",
        "stages",
        "specificity",
        "identity",
    ]
    table = figures["ageing"].data
    np.testing.assert_allclose(
        table["error"].to_numpy().reshape(3, -1), found["probe_error"].values[:, :, 0], rtol=1e-5
    )
    assert all(len(figure.data) for figure in figures.values())


def test_what_was_looked_at_once_has_figures_without_a_course(squares: Looked) -> None:
    once = squares.found.isel(moment=[0])
    figures = {figure.name: figure for figure in plot(None, {"one": once}, squares.settings)}
    assert list(figures) == ["profiles", "kernels", "small-distances", "identity"]
    table = figures["small-distances"].data
    np.testing.assert_allclose(table["exponent"], once["small_distance"].values[:, 0, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probe": {}}, "write either places, with a target, or samples"),
        ({"probe": {"places": [0.3], "samples": [1]}}, "write either places"),
        ({"probe": {"places": [0.3]}}, "places need a target"),
        ({"probe": {"samples": "all", "target": 1}}, "samples have targets of their own"),
        ({"probe": {"places": [[0.3, 0.1]], "target": 1}}, "write grid: samples"),
        ({"probe": {"places": [1.5], "target": 1}}, "1.5 lies outside of the grid from -1 to 1"),
        ({"probe": PROBE, "grid": [1, -1, 20]}, "is no grid"),
        ({"probe": PROBE, "identity": [0.1]}, "one rate has no slope"),
        ({"probe": PROBE, "distances": [0.1]}, "one has no exponent"),
        ({"probe": PROBE, "normalisations": ["out", "out"]}, "name each once"),
    ],
)
def test_bad_settings_are_told_in_a_sentence(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate(settings)


def test_conditions_that_do_not_fit_are_told_before_anything_runs() -> None:
    condition = SimpleNamespace(
        system={"kind": "henon"},
        record=SimpleNamespace(state=()),
        training=SimpleNamespace(steps=50),
    )
    settings = Settings.model_validate({"probe": PROBE, "products": [100]})
    told = list(settings.misfits(condition))
    assert [key for key, _ in told] == ["method", "method", "products", "decades"]
    assert "this system is none" in told[0][1]
    assert "2 decades, but training.steps is 50" in told[3][1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probe": PROBE}, "grid: inputs have 2 features"),
        ({"probe": PROBE, "grid": "samples"}, "0.3 has 1 features, and inputs have 2"),
        ({"probe": {"samples": [7]}, "grid": "samples"}, "there is no sample 7"),
        (
            {"probe": {"places": [[0.1, 0.2]], "target": [1, 0]}, "grid": "samples"},
            "2 numbers were given, and there are 1 outputs",
        ),
        ({"probe": {"samples": [0]}, "grid": "samples"}, "recorded steps are from 1 to 10"),
    ],
)
def test_probes_that_do_not_fit_the_inputs_are_refused(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    system = system_of(4, inputs=np.ones((3, 2)), targets=np.ones((3, 1)))
    source = recorded(tmp_path / "a.zarr", system, 4, MSE, seeds=1, steps=[1, 3, 10])
    with pytest.raises(OrreryError, match=message):
        analyse(source, Settings.model_validate(settings), context(system))


def test_a_system_that_is_no_network_and_weights_that_are_missing_are_refused(tmp_path: Path) -> None:
    system = system_of(4)
    source = recorded(tmp_path / "a.zarr", system, 4, MSE, seeds=1, steps=SHORT)
    settings = Settings.model_validate({"probe": PROBE})
    none = Context("one", system=partial(lambda dtype=None: SimpleNamespace(forward=None)))
    with pytest.raises(OrreryError, match="is no network"):
        analyse(source, settings, none)
    deeper = system_of(4, hidden=[4, 4])
    with pytest.raises(OrreryError, match=r"'fc3.weight' was not recorded"):
        analyse(source, settings, context(deeper))
