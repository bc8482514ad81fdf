"""Local averages of recorded networks: against the closed form where it is exact, and where it is a limit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError
from tests.unit.network_examples import described, points, recorded, system_of, trained

from orrery.analyses import local_average
from orrery.analyses.local_average_curves import kernels_of
from orrery.config.errors import OrreryError
from orrery.numerics.local_average import weights
from orrery.systems.system import Runs

X = np.linspace(-1, 1, 9)[:, None]
Y = np.sin(np.pi * X[:, 0]) + 0.5 * np.random.default_rng(0).standard_normal(9)
LINE = {"kind": "mlp", "hidden": [], "activation": "identity"}


def plain(**changes: Any) -> dict[str, Any]:
    return described(
        **{"loss": {"kind": "mse", "reduction": "sum"}, "optimizer": {"kind": "sgd", "rate": 0.01}, **changes}
    )


def test_the_kernel_is_the_closed_form_of_one_hidden_layer() -> None:
    """K_u of the method note, section 4.2 (derived, exact): agreement to rounding."""
    system = system_of(plain(network={"kind": "mlp", "hidden": [50], "activation": "relu"}), points(X, Y))
    assert system.forward is not None
    state = system.initial(Runs.product((0, 1)))
    grid = torch.linspace(-1, 1, 11, dtype=torch.float64)[:, None]
    own, across = kernels_of(system, state, grid, torch.from_numpy(X))
    c, b, a = (state[name].reshape(2, -1, 1) for name in ("fc1.weight", "fc1.bias", "fc2.weight"))

    def exact(x: torch.Tensor, other: torch.Tensor) -> np.ndarray:
        z, w = c * x[:, 0] + b, c * other[:, 0] + b
        same = torch.relu(z).transpose(1, 2) @ torch.relu(w)
        steps = ((z > 0) * a**2).double().transpose(1, 2) @ (w > 0).double()
        return np.asarray(1 + same + (x @ other.T + 1) * steps)

    np.testing.assert_allclose(own, exact(torch.from_numpy(X), torch.from_numpy(X)), rtol=1e-12)
    np.testing.assert_allclose(across, exact(grid, torch.from_numpy(X)), rtol=1e-12)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_network_that_is_linear_in_its_weights_follows_the_closed_form(reduction: str) -> None:
    loss = {"kind": "mse", "reduction": reduction, "factor": 0.7}
    made = trained(plain(network=LINE, loss=loss), points(X, Y), [0, 1, 5, 60])
    found = local_average.analyse(made[0], local_average.Settings(), made[1])
    assert float(found["departure"][:, 1:].max()) < 1e-11
    assert np.isnan(found["departure"][:, 0]).all()
    assert (found["edge_product"] < 2).all()
    # Two weights: no more than two degrees of freedom.
    assert float(found["freedom"].max()) == pytest.approx(2, abs=1e-6)


def test_a_wide_network_comes_near_the_closed_form_and_its_scale_falls() -> None:
    system = plain(
        network={"kind": "mlp", "hidden": [800], "activation": "relu"},
        initialisation={"kind": "normal", "spread": 1.0},
        optimizer={"kind": "sgd", "rate": 5e-6},
    )
    made = trained(system, points(X, Y), [0, 1, 4, 16, 64, 256], seeds=(0,))
    found = local_average.analyse(made[0], local_average.Settings(), made[1])
    assert float(found["departure"][:, 1:].max()) < 0.05
    assert float(found["rho"][0]) < -0.9
    assert float(found["closed_rho"][0]) < -0.9
    assert (found["freedom"].diff("time") > -1e-9).all()


def test_a_planted_scale_is_found_in_a_recorded_network() -> None:
    """Outputs that are local averages of the data: the first state has f = 0, so that the data are the targets."""
    system = plain(network={"kind": "mlp", "hidden": [201], "activation": "relu"})
    dataset = points(X, Y)
    settings = local_average.Settings(reference="none")
    grid, scales = np.linspace(-1, 1, 201), np.geomspace(0.01, 2, 60)
    averages = weights(grid, X[:, 0], scales) @ Y
    built = system_of(system, dataset)
    state = {name: tensor[:1] for name, tensor in built.initial(Runs.product((0,))).items()}

    def broken_line(values: np.ndarray) -> dict[str, torch.Tensor]:
        # A kink at every point of the grid: ReLU units give any broken line through it exactly.
        slopes = np.diff(values) / np.diff(grid)
        changes = np.r_[np.diff(slopes, prepend=0.0), 0.0]
        given = {
            "fc1.weight": np.ones((1, 201, 1)),
            "fc1.bias": -grid[None],
            "fc2.weight": changes[None, None],
            "fc2.bias": np.array([[values[0]]]),
        }
        return {**state, **{name: torch.from_numpy(value) for name, value in given.items()}}

    chosen = ((0.2, 50), (0.9, 35), (1.0, 22))
    states = [np.zeros(201), *(gain * averages[place] for gain, place in chosen)]
    from orrery.systems.tangents import packed

    stacked = np.stack([packed(broken_line(values), built.components).numpy() for values in states], axis=1)
    trajectory, context = recorded(system, dataset, stacked, [0, 1, 2, 3], (0,))
    found = local_average.analyse(trajectory, settings, context)
    np.testing.assert_allclose(found["scale"][0, 1:], [scales[place] for _, place in chosen])
    np.testing.assert_allclose(found["gain"][0, 1:], [gain for gain, _ in chosen], rtol=1e-8)
    np.testing.assert_allclose(found["explained"][0, 1:], 1, rtol=1e-8)
    assert np.isnan(found["scale"][0, 0])
    assert float(found["rho"][0]) == pytest.approx(-1)
    assert "freedom" not in found
    names = {number.name for number in local_average.numbers(None, {"a": found}, settings)}
    assert {"rho[a]", "last-scale[a]"} <= names
    assert [one.name for one in local_average.plot(None, {"a": found}, settings)] == ["scales", "outputs"]


def test_draws_of_noise_spread_and_regions_are_averaged() -> None:
    made = [trained(plain(), points(X, Y + shift), [0, 3, 9]) for shift in (0.0, 0.4, -0.3)]
    settings = local_average.Settings(
        compare={"draws": {"noise": ["y*"]}, "regions": {"left": [-1, 0], "right": [0, 1]}},
        times={"count": 6},
        grid={"points": 21},
    )
    sources = {
        f"y{place}": local_average.analyse(one, settings, context)
        for place, (one, context) in enumerate(made)
    }
    said = {number.name: number.value for number in local_average.numbers(None, sources, settings)}
    outputs = np.stack([source["output"].values[:, -1] for source in sources.values()])
    spread = outputs.std(axis=0, ddof=1)
    assert said["spread[noise]"] == pytest.approx(np.sqrt((spread**2).mean(axis=1)).mean())
    assert said["spread[noise,left]"] == pytest.approx(np.sqrt((spread[:, :11] ** 2).mean(axis=1)).mean())
    variance = sources["y1"]["variance"].values[:, -1, 10:]
    assert said["deviation[y1,right]"] == pytest.approx(np.sqrt(variance.mean(axis=1)).mean())
    assert said["least-gain-of-freedom[y0]"] > -1e-9
    drawn = local_average.plot(None, sources, settings)
    assert [one.name for one in drawn] == ["scales", "outputs", "instability", "spreads"]


def test_a_run_that_diverged_and_steps_that_are_too_long_are_left_out() -> None:
    system = plain(optimizer={"kind": "sgd", "rate": 10.0})
    states = trained(plain(), points(X, Y), [0, 3, 9])[0].dataset["state"].values.copy()
    states[0, 2] = np.inf
    trajectory, context = recorded(system, points(X, Y), states, [0, 3, 9])
    found = local_average.analyse(trajectory, local_average.Settings(), context)
    assert found["diverged"].values.tolist() == [True, False, False]
    assert np.isnan(found["scale"].values[0, 2])
    assert np.isfinite(found["scale"].values[1:, 1:]).all()
    assert (found["edge_product"] > 2).all()
    assert np.isnan(found["freedom"]).all()
    assert np.isnan(found["closed_scale"]).all()
    local_average.numbers(None, {"a": found}, local_average.Settings())
    local_average.plot(None, {"a": found}, local_average.Settings())


def test_what_cannot_be_analysed_is_told() -> None:
    trajectory, context = trained(plain(), points(np.hstack([X, X]), Y), [0, 1])
    with pytest.raises(OrreryError, match="one input and one target, and a sample has 2 and 1"):
        local_average.analyse(trajectory, local_average.Settings(), context)
    sigmoid = trained(described(), points(X, Y > 0), [0, 1])
    with pytest.raises(
        OrreryError, match=r"needs loss: \{kind: mse, link: identity\}; write reference: none"
    ):
        local_average.analyse(sigmoid[0], local_average.Settings(), sigmoid[1])
    assert "closed_scale" not in local_average.analyse(
        sigmoid[0], local_average.Settings(reference="none"), sigmoid[1]
    )


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, ""),
        ({"loss": {"kind": "mse", "link": "sigmoid"}}, "link: identity"),
        ({"optimizer": {"kind": "momentum", "rate": 0.1}}, "kind: sgd"),
        ({"optimizer": {"kind": "sgd", "rate": 0.1, "weight_decay": 0.1}}, "without weight decay"),
        ({"batches": {"kind": "with-replacement", "size": 1}}, "kind: full"),
        ({"schedule": {"kind": "cosine", "steps": 5}}, "kind: constant"),
    ],
)
def test_a_condition_without_a_closed_form_is_told_before_it_is_trained(
    changes: dict[str, Any], needed: str
) -> None:
    condition = SimpleNamespace(record=SimpleNamespace(state="all"), system=plain(**changes))
    found = list(local_average.Settings().misfits(condition))
    assert len(found) == bool(needed)
    assert all(key == "reference" and needed in words for key, words in found)
    assert not list(local_average.Settings(reference="none").misfits(condition))


def test_bad_settings_are_told() -> None:
    for given, told in (
        ({"scales": {"between": [2, 0.1]}}, "the smaller one first"),
        ({"times": {"between": [0, 10]}}, "must begin at 1 or later"),
        ({"compare": {"regions": {"x": [1, 0]}}}, "'x' is empty"),
    ):
        with pytest.raises(ValidationError, match=told):
            local_average.Settings(**given)
    one = xr.Dataset(
        {
            "output": (("seed", "moment", "point"), np.zeros((1, 2, 3))),
            "point_x": ("point", [-1.0, 0, 1]),
            "moment_step": ("moment", [0, 1]),
            **{name: (("seed", "moment"), np.ones((1, 2))) for name in ("scale", "gain", "explained")},
            "rho": ("seed", [0.0]),
            "diverged": ("seed", [False]),
        },
        coords={"seed": [0]},
    )
    for compare, told in (
        ({"draws": {"x": ["a"]}}, "'x' fits 1 conditions, and a spread needs two"),
        ({"draws": {"x": ["a", "b"]}}, "the conditions of 'x' differ in moment_step"),
        ({"draws": {"x": ["a", "c"]}, "regions": {"far": [5, 6]}}, "'far' holds no input of the grid"),
    ):
        later = one.assign(moment_step=("moment", [0, 2]))
        with pytest.raises(OrreryError, match=told):
            local_average.numbers(
                None, {"a": one, "b": later, "c": one}, local_average.Settings(compare=compare)
            )
