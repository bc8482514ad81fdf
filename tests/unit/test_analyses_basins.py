"""Basins of recorded networks: shapes, censoring, classes, refusals, and numbers on curves that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError
from tests.unit.noise_examples import classes, classifier, samples, trained

from orrery.analyses.api import Context
from orrery.analyses.basins import Settings, analyse, numbers, plot
from orrery.analyses.basins_jump import jump
from orrery.analyses.basins_numbers import correlation
from orrery.config.errors import OrreryError
from orrery.systems.noise import shares_right
from orrery.systems.system import System
from orrery.trajectory.trajectory import Trajectory
from orrery.trajectory.writer import Writer

SEEDS = (0, 1)
STEPS = (0, 5, 20, 60, 200)


def recorded(path: Path, system: System) -> Trajectory:
    states = [trained(system, SEEDS, steps) for steps in STEPS]
    writer = Writer(
        path,
        components=system.components,
        steps=STEPS,
        seeds=SEEDS,
        copies=[0] * len(SEEDS),
        dtype="float64",
        metrics={},
        attributes={"condition": {}},
    )
    for step, state in zip(STEPS, states, strict=True):
        writer.record(step, state)
    writer.close(status=np.zeros(len(SEEDS), int), last_step=np.full(len(SEEDS), STEPS[-1]))
    return Trajectory.open(path)


def context(system: System, **axes: float) -> Context:
    return Context("a", axes=axes, system=lambda: system)


@pytest.fixture(scope="module")
def system() -> System:
    return classifier(classes(8, 6, 160, 0.3), (12,))


@pytest.fixture(scope="module")
def source(system: System, tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    return recorded(tmp_path_factory.mktemp("runs") / "data.zarr", system)


@pytest.fixture(scope="module")
def found(system: System, source: Trajectory) -> xr.Dataset:
    settings = Settings(moments=4, single={"per_class": 10, "draws": 60})
    return analyse(source, settings, context(system, depth=1))


def test_basins_of_recorded_networks(found: xr.Dataset, system: System, source: Trajectory) -> None:
    assert dict(found.sizes) == {
        "seed": 2,
        "moment": 4,
        "noise": 2,
        "amplitude": 25,
        "threshold": 3,
        "class": 8,
        "sample": 80,
    }
    assert found["moment_step"].values.tolist()[-1] == 200
    assert found.attrs["noise"] == ["inputs", "weights"]
    last = found.isel(moment=-1)
    sizes = last["basin"].values
    # The higher the threshold, the smaller the basin.
    assert (np.diff(sizes, axis=2) < 0).all()
    assert (last["censored"].values == 0).all()
    state = trained(system, SEEDS, 200)
    inputs, labels = samples(system)
    assert system.forward is not None
    clean = (system.forward.last_layer(state, inputs[None]).argmax(dim=1) == labels).double().mean(dim=1)
    np.testing.assert_allclose(last["clean"], clean, rtol=1e-12)
    np.testing.assert_allclose(last["train_accuracy"], clean, rtol=1e-12)
    # The refined crossing is one of the curve with the same noise, between two points far closer than the grid.
    for place, kind in enumerate(("inputs", "weights")):
        size = sizes[:, place, 1]
        around = np.stack([size * 0.98, size * 1.02], axis=1)
        right = shares_right(system, state, inputs, labels, around, kind, 3, SEEDS).mean(axis=2)
        assert (right[:, 0] >= 0.5).all()
        assert (right[:, 1] <= 0.5).all()


def test_basins_of_classes_are_those_of_their_samples_alone(found: xr.Dataset) -> None:
    last = found.isel(moment=-1)
    assert last["class_basin"].shape == (2, 2, 3, 8)
    # The accuracy of all is the mean of the classes, of which some stand more than others.
    middle = last["class_basin"].values[:, :, 1]
    sizes = last["basin"].values[:, :, 1]
    known = np.isfinite(middle).all(axis=2)
    assert known.any()
    assert (middle.min(axis=2) < sizes * 1.1)[known].all()
    assert (middle.max(axis=2) > sizes * 0.9)[known].all()


def test_untrained_networks_have_no_basin(found: xr.Dataset) -> None:
    start = found.isel(moment=0)
    below = start["clean"].values < 0.5
    assert below.any()
    assert (start["basin"].values[below][:, :, 1:] == 0).all()


def test_predictions_of_single_samples_follow_what_is_measured(found: xr.Dataset, tmp_path: Path) -> None:
    linear = classifier(classes(8, 6, 160, 0.3), ())
    source = recorded(tmp_path / "data.zarr", linear)
    settings = Settings(single={"per_class": 10, "draws": 400})
    exact = analyse(source, settings, context(linear))
    published = {one.name: one for one in numbers(None, {"a": exact, "tanh": found}, settings)}
    for kind in ("inputs", "weights"):
        # One layer is linear in its weights too.
        assert published[f"prediction-correlation[a,{kind}]"].value > 0.95
        assert published[f"prediction-ratio[a,{kind}]"].value == pytest.approx(1, abs=0.1)
        assert published[f"prediction-correlation[tanh,{kind}]"].value > 0.3
    wrong = found["margin"].values <= 0
    assert (found["predicted"].values.swapaxes(1, 2)[wrong] == 0).all()


def test_blocks_of_seeds_are_analysed_alike(found: xr.Dataset, system: System, source: Trajectory) -> None:
    settings = Settings(moments=4, single={"per_class": 10, "draws": 60})
    alone = analyse(source.select(seeds=[1]), settings, context(system))
    for name in ("basin", "class_basin", "single_basin", "predicted"):
        np.testing.assert_allclose(alone[name].values[0], found[name].values[1], rtol=1e-9)


def test_two_classes_are_refused_in_one_sentence(tmp_path: Path) -> None:
    two = classifier(classes(2, 5, 40))
    source = recorded(tmp_path / "data.zarr", two)
    with pytest.raises(
        OrreryError, match=r"two classes .* use a dataset of at least three classes"
    ) as raised:
        analyse(source, Settings(), context(two))
    assert str(raised.value).count(". ") == 0


def test_a_class_without_samples_is_refused(system: System, source: Trajectory) -> None:
    with pytest.raises(OrreryError, match="the first 3 training samples hold none of class 3"):
        analyse(source, Settings(samples=3), context(system))


def test_chance_above_a_threshold_leaves_it_undefined(tmp_path: Path) -> None:
    three = classifier(classes(3, 5, 60))
    source = recorded(tmp_path / "data.zarr", three)
    found = analyse(source, Settings(), context(three)).isel(moment=-1)
    # Chance is 1/3: above 0.3, below the others.
    np.testing.assert_allclose(found["chance"], 1 / 3, atol=0.15)
    undefined = np.isnan(found["basin"].values)
    np.testing.assert_array_equal(undefined, found["chance"].values[..., None] >= [0.3, 0.5, 0.7])
    assert undefined[:, :, 0].any()
    assert not undefined[:, :, 1:].any()


def line(sizes: list[float], accuracy: float, **axes: float) -> xr.Dataset:
    """One condition with these sizes of its seeds at one threshold."""
    seeds = len(sizes)
    values = np.array(sizes)[:, None, None, None]
    return xr.Dataset(
        {
            "basin": (("seed", "moment", "noise", "threshold"), values),
            "censored": (("seed", "moment", "noise", "threshold"), np.zeros(values.shape, int)),
            "class_basin": (("seed", "moment", "noise", "threshold", "class"), np.tile(values[..., None], 4)),
            "chance": (("seed", "moment", "noise"), np.full((seeds, 1, 1), 0.1)),
            "train_accuracy": (("seed", "moment"), np.ones((seeds, 1))),
            "test_accuracy": (("seed", "moment"), np.full((seeds, 1), accuracy)),
            "moment_step": ("moment", [10]),
        },
        coords={"seed": range(seeds), "threshold": [0.5]},
        attrs={"noise": ["inputs"], "axes": axes},
    )


def test_trends_along_an_axis_within_groups() -> None:
    sources = {}
    for width in (8, 16):
        for depth, size in ((1, 0.1), (2, 0.2), (4, 0.3 if width == 8 else 0.15)):
            sources[f"width={width},depth={depth}"] = line(
                [size, size * 1.01], 0.5 + depth * (3 - depth) / 10, width=width, depth=depth
            )
    published = {one.name: one for one in numbers(None, sources, Settings(axis="depth"))}
    assert published["trend[width=8,inputs,0.5]"].value == pytest.approx(1)
    assert published["trend[width=8,inputs,0.5]"].interval == pytest.approx((1, 1))
    assert published["trend[width=16,inputs,0.5]"].value == pytest.approx(0.5)
    assert published["best[width=8]"].value in (1, 2)
    assert published["basin[width=8,depth=2,inputs,0.5]"].value == pytest.approx(0.201)
    with pytest.raises(OrreryError, match="there is no axis 'dept'"):
        numbers(None, sources, Settings(axis="dept"))


def test_jump_of_a_late_generalisation() -> None:
    steps = np.array([1.0, 10, 100, 1000, 10000])
    train = np.array([[0.5, 1, 1, 1, 1], [0.5, 0.6, 0.7, 0.8, 0.9]])
    test = np.array([[0.1, 0.2, 0.2, 0.4, 0.8], [0.1] * 5])
    basin = np.array([[0.0, 0.01, 0.01, 0.1, 1.0], [0.1] * 5])
    found = jump(steps, train, test, basin)
    assert (found.before[0], found.after[0]) == (0.01, 1.0)
    # Halfway between 0.2 and 0.8 lies a quarter of the way, in the logarithm, from 1,000 to 10,000.
    assert found.accuracy_step[0] == pytest.approx(1000 * 10**0.25, rel=1e-12)
    assert found.basin_step[0] == pytest.approx(1000, rel=1e-12)
    assert np.isnan([found.before[1], found.after[1], found.accuracy_step[1], found.basin_step[1]]).all()


def test_samples_that_are_wrong_do_not_flatter_the_prediction() -> None:
    measured, predicted = np.array([0.0, 0.0, 1.0, 2.0, 3.0]), np.array([0.0, 0.0, 3.0, 2.0, 1.0])
    assert correlation(predicted, measured) == pytest.approx(-1)
    assert np.isnan(correlation(np.ones(5), measured))


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong, words in (
        ({"amplitudes": (1.0, 0.1)}, "write the smaller first"),
        ({"far": 10.0}, "above the largest amplitude"),
        ({"refine": 1}, "refines nothing"),
        ({"draws": 2}, "greater than or equal to 3"),
    ):
        with pytest.raises(ValidationError, match=words):
            Settings.model_validate(wrong)


def test_figures_are_drawn_with_their_data(found: xr.Dataset) -> None:
    other = found.assign_attrs(axes={"depth": 2})
    drawn = {one.name: one for one in plot(None, {"a": found, "b": other}, Settings())}
    assert list(drawn) == ["accuracy", "sizes", "classes", "over-training", "single"]
    assert len(drawn["accuracy"].data) == 2 * 2 * 25
    assert len(drawn["sizes"].data) == 2 * 2 * 3 * 2
    without = {"a": found.assign_attrs(axes={})}
    assert "sizes" in {one.name for one in plot(None, without, Settings())}


def test_networks_without_a_basin_are_drawn_too(found: xr.Dataset) -> None:
    none = found.assign(basin=found["basin"] * 0, class_basin=found["class_basin"] * 0)
    settings = Settings(moments=5)
    figures = {figure.name: figure for figure in plot(None, {"a": none}, settings)}
    for name in ("sizes", "classes", "over-training"):
        drawn = figures[name].figure
        drawn.draw_without_rendering()
        assert "no size above 0" in [text.get_text() for ax in drawn.axes for text in ax.texts]
