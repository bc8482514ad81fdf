"""Feature space and fragility of recorded networks: made by hand, trained, diverged, compared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError
from tests.unit.network_examples import classes, described, points, recorded, system_of, trained

from orrery.analyses import feature_space, fragility, network_states
from orrery.analyses.api import Context, Number
from orrery.analyses.feature_space_numbers import matched
from orrery.analyses.fragility_curves import summaries
from orrery.analyses.network_states import spread
from orrery.config.errors import OrreryError
from orrery.systems.system import Runs
from orrery.systems.tangents import packed

X = np.linspace(-1, 1, 8)[:, None]
STEP = points(X, X[:, 0] > 0)


def named(numbers: list[Number]) -> dict[str, Number]:
    return {number.name: number for number in numbers}


def by_hand() -> tuple[Any, Context]:
    """Six hidden units of which two look alike and one is dead; the second run has none alive."""
    system = described()
    built = system_of(system, STEP)
    state = built.initial(Runs.product((0, 1)))
    slopes = torch.tensor([[1.0, 3.0, 1.0, -1.0, 1.0, 0.0], [0.0] * 6], dtype=torch.float64)
    biases = torch.tensor([[0.55, 1.56, -0.35, 0.35, -2.0, 1.0], [-1.0] * 6], dtype=torch.float64)
    state = {**state, "fc1.weight": slopes[:, :, None], "fc1.bias": biases}
    states = packed(state, built.components).numpy()[:, None]
    return recorded(system, STEP, np.repeat(states, 2, axis=1), [0, 5], (0, 1))


def test_counts_of_a_network_made_by_hand() -> None:
    trajectory, context = by_hand()
    settings = feature_space.Settings(grid={"points": 21})
    found = feature_space.analyse(trajectory, settings, context)
    assert dict(found.sizes) == {"seed": 2, "moment": 2, "layer": 1, "side": 2, "unit": 6, "point": 21}
    assert found["patterns"].values[:, :, 0].tolist() == [[5, 5], [1, 1]]
    assert found["regions"].values[:, 1, 0].tolist() == [3, 1]
    np.testing.assert_allclose(found["dead"].values[:, 1, 0], [1 / 6, 1])
    assert found["rank"].values[1, 0, 0] == 0
    assert 1 < found["rank"].values[0, 0, 0] < 4
    assert found["active"].values[0, 1, 4].tolist() == [0] * 21
    assert found["active"].values[0, 1, 5].tolist() == [1] * 21


def test_loss_and_accuracy_are_those_of_training() -> None:
    system = described(loss={"kind": "mse", "link": "sigmoid", "reduction": "sum", "factor": 3.0})
    trajectory, context = trained(system, STEP, [0, 3, 40])
    found = feature_space.analyse(trajectory, feature_space.Settings(), context)
    built = context.system()
    state = built.initial(Runs.product((0, 1, 2)))
    np.testing.assert_allclose(
        found["loss"].values[:, 0], built.metrics["train_loss"](state) / 3 / 8, rtol=1e-12
    )
    outputs = built.forward.loss.outputs(built.forward.last_layer(state, built.whole()["inputs"]), axis=1)[
        :, 0
    ]
    right = (outputs > 0.5) == torch.from_numpy(X[:, 0] > 0)
    np.testing.assert_allclose(found["accuracy"].values[:, 0], right.double().mean(dim=1))
    smooth = points(X, np.sin(X[:, 0]))
    regression = feature_space.analyse(*_swap(trained(system, smooth, [0, 3])))
    assert np.isnan(regression["accuracy"]).all()


def _swap(made: tuple[Any, Context], **settings: Any) -> tuple[Any, feature_space.Settings, Context]:
    return made[0], feature_space.Settings(**settings), made[1]


@pytest.mark.parametrize("features", [1, 3])
def test_portions_and_companions_change_nothing(features: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    dataset = STEP if features == 1 else points(rng.standard_normal((12, 3)), np.arange(12) % 2)
    made = trained(
        described(network={"kind": "mlp", "hidden": [9, 5], "activation": "elu"}), dataset, [0, 2, 9, 30]
    )
    settings = {"probes": 50, "layer": 2, "moments": 3}
    whole = feature_space.analyse(*_swap(made, **settings))
    flips = fragility.analyse(made[0], fragility.Settings(**settings), made[1])
    assert whole.sizes["layer"] == 2
    assert whole["moment_step"].values.tolist() == [0, 9, 30]
    assert ("active" in whole) == (features == 1)
    np.testing.assert_array_equal(whole["patterns"], flips["patterns"])
    monkeypatch.setattr(network_states, "ROOM", 1)
    for one, other in (
        (feature_space.analyse(*_swap(made, **settings)), whole),
        (fragility.analyse(made[0], fragility.Settings(**settings), made[1]), flips),
    ):
        xr.testing.assert_allclose(one, other)
    alone = feature_space.analyse(made[0].select(seeds=[1]), feature_space.Settings(**settings), made[1])
    xr.testing.assert_allclose(alone, whole.sel(seed=[1]))


def test_a_run_that_diverged_is_counted_and_left_out() -> None:
    trajectory, context = trained(described(), STEP, [0, 5, 20])
    states = trajectory.dataset["state"].values.copy()
    states[1, 2:] = np.nan
    broken, _ = recorded(trajectory.attributes["condition"]["system"], STEP, states, [0, 5, 20])
    found = feature_space.analyse(broken, feature_space.Settings(), context)
    assert found["diverged"].values.tolist() == [False, True, False]
    assert np.isnan(found["patterns"].values[1, 2]).all()
    said = named(feature_space.numbers(None, {"a": found}, feature_space.Settings()))
    assert said["diverged[a]"].value == 1
    assert said["patterns[a]"].n == 2
    assert said["patterns[a]"].value == pytest.approx(found["patterns"].values[[0, 2], -1, 0].mean())
    assert [one.name for one in feature_space.plot(None, {"a": found}, feature_space.Settings())] == [
        "counts",
        "patterns",
    ]
    flips = fragility.analyse(broken, fragility.Settings(), context)
    assert flips["diverged"].values.tolist() == [False, True, False]
    assert np.isnan(flips["median"].values[1, -1])
    assert np.isnan(flips["accuracy"].values[1, -1])
    assert named(fragility.numbers(None, {"a": flips}, fragility.Settings()))["distance[a]"].n == 2
    assert [one.name for one in fragility.plot(None, {"a": flips}, fragility.Settings())] == [
        "distances",
        "flipped",
    ]


def curves(counts: np.ndarray, losses: np.ndarray) -> xr.Dataset:
    """A result with the given counts and losses (seed, moment)."""
    seeds, moments = counts.shape
    each = {
        name: (("seed", "moment", "layer"), counts[:, :, None].astype(float))
        for name in ("patterns", "regions")
    }
    each |= {name: (("seed", "moment", "layer"), np.ones((seeds, moments, 1))) for name in ("dead", "rank")}
    return xr.Dataset(
        {
            **each,
            "loss": (("seed", "moment"), losses),
            "accuracy": (("seed", "moment"), np.ones_like(losses)),
            "moment_step": ("moment", np.arange(moments)),
            "diverged": ("seed", np.zeros(seeds, dtype=bool)),
        },
        coords={"seed": np.arange(seeds)},
        attrs={"features": 1, "inputs": 3, "interval": [-1.0, 1.0]},
    )


def test_conditions_that_no_chain_names_have_titles_and_many_columns_come_in_parts() -> None:
    losses = np.ones((2, 3))
    names = ["a-gd", "a-sgd", *(f"step-{kind}" for kind in ("elu-gd", "tanh-gd"))]
    sources = {name: curves(np.full((2, 3), 5), losses) for name in names}
    chains = {"both": ["a-gd", "a-sgd"]}
    (figure,) = feature_space.plot(None, sources, feature_space.Settings(compare={"chains": chains}))
    assert [ax.get_title(loc="left") for ax in figure.figure.axes[:2]] == ["both", "step"]
    legend = figure.figure.axes[-1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["elu-gd", "tanh-gd"]

    many = {f"chain {k}": ["a-gd", "a-sgd"] for k in range(6)}
    found = feature_space.plot(None, sources, feature_space.Settings(compare={"chains": many}))
    assert [one.name for one in found] == ["counts-1", "counts-2"]
    assert [ax.get_title(loc="left") for ax in found[1].figure.axes[:2]] == ["chain 5", "step"]


def test_methods_are_compared_at_the_last_step_and_at_equal_loss() -> None:
    losses = np.tile([1.0, 0.1, 0.01, 0.001], (6, 1))
    slow = np.tile([1.0, 0.5, 0.2, 0.1], (6, 1))
    # At the end the first has fewer; where its loss is 0.1, more. One seed of each kind is tied.
    first = curves(np.array([[9, 8, 5, 3]] * 5 + [[9, 6, 5, 4]]), losses)
    second = curves(np.array([[9, 8, 7, 4]] * 5 + [[9, 8, 7, 6]]), slow)
    settings = feature_space.Settings(compare={"chains": {"both": ["a", "b"]}})
    said = named(feature_space.numbers(None, {"a": first, "b": second}, settings))
    assert said["p[a,b]"].value == 1
    assert "0 seeds with more, 6 with fewer, 0 ties" in said["p[a,b]"].description
    assert said["p-matched[a,b]"].value == pytest.approx(1 / 2**5)
    assert "5 seeds with more, 0 with fewer, 1 ties" in said["p-matched[a,b]"].description
    assert said["loss-ratio-matched[a,b]"].value == pytest.approx(1)
    assert said["difference[a,b]"].value == pytest.approx(-7 / 6)
    swapped = feature_space.Settings(compare={"chains": {"both": ["b", "a"]}})
    said = named(feature_space.numbers(None, {"a": first, "b": second}, swapped))
    assert said["p[b,a]"].value == pytest.approx(1 / 2**6)
    assert said["p-matched[b,a]"].value == 1


def test_matched_moments_have_the_nearest_loss() -> None:
    one = np.array([[1.0, 0.3, 0.05, 0.2], [1.0, np.nan, np.nan, np.nan]])
    other = np.array([[2.0, 0.5, 0.12, 0.25], [1.1, 0.5, 0.4, 0.3]])
    places = matched((one, other))
    assert places[0].tolist() == [3, 0]
    assert places[1].tolist() == [2, 0]
    np.testing.assert_allclose(places[2], [0.2 / 0.12, 1.1])


@pytest.mark.parametrize(
    ("chains", "told"),
    [
        ({"x": ["a", "c"]}, "compare.chains: 'x' names the condition 'c', which was not analysed"),
        ({"x": ["a", "other"]}, "'a' and 'other' have no seed in common"),
    ],
)
def test_a_chain_that_cannot_be_compared_is_told(chains: dict[str, list[str]], told: str) -> None:
    one = curves(np.ones((2, 2)), np.ones((2, 2)))
    sources = {"a": one, "other": one.assign_coords(seed=[7, 8])}
    with pytest.raises(OrreryError, match=told):
        feature_space.numbers(None, sources, feature_space.Settings(compare={"chains": chains}))


def test_bad_settings_are_told() -> None:
    for given, told in (
        ({"compare": {"chains": {"x": ["a"]}}}, "'x' needs at least two conditions"),
        ({"grid": {"interval": [1, -1]}}, "is empty; write the lower end first"),
    ):
        with pytest.raises(ValidationError, match=told):
            feature_space.Settings(**given)
    for given, told in (
        ({"search": {"interval": [2, 2]}}, "is empty"),
        ({"attack": {"sizes": [1, 0.1]}}, "the smaller one first"),
        ({"attack": {"sizes": [0, 0.1]}}, "two positive numbers"),
    ):
        with pytest.raises(ValidationError, match=told):
            fragility.Settings(**given)


@pytest.mark.parametrize("method", [feature_space, fragility])
def test_what_does_not_fit_a_condition_is_told_before_it_is_trained(method: Any) -> None:
    fitting = SimpleNamespace(
        record=SimpleNamespace(state="all"), system=described(network={"kind": "mlp", "hidden": [3, 3]})
    )
    assert not list(method.Settings(layer=2).misfits(fitting))
    (misfit,) = method.Settings(layer=3).misfits(fitting)
    assert misfit == ("layer", "is 3, and the network has 2 hidden layers; write a smaller number")
    fitting.record.state = ("fc1.weight",)
    (misfit,) = method.Settings().misfits(fitting)
    assert misfit[0] == "method"
    assert "write state: all" in misfit[1]


def test_what_cannot_be_analysed_is_told() -> None:
    trajectory, context = trained(described(), STEP, [0, 1])
    with pytest.raises(OrreryError, match="layer is 2, and the network has 1 hidden layers"):
        feature_space.analyse(trajectory, feature_space.Settings(layer=2), context)
    with pytest.raises(OrreryError, match="layer is 2, and the network has 1 hidden layers"):
        fragility.analyse(trajectory, fragility.Settings(layer=2), context)
    smooth = trained(described(), points(X, X[:, 0] / 2), [0, 1])
    with pytest.raises(OrreryError, match="fragility: the targets are numbers"):
        fragility.analyse(smooth[0], fragility.Settings(), smooth[1])
    flat = trained(described(network={"kind": "mlp", "hidden": []}), STEP, [0, 1])
    with pytest.raises(OrreryError, match="without hidden layers has no feature space"):
        feature_space.analyse(*_swap(flat))
    parts = recorded(described(), STEP, trajectory.dataset["state"].values, [0, 1])[0]
    parts.components = parts.components[1:]
    with pytest.raises(OrreryError, match=r"'fc1\.weight' was not recorded"):
        feature_space.analyse(parts, feature_space.Settings(), context)


def test_censored_and_misclassified_samples_enter_as_they_should() -> None:
    inf, nan = np.inf, np.nan
    distance = np.array(
        [[[0.1, 0.3, inf, inf, inf]], [[0.1, inf, nan, nan, 0.2]], [[nan] * 5], [[0.1, 0.4, nan, nan, nan]]]
    )
    found = summaries(distance, np.zeros((4, 1), dtype=bool))
    np.testing.assert_array_equal(found["median"][:, 0], [inf, 0.2, nan, 0.25])
    np.testing.assert_allclose(found["censored"][:, 0], [0.6, 1 / 3, nan, 0])
    np.testing.assert_allclose(found["accuracy"][:, 0], [1, 0.6, 0, 0.4])


def flips(patterns: list[float], medians: list[float]) -> xr.Dataset:
    """A result with the given counts and median distances of one moment."""
    values = np.array(medians)[:, None]
    return xr.Dataset(
        {
            "patterns": (("seed", "moment", "layer"), np.array(patterns, dtype=float)[:, None, None]),
            "median": (("seed", "moment"), values),
            "distance": (("seed", "moment", "sample"), values[:, :, None]),
            **{
                name: (("seed", "moment"), np.ones_like(values)) for name in ("censored", "slope", "accuracy")
            },
            "moment_step": ("moment", [9]),
            "diverged": ("seed", np.zeros(len(values), dtype=bool)),
        },
        coords={"seed": np.arange(len(values))},
        attrs={"features": 1, "largest": 2.0, "samples": 1, "probes": 201},
    )


def test_the_rank_correlation_pools_the_methods_and_ranks_the_censored_last() -> None:
    import scipy.stats

    one, other = flips([5, 6, 7], [0.1, 0.3, np.inf]), flips([8, 8, 2], [np.inf, 0.4, np.nan])
    settings = fragility.Settings(compare={"groups": {"both": ["a", "b"], "first": ["a"]}})
    said = named(fragility.numbers(None, {"a": one, "b": other}, settings))
    expected = scipy.stats.spearmanr([5, 6, 7, 8, 8], [1, 2, 9, 9, 4]).statistic
    assert said["correlation[both]"].value == pytest.approx(expected)
    assert said["correlation[first]"].value == pytest.approx(1)
    assert said["correlation[both]"].n == 3
    assert "5 runs of 2 conditions" in said["correlation[both]"].description
    assert said["distance[a]"].value == pytest.approx(0.3)
    same = named(fragility.numbers(None, {"a": flips([3, 3, 3], [0.1, 0.2, 0.3])}, fragility.Settings()))
    assert np.isnan(same["correlation[all]"].value)
    with pytest.raises(OrreryError, match=r"compare\.groups: 'x' fits no condition"):
        fragility.numbers(None, {"a": one}, fragility.Settings(compare={"groups": {"x": ["c*"]}}))


def test_classes_and_several_features_are_attacked() -> None:
    rng = np.random.default_rng(5)
    labels = np.arange(30) % 3
    x = rng.standard_normal((30, 2)) * 0.3 + np.array([[0, 1], [1, -1], [-1, -1]])[labels]
    system = described(loss={"kind": "cross-entropy"}, optimizer={"kind": "sgd", "rate": 0.5})
    trajectory, context = trained(system, classes(x, labels), [0, 200])
    found = fragility.analyse(
        trajectory, fragility.Settings(probes=60, attack={"sizes": [0.05, 5], "count": 30}), context
    )
    last = found["distance"].values[:, -1]
    assert (found["accuracy"].values[:, -1] > 0.8).all()
    assert np.isfinite(found["median"].values[:, -1]).all()
    # Independent of the batched search: move one sample by hand.
    built = context.system()
    state = {
        component.name: torch.from_numpy(trajectory.tensor(component.name).values[:1, -1].copy())
        for component in built.components
    }
    sample = int(np.flatnonzero(np.isfinite(last[0]))[0])
    at = torch.from_numpy(x[sample]).requires_grad_()
    loss = torch.nn.functional.cross_entropy(
        built.forward.last_layer(state, at[None, None])[0].T, torch.tensor([labels[sample]])
    )
    (slope,) = torch.autograd.grad(loss, at)
    for size in np.geomspace(0.05, 5, 30):
        moved = (at + size * slope.sign()).detach()
        if built.forward.last_layer(state, moved[None, None])[0, :, 0].argmax() != labels[sample]:
            break
    assert last[0, sample] == pytest.approx(size)


def test_moments_are_spread_in_log_time() -> None:
    steps = np.arange(0, 1001)
    found = steps[spread(steps, 4)]
    assert found.tolist() == [0, 9, 99, 1000]
    assert spread(steps, 1).tolist() == [1000]
    assert spread(np.array([0, 10, 20]), 9).tolist() == [0, 1, 2]
    late = np.arange(500, 700)
    assert late[spread(late, 3)].tolist() == [500, 513, 699]
