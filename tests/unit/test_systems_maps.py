from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems import bisection, dual_descent, mirror_descent, plain_descent
from orrery.systems.starts import Grid, grid_starts
from orrery.systems.system import Runs, System

CPU = torch.device("cpu")


def grid(low: float, high: float, **more: object) -> dict:
    return {"from": [low, low], "to": [high, high], "points": 5, **more}


def make(module, streams: Streams | None = None, **settings: object) -> System:
    kind = module.__name__.rpartition(".")[2].replace("_", "-")
    model = module.Settings.model_validate({"kind": kind, **settings})
    return module.build(model, dataset=None, dtype=torch.float64, device=CPU, streams=streams or Streams())


def iterate(system: System, runs: Runs, steps: int) -> list[dict[str, torch.Tensor]]:
    states = [system.initial(runs)]
    for t in range(steps):
        states.append(system.step(states[-1], system.batch(runs, t), t))
    return states


def test_first_coordinate_of_a_grid_runs_fastest() -> None:
    starts = grid_starts(Grid.model_validate(grid(0.1, 0.9)), [0, 1, 5, 24])
    np.testing.assert_allclose(starts, [[0.1, 0.1], [0.3, 0.1], [0.1, 0.3], [0.9, 0.9]])
    logs = grid_starts(Grid.model_validate(grid(0.1, 0.9, transform="log")), [1])
    np.testing.assert_allclose(logs, np.log([[0.3, 0.1]]))
    roots = grid_starts(Grid.model_validate(grid(0.1, 0.9, transform="square-root-of-half")), [1])
    np.testing.assert_allclose(roots, np.sqrt([[0.15, 0.05]]))


def test_grids_refuse_what_they_cannot_do() -> None:
    with pytest.raises(OrreryError, match="seed 25 has no start"):
        grid_starts(Grid.model_validate(grid(0.1, 0.9)), [0, 25])
    with pytest.raises(ValidationError, match="positive corners"):
        Grid.model_validate(grid(-0.1, 0.9, transform="log"))
    with pytest.raises(ValidationError, match="give as many"):
        Grid.model_validate({"from": [0.1], "to": [0.9, 0.9], "points": 2})


def test_settings_of_a_grid_survive_dumping() -> None:
    settings = mirror_descent.Settings.model_validate({"rate": 0.01, "start": grid(0.1, 0.9)})
    dumped = settings.model_dump(mode="json")
    assert dumped["start"]["from"] == [0.1, 0.1]
    assert mirror_descent.Settings.model_validate(dumped) == settings


@pytest.mark.parametrize(
    ("objective", "slope"),
    [
        ("tangent", lambda x: 1 / np.cos(x) ** 2),
        ("square", lambda x: 2 * x),
        ("quartic", lambda x: 4 * x**3),
    ],
)
def test_one_step_of_each_descent(objective: str, slope) -> None:
    runs = Runs.product((7,))
    x = np.array([[0.5, 0.3]])
    common = {"objective": objective, "rate": 0.05, "lower": 0.01}
    omd = iterate(make(mirror_descent, start=grid(0.1, 0.9), **common), runs, 1)
    np.testing.assert_allclose(omd[0]["x"], x)
    np.testing.assert_allclose(omd[1]["x"], x / (1 + 0.05 * x * slope(x)), rtol=1e-14)
    ogd = iterate(make(dual_descent, start=grid(0.1, 0.9, transform="log"), **common), runs, 1)
    np.testing.assert_allclose(ogd[1]["u"], np.log(x) - 0.05 * x * slope(x), rtol=1e-14)
    plain = iterate(make(plain_descent, start=grid(0.1, 0.9), **common), runs, 1)
    np.testing.assert_allclose(plain[1]["x"], x - 0.05 * slope(x), rtol=1e-14)


def test_descents_stay_in_their_box() -> None:
    settings = {"objective": "tangent", "rate": 5.0, "lower": 0.2}
    for module, name, low in (
        (mirror_descent, "x", 0.2),
        (plain_descent, "x", 0.2),
        (dual_descent, "u", np.log(0.2)),
    ):
        start = grid(-1.5, -0.1) if name == "u" else grid(0.21, 0.99)
        last = iterate(make(module, start=start, **settings), Runs.product(tuple(range(25))), 30)[-1][name]
        np.testing.assert_allclose(last, np.full((25, 2), low), rtol=1e-14)


