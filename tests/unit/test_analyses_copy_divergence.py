"""Perturbed copies: planted windows, the order of mean and logarithm, a second implementation, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.unit.analysis_examples import trajectory

from orrery.analyses.api import Context, Number
from orrery.analyses.copy_divergence import Settings, analyse, numbers, plot
from orrery.config.errors import OrreryError
from orrery.data.store import open_dataset, write_dataset
from orrery.training.block import train_block
from orrery.training.progress import Progress
from orrery.trajectory.trajectory import Trajectory

CONTEXT = Context("a", axes={"amplitude": 1e-8})


def settings(**given: Any) -> Settings:
    return Settings.model_validate({"method": "copy-divergence", **given})


def growing(logarithms: np.ndarray, components: int = 3) -> np.ndarray:
    """States (seed, copy, step, component): copy j lies exp(logarithm[seed, j, step]) away from copy 0 in L1."""
    seeds, copies, steps = logarithms.shape
    states = np.zeros((seeds, copies + 1, steps, components))
    states[:, 1:, :, 0] = np.exp(logarithms)
    return states


def by_name(found: list[Number]) -> dict[str, Number]:
    return {number.name: number for number in found}


def planted(slope: float, first: int, last: int, seed: int = 0) -> np.ndarray:
    """ln d over 200 steps: noise, but a clean line of this slope over the steps ``first`` to ``last`` - 1."""
    generator = np.random.default_rng(seed)
    curve = -12 + 0.8 * generator.standard_normal(200)
    curve[first:last] = -12 + slope * np.arange(last - first) + 1e-5 * generator.standard_normal(last - first)
    return curve


def test_planted_windows_give_their_slopes(tmp_path: Path) -> None:
    curves = np.stack(
        [planted(0.2, 20, 90), planted(0.4, 60, 130, 1), planted(-0.1, 20, 90, 2), planted(0.03, 40, 160)]
    )
    source = trajectory(tmp_path / "a.zarr", {"w": growing(curves[:, None])})
    result = analyse(source, settings(), CONTEXT)
    assert result["slope"].values == pytest.approx([0.2, 0.4, -0.1, 0.03], abs=1e-5)
    starts, ends = result["start"].values, (result["start"] + result["length"]).values
    assert (starts >= [20, 60, 20, 40]).all()
    assert (ends <= [90, 130, 90, 160]).all()
    # Of the clean lines the third falls and the last is too flat: neither is kept.
    assert result["kept"].values.tolist() == [True, True, False, False]
    found = by_name(numbers(None, {"a": result}, settings()))
    assert found["nMLE[a]"].value == pytest.approx(0.3, abs=1e-5)
    assert (found["nMLE[a]"].n, found["kept[a]"].value) == (2, 2)
    assert found["nMLE-deviation[a]"].value == pytest.approx(
        0.1, abs=1e-5
    )  # of the population, not of a sample
    assert found["nMLE-standard-error[a]"].value == pytest.approx(0.1, abs=1e-5)
    assert found["slope-before-filter[a]"].value == pytest.approx(0.53 / 4, abs=1e-5)
    assert found["two-point[a]"].value == pytest.approx(
        np.mean((curves[:, 199] - curves[:, 0]) / 199), abs=1e-12
    )
    assert found["kept-share[a]"].value == 0.5


def test_the_mean_over_copies_comes_before_the_logarithm(tmp_path: Path) -> None:
    """Copies that grow at 0.1 and at 0.3: their mean grows at 0.3 in the end, the mean of their logarithms at 0.2."""
    steps = np.arange(200.0)
    curves = np.stack([-12 + 0.1 * steps, -12 + 0.3 * steps])[None]
    source = trajectory(tmp_path / "a.zarr", {"w": growing(curves)})
    result = analyse(source, settings(rule={"starts": {"first": 100, "last": 100}}), CONTEXT)
    assert result["slope"].values == pytest.approx([0.3], abs=1e-6)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_a_plain_second_implementation(tmp_path: Path, norm: str) -> None:
    """All tensors, all windows, written down loop by loop on random walks."""
    generator = np.random.default_rng(5)
    walk = np.cumsum(generator.standard_normal((3, 1, 201, 7)), axis=2)
    apart = (
        1e-6
        * generator.standard_normal((3, 4, 1, 7))
        * np.exp(np.cumsum(0.1 + 0.3 * generator.standard_normal((3, 4, 201, 1)), axis=2))
    )
    states = walk + apart
    source = trajectory(tmp_path / "a.zarr", {"w": states[..., :5], "b": states[..., 5:]}, seeds=[4, 2, 9])
    result = analyse(source, settings(norm=norm), CONTEXT)
    assert result["seed"].values.tolist() == [4, 2, 9]
    for seed in range(3):
        distances = np.zeros((3, 201))
        for copy in (1, 2, 3):
            for step in range(201):
                difference = states[seed, copy, step] - states[seed, 0, step]
                distances[copy - 1, step] = (
                    np.abs(difference).sum() if norm == "l1" else np.sqrt((difference**2).sum())
                )
        np.testing.assert_allclose(result["distance"].values[seed], distances, rtol=1e-12)
        curve = np.log(distances.mean(axis=0))
        best = (-np.inf, np.nan, 0, 0)
        for start in range(0, 101, 5):
            for length in range(30, 101, 5):
                part = curve[start : start + length]
                slope, level = np.polyfit(np.arange(length), part, 1)
                residuals = part - slope * np.arange(length) - level
                r_squared = 1 - (residuals**2).sum() / ((part - part.mean()) ** 2).sum()
                if r_squared > best[0]:
                    best = (r_squared, slope, start, length)
        row = result.isel(seed=seed)
        assert (float(row["r_squared"]), float(row["slope"])) == pytest.approx(best[:2], rel=1e-9)
        assert (int(row["start"]), int(row["length"])) == best[2:]
        assert bool(row["kept"]) == (best[0] > 0.9 and best[1] > 0.05)


def test_results_of_blocks_join_to_that_of_all_seeds(tmp_path: Path) -> None:
    curves = np.stack([planted(0.2, 20, 90, k) for k in range(3)])
    source = trajectory(tmp_path / "a.zarr", {"w": growing(curves[:, None])}, seeds=[4, 2, 9])
    parts = [analyse(source.select(seeds=seeds), settings(), CONTEXT) for seeds in ([4, 2], [9])]
    joined = xr.concat(parts, dim="seed", join="exact", data_vars="minimal")
    xr.testing.assert_identical(joined, analyse(source, settings(), CONTEXT))


def train_iris(
    folder: Path, seeds: int, copies: int, steps: int, rate: float, amplitude: float
) -> Trajectory:
    """A 4-10-3 network on raw Iris, full batch, from N(0, 1): what arXiv 2404.05782 trains."""
    data = folder / "iris"
    write_dataset({"name": "iris", "standardise": "none"}, data, data / "cache")
    condition = {
        "system": {
            "kind": "network",
            "network": {"kind": "mlp", "hidden": [10], "activation": "sigmoid"},
            "initialisation": {"kind": "normal", "biases": "zero"},
            "optimizer": {"kind": "sgd", "rate": rate},
            "batches": {"kind": "full"},
        },
        "training": {"dtype": "float64"},
        "streams": {},
        "copies": {
            "amplitude": amplitude,
            "kind": "absolute",
            "distribution": "uniform",
            "tensors": ["*.weight"],
            "draw": "run",
        },
        "record": {"state": "all", "steps": {"every": 1}, "metrics": ["loss"]},
    }
    quiet = Progress("test", stream=io.StringIO())
    train_block(condition, data, range(seeds), range(copies), 0, 0, steps, None, folder, "cpu", quiet)
    return Trajectory.open(folder / "data.zarr")


def descend(
    start: dict[str, np.ndarray], inputs: np.ndarray, labels: np.ndarray, rate: float, steps: int
) -> np.ndarray:
    """Gradient descent on the mean cross-entropy of one network, in NumPy; all parameters at every step."""
    W, b, V, c = (start[name].copy() for name in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"))
    targets = np.eye(3)[labels]
    path = []
    for _ in range(steps + 1):
        path.append(np.concatenate([W.ravel(), b, V.ravel(), c]))
        hidden = 1 / (1 + np.exp(-(inputs @ W.T + b)))
        logits = hidden @ V.T + c
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        error = (shares / shares.sum(axis=1, keepdims=True) - targets) / len(labels)
        back = (error @ V) * hidden * (1 - hidden)
        V, c = V - rate * error.T @ hidden, c - rate * error.sum(axis=0)
        W, b = W - rate * back.T @ inputs, b - rate * back.sum(axis=0)
    return np.array(path)


def test_a_network_gives_the_distances_of_a_plain_numpy_implementation(tmp_path: Path) -> None:
    """From the recorded starts, at the edge of stability. Chaos amplifies rounding, so it is followed for 60 steps."""
    source = train_iris(tmp_path, seeds=3, copies=3, steps=60, rate=1.0, amplitude=1e-6)
    rule = {"starts": {"last": 20}, "lengths": {"first": 20, "last": 40}}
    result = analyse(source, settings(rule=rule), CONTEXT)
    stored = open_dataset(tmp_path / "iris")
    inputs, labels = np.asarray(stored.train_inputs, dtype=float), np.asarray(stored.train_labels)
    names = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
    starts = {name: source.tensor(name).isel(step=0).values for name in names}
    paths = np.array(
        [descend({name: starts[name][run] for name in names}, inputs, labels, 1.0, 60) for run in range(9)]
    ).reshape(3, 3, 61, 83)
    expected = np.abs(paths[:, 1:] - paths[:, :1]).sum(axis=-1)
    np.testing.assert_allclose(result["distance"].values, expected, rtol=1e-4)
    assert expected[:, :, -1].max() > 1e2 * expected[:, :, 0].max()
    curves = np.log(expected.mean(axis=1))[:, :60]
    for seed in range(3):
        start, length = int(result["start"][seed]), int(result["length"][seed])
        slope = np.polyfit(np.arange(length), curves[seed, start : start + length], 1)[0]
        assert float(result["slope"][seed]) == pytest.approx(slope, rel=1e-4)


def test_expected_distance_at_the_start(tmp_path: Path) -> None:
    """70 entries of kernels, uniform in (-eps, eps): 35 eps, and at most 70 eps; biases are not perturbed."""
    source = train_iris(tmp_path, seeds=40, copies=6, steps=1, rate=0.01, amplitude=1e-8)
    result = analyse(source, settings(rule=None), CONTEXT)
    assert result.attrs["expected_start"] == pytest.approx(35e-8)
    assert result.attrs["largest_start"] == pytest.approx(70e-8)
    found = by_name(numbers(None, {"a": result}, settings(rule=None)))
    assert found["initial-over-expected[a]"].value == pytest.approx(1, abs=0.02)
    first = result["distance"].values[:, :, 0]
    assert len(np.unique(first.round(15))) == first.size  # every copy of every seed has its own perturbation
    assert "nMLE[a]" not in found


def test_growth_is_that_of_each_pair(tmp_path: Path) -> None:
    ends = np.log(np.array([[1.0, 4.0], [9.0, 100.0]]))
    curves = np.linspace(np.zeros((2, 2)), ends, 11, axis=-1)
    source = trajectory(tmp_path / "a.zarr", {"w": growing(curves)})
    given = settings(rule=None, compare={"growth_between": [0.5, 10]})
    found = by_name(numbers(None, {"a": analyse(source, given, CONTEXT)}, given))
    assert found["growth[a]"].value == pytest.approx(6.5)
    assert found["growth-least[a]"].value == pytest.approx(1)
    assert found["growth-largest[a]"].value == pytest.approx(100)
    assert found["growth-share[a]"].value == 0.75
    assert found["growth-share[a]"].interval == (0.5, 1.0)


def test_the_course_of_the_mean_over_copies(tmp_path: Path) -> None:
    """Seed 0 falls within a tenth of the steps and reaches 100 times its start at step 30; seed 1 grows to 4 times."""
    steps = np.arange(41.0)
    first = np.interp(steps, [0, 4, 30, 40], [0.0, -1.0, np.log(100) + 1e-9, 5.0])
    second = np.interp(steps, [0, 40], [0.0, np.log(4)])
    curves = np.stack([np.stack([first, first]), np.stack([second, second])])
    source = trajectory(tmp_path / "a.zarr", {"w": growing(curves)})
    given = settings(rule=None, compare={"reach": 100})
    found = by_name(numbers(None, {"a": analyse(source, given, CONTEXT)}, given))
    assert found["distance-least[a]"].value == pytest.approx(np.exp(-1))
    assert found["distance-largest[a]"].value == pytest.approx(np.exp(5))
    assert found["early-growth[a]"].value == pytest.approx((np.exp(-1) + 4**0.1) / 2)
    assert found["early-fall-share[a]"].value == 0.5
    assert found["reached-share[a]"].value == 0.5
    assert found["reached-after-median[a]"].value == 30
    assert found["reached-after-largest[a]"].n == 1


def test_void_windows_and_lost_perturbations(tmp_path: Path) -> None:
    curves = np.stack([planted(0.2, 20, 90), np.full(200, -np.inf), np.full(200, -3.0)])[:, None]
    states = growing(curves)
    states[0, 1, 110:] = np.nan  # diverged
    result = analyse(trajectory(tmp_path / "a.zarr", {"w": states}), settings(), CONTEXT)
    assert np.isfinite(result["slope"].values).tolist() == [True, False, False]
    assert result["start"].values[0] >= 20
    found = by_name(numbers(None, {"a": result}, settings()))
    assert found["without-window[a]"].value == 2
    assert found["unperturbed-share[a]"].value == pytest.approx(1 / 3)
    assert found["nMLE[a]"].value == pytest.approx(0.2, abs=1e-5)
    assert found["two-point[a]"].n == 1


def test_drawn_steps_hold_both_ends(tmp_path: Path) -> None:
    source = trajectory(tmp_path / "a.zarr", {"w": growing(np.zeros((1, 1, 31)))})
    result = analyse(source, settings(rule=None, drawn=4), CONTEXT)
    assert result["moment_step"].values.tolist() == [0, 10, 20, 30]


def test_exponents_along_an_axis(tmp_path: Path) -> None:
    sources = {}
    for index, amplitude in enumerate((1e-4, 1e-8, 1e-6)):
        curves = np.stack(
            [planted(0.4 + 0.1 * np.log10(amplitude) / 4 + 0.01 * k, 20, 90, k) for k in range(3)]
        )
        source = trajectory(tmp_path / f"{index}.zarr", {"w": growing(curves[:, None])})
        context = Context(f"amplitude={amplitude:g}", axes={"amplitude": amplitude, "kind": "x"})
        sources[context.condition] = analyse(source, settings(), context)
    found = by_name(numbers(None, sources, settings()))
    assert found["rank-correlation[nMLE,amplitude]"].value == 1
    figures = {figure.name: figure for figure in plot(None, sources, settings())}
    assert set(figures) == {"distance", "normalised-distance", "slopes", "exponent"}
    table = figures["exponent"].data
    assert table["amplitude"].tolist() == [1e-8, 1e-6, 1e-4]
    assert (np.diff(table["nMLE"]) > 0).all()
    assert set(figures["slopes"].data["condition"]) == set(sources)
    with pytest.raises(OrreryError, match="there is no axis 'amplitud'; did you mean 'amplitude'"):
        numbers(None, sources, settings(compare={"against": "amplitud"}))
    with pytest.raises(OrreryError, match="the values of 'kind' are no numbers"):
        numbers(None, sources, settings(compare={"against": "kind"}))
    named = {name: source.assign_attrs(axes={}) for name, source in sources.items()}
    assert {figure.name for figure in plot(None, named, settings())} == set(figures) - {"exponent"}


def test_what_cannot_be_analysed_is_one_sentence(tmp_path: Path) -> None:
    source = trajectory(tmp_path / "a.zarr", {"w": growing(np.zeros((2, 2, 200)))})
    with pytest.raises(OrreryError, match=r"recorded are the copies \[0\]; write copies: {count: 6}"):
        analyse(source.select(copies=[0]), settings(), CONTEXT)
    with pytest.raises(OrreryError, match=r"recorded are the copies \[1, 2\]"):
        analyse(source.select(copies=[1, 2]), settings(), CONTEXT)
    with pytest.raises(OrreryError, match=r"reach over 200 recorded steps, and 151 are read \(0 to 150\)"):
        analyse(source.select(steps=(0, 150)), settings(), CONTEXT)
    gaps = Trajectory(source.dataset.isel(step=np.r_[0:50, 51:200]), source.components, {}, source.attributes)
    with pytest.raises(OrreryError, match="windows need every step, and step 49 is followed by step 51"):
        analyse(gaps, settings(rule={"starts": {"last": 50}}), CONTEXT)
    with pytest.raises(OrreryError, match="leave 'of' out"):
        analyse(source, settings(of="output-layer"), CONTEXT)
    with pytest.raises(OrreryError, match="'v' was not recorded"):
        analyse(source, settings(tensors=["v"]), CONTEXT)
    single = Trajectory(
        source.dataset.astype("float32"),
        source.components,
        {},
        {"condition": {"copies": {"amplitude": 1e-8}}},
    )
    with pytest.raises(OrreryError, match="float32 does not hold perturbations of 1e-08"):
        analyse(single, settings(), CONTEXT)
    with pytest.raises(OrreryError, match="no condition was analysed"):
        plot(None, {}, settings())


@pytest.mark.parametrize(
    "rule", [{"starts": {"first": 9, "last": 3}}, {"lengths": {"first": 2}}, {"starts": {"every": 0}}]
)
def test_rules_that_make_no_sense(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="rule"):
        settings(rule=rule)
