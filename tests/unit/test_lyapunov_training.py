"""Exponents of training: rest points, cycles, determinants of optimizers, mini-batches, norms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.unit.regression_examples import after, cycle, regression, started_at
from tests.unit.tangent_examples import Orbit, map_system, run_of
from tests.unit.test_systems_network import make

from orrery.analyses import lyapunov_covariant
from orrery.analyses.lyapunov_tangents import Followed, marks
from orrery.config.errors import OrreryError
from orrery.numerics.tangent_frames import log_growth
from orrery.systems.system import Runs
from orrery.systems.tangents import jacobian, packed, places

BETAS, DECAY, RATE = (0.7, 0.9), 0.02, 0.05


def ordered(values: np.ndarray) -> np.ndarray:
    return -np.sort(-values, axis=-1)


def test_at_rest_exponents_are_those_of_the_curvature() -> None:
    # 1-3-1 on sin(pi x), C + (0.01/2)|w|^2. Rest points do not depend on the rate: a large one aligns frames sooner.
    slow = regression(0.1, decay=0.01)
    runs = Runs((0,), (0,))
    rest, tangent = cycle(slow, runs, after(slow, runs, 1_500), 1)
    curvature = (1 - torch.linalg.eigvalsh(tangent)) / 0.1
    assert (curvature > 0).all()
    fast = started_at(regression(0.6, decay=0.01), rest)
    assert (after(fast, runs, 1) - rest).norm(dim=1).max() < 1e-13
    found = run_of(fast, runs.seeds, last=4_000, align=2_500, horizons=[1], moments=4)
    expected = np.log(np.abs(1 - 0.6 * curvature.numpy()))
    assert np.abs(ordered(found["exponent"].values) - ordered(expected)).max() < 1e-4
    assert found["sum_rule"].max() < 1e-10
    assert found["step_length"].max() < 1e-12


def test_an_aligned_frame_has_the_exponents_at_once() -> None:
    system = regression(0.1, decay=0.01)
    runs = Runs((0, 3), (0, 0))
    rest, tangent = cycle(system, runs, after(system, runs, 1_500), 1)
    multipliers, directions = torch.linalg.eigh(tangent)
    order = multipliers.abs().argsort(dim=1, descending=True)
    frame = torch.gather(directions, 2, order[:, None, :].expand_as(directions))
    expected = torch.gather(multipliers, 1, order).abs().log()
    followed = Followed(Orbit(started_at(system, rest), runs), (0, 1))
    passed = list(marks(followed, frame, 0, 100, range(1, 101)))
    sums = sum(log_growth(mark.factor) for mark in passed if mark.factor is not None)
    assert torch.allclose(sums / 100, expected, atol=1e-9)


def test_period_two_has_the_multipliers_of_two_steps() -> None:
    # Beyond the edge of stability weights hop to and fro, while the loss looks constant.
    system = regression(0.3, factor=2.0)
    runs = Runs((27,), (0,))
    point, tangent = cycle(system, runs, after(system, runs, 5_000), 2)
    hopping = started_at(system, point)
    assert (after(hopping, runs, 2) - point).norm().item() < 1e-8
    found = run_of(hopping, runs.seeds, last=4, horizons=[1, 2], exponents=1)
    # The weights move by a tenth in each step, and the loss by nothing to speak of.
    assert found["step_length"].values[0] == pytest.approx([0.1047, 0.1047], abs=1e-4)
    assert np.ptp(found["loss"].values) < 1e-4
    multipliers, directions = np.linalg.eig(tangent[0].numpy())
    order = np.argsort(-np.abs(multipliers), kind="stable")
    expected = np.log(np.abs(multipliers[order])) / 2
    # Real vectors in the spaces of the multipliers, the largest first: the frame is aligned from the start.
    spanned = np.where(multipliers.imag < 0, directions.imag, directions.real)[:, order]
    frame = torch.from_numpy(np.linalg.qr(spanned)[0])[None]
    followed = Followed(Orbit(hopping, runs), (0,))
    passed = list(marks(followed, frame, 0, 400, range(1, 401)))
    logs = torch.stack([log_growth(mark.factor) for mark in passed if mark.factor is not None]).mean(dim=0)[0]
    pair = np.flatnonzero(multipliers.imag[order] != 0)
    single = np.setdiff1d(np.arange(10), pair)
    assert np.abs(logs.numpy() - expected)[single].max() < 1e-4
    # A complex pair turns: its two exponents are equal, the logarithms of its frame on the mean.
    assert abs(logs.numpy()[pair].mean() - expected[pair].mean()) < 1e-4
    # The formula of a rest point is off.
    one = torch.linalg.eigvals(jacobian(system, hopping.initial(runs), system.batch(runs, 0), 0)).abs().log()
    assert np.abs(ordered(one[0].numpy()) - expected).max() > 0.01


def test_period_two_of_the_logistic_map() -> None:
    system = map_system(lambda x: 3.2 * x * (1 - x), 1, lambda generator: generator.uniform(0.2, 0.8, 1))
    found = run_of(system, last=300, window=[100, 300])
    # The product of the slopes over the cycle is 4 + 2 r - r^2.
    assert np.allclose(found["exponent"], math.log(abs(4 + 6.4 - 3.2**2)) / 2, atol=1e-10)


@pytest.mark.parametrize(
    ("optimizer", "factor"),
    [
        ({"kind": "momentum", "rate": RATE, "momentum": 0.8}, 0.8),
        ({"kind": "adam", "rate": RATE, "betas": BETAS, "epsilon": 0.01}, BETAS[0] * BETAS[1]),
        (
            {"kind": "adamw", "rate": RATE, "betas": BETAS, "epsilon": 0.01, "weight_decay": DECAY},
            (1 - RATE * DECAY) * BETAS[0] * BETAS[1],
        ),
    ],
)
def test_the_sum_on_the_full_state_is_a_constant_of_the_optimizer(optimizer: dict, factor: float) -> None:
    system = make(optimizer=optimizer, network={"kind": "mlp", "hidden": [3], "activation": "tanh"})
    found = run_of(system, (0, 1), last=20, window=[5, 20], moments=2)
    weights = len(places(system.components, ("weight", "bias")))
    assert found["exponent"].values.sum(axis=1) == pytest.approx([weights * math.log(factor)] * 2, abs=1e-10)
    assert found["sum_rule"].max() < 1e-10
    assert found.attrs["components"] == system.size


def test_mini_batches_are_an_ordered_product() -> None:
    # Five batches of eight: one epoch, in the order in which the seed saw them.
    system = make(
        network={"kind": "mlp", "hidden": [3], "activation": "tanh"}, optimizer={"kind": "sgd", "rate": 0.5}
    )
    runs = Runs((0, 1), (0, 0))
    found = run_of(system, runs.seeds, last=5)
    state = system.initial(runs)
    tangents = []
    for t in range(5):
        tangents.append(jacobian(system, state, system.batch(runs, t), t))
        state = system.step(state, system.batch(runs, t), t)
    product = tangents[4] @ tangents[3] @ tangents[2] @ tangents[1] @ tangents[0]
    singular = torch.linalg.svdvals(product).log().numpy() / 5
    assert np.abs(found["finite_time_svd"].values[:, 0] - singular).max() < 1e-10
    assert not torch.allclose(product, product.transpose(1, 2))
    # Another order is another product, and the sum of the curvatures is none.
    other = tangents[4] @ tangents[3] @ tangents[1] @ tangents[2] @ tangents[0]
    added = sum(tangents) - 4 * torch.eye(system.size, dtype=torch.float64)
    for wrong in (other, added):
        assert np.abs(torch.linalg.svdvals(wrong).log().numpy() / 5 - singular).max() > 1e-4


def test_loss_and_step_are_those_of_the_run() -> None:
    system = regression(0.1)
    runs = Runs.product((0, 1))
    found = run_of(system, runs.seeds, last=30, window=[5, 20], horizons=[3, 15], exponents=2)
    state = system.initial(runs)
    for t in range(30):
        after_it, said = system.advance(state, system.batch(runs, t), t)
        if t in (8, 20):
            place = (8, 20).index(t)
            assert np.array_equal(found["loss"].values[:, place], said["loss"].numpy())
            moved = (packed(after_it, system.components) - packed(state, system.components)).norm(dim=1)
            assert np.allclose(found["step_length"].values[:, place], moved.numpy(), atol=1e-15)
        state = after_it
    _, said = system.advance(state, system.batch(runs, 30), 30)
    assert np.array_equal(found["final_loss"].values, said["loss"].numpy())


def test_growth_of_one_vector_is_that_of_a_small_difference() -> None:
    # R5 of the study network-trajectories: a random vector in the kernels only, in the L1 norm over all weights.
    system = regression(0.3, factor=2.0)
    runs = Runs.product((0, 1, 2))
    found = run_of(system, runs.seeds, last=100, exponents=1, frame=["weight"], moments=[10, 50, 100])
    followed = Followed(Orbit(system, runs), (0, 1, 2))
    from orrery.analyses.lyapunov_tangents import start_frame

    vector = start_frame(followed, 1, ["weight"], None)[:, :, 0]
    inside = places(system.components, ("weight",))
    outside = [place for place in range(system.size) if place not in inside]
    assert (vector[:, outside] == 0).all()
    moved = started_at(system, packed(system.initial(runs), system.components) + 1e-7 * vector)
    apart = (after(moved, runs, 100) - after(system, runs, 100)) / 1e-7
    lengths = (apart.abs().sum(dim=1) / vector.abs().sum(dim=1)).log().numpy()
    assert np.allclose(found["vector_length_l1"].values[:, -1], lengths, atol=1e-4)
    assert np.allclose(found["vector_growth_l1"].values[:, 0], lengths / 100, atol=1e-6)
    assert np.allclose(found["finite_time"].values[:, 0, 0], apart.norm(dim=1).log().numpy() / 100, atol=1e-6)


def adam() -> object:
    return make(
        network={"kind": "mlp", "hidden": [3], "activation": "tanh"}, optimizer={"kind": "adam", "rate": 0.01}
    )


def test_adam_is_measured_in_the_size_of_its_parts() -> None:
    system = adam()
    found = run_of(system, (0, 1), last=40, window=[10, 40], horizons=[1, 30], exponents=3)
    plain = run_of(system, (0, 1), last=40, window=[10, 40], horizons=[1, 30], exponents=3, norm="euclidean")
    assert (found.attrs["norm"], plain.attrs["norm"]) == ("scaled", "euclidean")
    assert np.abs(found["finite_time"] - plain["finite_time"]).max() > 0.01
    # What is measured in the weights alone does not depend on the norm, but for the start vector.
    runs = Runs.product((0, 1))
    state = packed(after_state(system, runs, 10), system.components)
    weights = places(system.components, ("weight", "bias"))
    second = places(system.components, ("second-moment",))
    assert (
        state[:, second].square().mean(dim=1).sqrt() < 0.1 * state[:, weights].square().mean(dim=1).sqrt()
    ).all()


def after_state(system: object, runs: Runs, steps: int) -> dict:
    state = system.initial(runs)
    for t in range(steps):
        state = system.step(state, system.batch(runs, t), t)
    return state


def test_start_vectors_of_adam_lie_in_the_weights() -> None:
    from orrery.analyses.lyapunov_tangents import WEIGHTS, start_frame

    system = adam()
    followed = Followed(Orbit(system, Runs.product((0, 1))), (0, 1))
    weights = places(system.components, ("weight", "bias"))
    others = [place for place in range(system.size) if place not in weights]
    few = start_frame(followed, 4, None, WEIGHTS)
    assert (few[:, others] == 0).all()
    every = start_frame(followed, system.size, None, WEIGHTS)
    assert torch.allclose(every[:, :, :4], few)
    assert (every[:, others][:, :, : len(weights)] == 0).all()
    unit = torch.eye(system.size, dtype=torch.float64)
    assert torch.allclose(every.transpose(1, 2) @ every, unit.expand(2, -1, -1), atol=1e-12)


def test_the_sum_of_the_spectrum_of_adam_does_not_depend_on_the_norm() -> None:
    system = adam()
    scaled = run_of(system, (0,), last=25, window=[10, 25], moments=2)
    plain = run_of(system, (0,), last=25, window=[10, 25], moments=2, norm="euclidean")
    assert scaled["sum_rule"].max() < 1e-10
    assert np.allclose(scaled["exponent"].sum("index"), plain["exponent"].sum("index"), atol=1e-10)


def test_a_norm_of_parts_that_are_still_zero_is_one_sentence() -> None:
    with pytest.raises(OrreryError, match=r"norm: a part of the state is zero at step 0.*window: \[10, 40\]"):
        run_of(adam(), (0, 1), last=40)
    found = run_of(adam(), (0, 1), last=5, norm="euclidean", exponents=2)
    assert np.isfinite(found["exponent"]).all()


def test_dead_units_are_counted_and_do_not_spoil_tangents() -> None:
    system = adam()

    def dead(runs: Runs) -> dict:
        state = system.initial(runs)
        # A unit that is cut off on both sides has no gradient, ever.
        return {
            **state,
            "fc1.weight": state["fc1.weight"] * torch.tensor([1.0, 1.0, 0.0])[None, :, None],
            "fc1.bias": state["fc1.bias"] * torch.tensor([1.0, 1.0, 0.0]),
            "fc2.weight": state["fc2.weight"] * torch.tensor([1.0, 1.0, 0.0]),
        }

    from dataclasses import replace

    found = run_of(replace(system, initial=dead), (0, 1), last=30, window=[10, 30], moments=4, exponents=3)
    # Seven inputs, one bias, three outputs.
    assert found["masked"].values.tolist() == [11, 11]
    assert np.isfinite(found["exponent"]).all()
    assert not found["undefined"].any()


def test_a_symmetry_of_soft_max_is_an_exact_zero() -> None:
    # A constant on all output biases changes nothing: one neutral direction, and one for each hidden unit.
    system = make(network={"kind": "mlp", "hidden": [2], "activation": "sigmoid"}, batches={"kind": "full"})
    runs = Runs.product((0,))
    state = system.initial(runs)
    for t in range(5):
        tangent = jacobian(system, state, system.batch(runs, t), t)[0]
        neutral = torch.zeros((system.size, 3), dtype=torch.float64)
        first = 0
        for component in system.components:
            view = neutral[first : first + component.size].unflatten(0, component.shape)
            if component.name == "fc2.bias":
                view[:, 0] = 1
            if component.name == "fc2.weight":
                view[:, 0, 1] = 1
                view[:, 1, 2] = 1
            first += component.size
        assert (tangent @ neutral - neutral).abs().max() < 1e-15
        state = system.step(state, system.batch(runs, t), t)


def test_covariant_vectors_in_a_transient_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    system = regression(0.3, factor=2.0)
    settings = {"last": 200, "moments": 20, "horizons": [1], "covariant": {"transient": 60, "forward": 40}}
    whole = Orbit(system, Runs.product((0, 1)))
    found = run_of(system, (0, 1), orbits=[whole], **settings)
    assert found["covariance_residual"].max() < 1e-10
    assert (found["covariant_kept"] == system.size).all()
    seen = found["splitting"].values
    valid = (found["moment_step"].values >= 40) & (found["moment_step"].values <= 140)
    assert np.isnan(seen[:, ~valid]).all()
    assert np.isfinite(seen[:, valid]).all()
    assert found.attrs["covariant_window"] == [40, 140]
    # A little memory at a time: the window is gone through again in stretches, to the same end.
    monkeypatch.setattr(lyapunov_covariant, "STRETCH", 2 * system.size**2 * 8 * 25)
    parted = Orbit(system, Runs.product((0, 1)))
    again = run_of(system, (0, 1), orbits=[parted], **settings)
    stretches = [asked for asked in parted.asked if asked not in whole.asked]
    assert stretches == [(165, 190), (140, 165), (115, 140), (90, 115), (65, 90), (40, 65)]
    for name in found.data_vars:
        assert np.allclose(found[name], again[name], atol=1e-9, equal_nan=True), name


def test_growth_of_covariant_vectors_is_that_of_the_frame_over_a_long_window() -> None:
    # Both differ by what happens at the ends, over however many steps.
    system = regression(0.3, factor=2.0, hidden=1)
    short, long = (
        run_of(system, (0, 2), last=last, moments=4, horizons=[1], covariant={"transient": 100})
        for last in (300, 1_800)
    )
    assert long["growth_difference"].max() < 0.25 * short["growth_difference"].max()
    assert long["growth_difference"].max() < 1e-3