def test_mirror_and_dual_descent_are_conjugate_to_first_order_in_the_rate() -> None:
    runs = Runs.product(tuple(range(25)))
    gaps = []
    for rate in (0.02, 0.01, 0.005):
        common = {"objective": "tangent", "rate": rate, "lower": 0.01}
        x = iterate(make(mirror_descent, start=grid(0.1, 0.9), **common), runs, round(1 / rate))
        u = iterate(
            make(dual_descent, start=grid(0.1, 0.9, transform="log"), **common), runs, round(1 / rate)
        )
        gaps.append(max(float((a["x"] - b["u"].exp()).abs().max()) for a, b in zip(x, u, strict=True)))
    ratios = np.array(gaps[:-1]) / np.array(gaps[1:])
    np.testing.assert_allclose(ratios, 2.0, atol=0.15)


def test_losses_of_the_released_settings() -> None:
    # arXiv 2302.09160, released results: grid start 17, first and last of 100 states.
    runs = Runs.product(tuple(range(25)))
    common = {"objective": "tangent", "rate": 0.01, "lower": 0.01}
    for module, start, expected in (
        (mirror_descent, grid(0.1, 0.9), (1.389, 0.712)),
        (dual_descent, grid(-2.3, -0.1), (0.886, 0.567)),
    ):
        system = make(module, start=start, **common)
        states = iterate(system, runs, 99)
        found = [float(system.metrics["objective"](states[t])[17]) for t in (0, 99)]
        np.testing.assert_allclose(found, expected, atol=1e-3)
        _, byproducts = system.advance(states[0], {}, 0)
        assert float(byproducts["loss"][17]) == found[0]


def bisecting() -> System:
    return make(bisection, left=grid(-4 / 3, -1 / 3), right=grid(1 / 7, 8 / 7))


def test_bisection_replaces_the_end_with_the_sign_of_f() -> None:
    system = bisecting()
    runs = Runs.product((0, 24))
    before, after = iterate(system, runs, 1)
    middle = (before["a"] + before["b"]) / 2
    value = torch.tan(middle).sum(dim=1)
    assert value[0] < 0 < value[1]
    assert torch.equal(after["a"][0], middle[0])
    assert torch.equal(after["b"][0], before["b"][0])
    assert torch.equal(after["b"][1], middle[1])
    assert torch.equal(after["a"][1], before["a"][1])
    assert torch.equal(system.observables["midpoint"][1](before), middle)


def test_bisection_that_hits_zero_stays_zero() -> None:
    system = bisecting()
    runs = Runs.product(tuple(range(25)))
    states = iterate(system, runs, 99)
    midpoint = system.observables["midpoint"][1]
    path = np.stack([midpoint(state).numpy() for state in states], axis=1)
    stopped = states[-1]["stopped"].numpy() == 1
    assert stopped.sum() == 20
    assert (path[stopped, -1] == 0).all()
    first = (path[stopped] == 0).all(axis=2).argmax(axis=1)
    for row, step in zip(path[stopped], first, strict=True):
        assert (row[step:] == 0).all()
        assert np.tan(row[step - 1]).sum() == pytest.approx(0, abs=1e-15)
    assert (np.abs(path[~stopped, -1]).max(axis=1) < 1).all()
    losses = system.metrics["objective"](states[10])
    assert float(losses[17]) < 1e-3


def test_ends_of_bisection_are_paired() -> None:
    with pytest.raises(ValidationError, match="paired"):
        bisection.Settings.model_validate({"left": grid(-1, 0), "right": {**grid(0, 1), "points": 4}})


def test_stream_init_chooses_the_start() -> None:
    common = {"objective": "tangent", "rate": 0.01, "start": grid(0.1, 0.9)}
    held = make(mirror_descent, Streams({"init": {"hold": 3}}), **common).initial(Runs.product((0, 7)))["x"]
    plain = make(mirror_descent, **common).initial(Runs.product((3,)))["x"]
    assert torch.equal(held, plain.expand(2, 2))
