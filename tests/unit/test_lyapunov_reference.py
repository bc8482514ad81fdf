"""Exponents of maps for which they are known, to the tolerances of the references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.unit.tangent_examples import Orbit, henon, linear, map_system, run_of
from tests.unit.test_systems_reference import make, of

from orrery.systems import quadratic_loss, reference_flow
from orrery.systems.system import Runs

CAT = math.log((3 + math.sqrt(5)) / 2)


def test_logistic_map() -> None:
    found = run_of(of("logistic"), range(1_000), last=120, align=20)
    # 1e-3 is for 1e5 steps: here a thousand orbits of 100.
    assert found["exponent"].values.mean() == pytest.approx(math.log(2), abs=1e-3)
    assert found["sum_rule"].max() < 1e-10
    assert np.allclose(found["finite_time_svd"], found["finite_time"], atol=1e-12)


def test_tent_map() -> None:
    # Orbits collapse to 0 after some 55 steps in float64, where the slope is 2 as well.
    found = run_of(of("tent"), last=200)
    assert np.allclose(found["exponent"], math.log(2), atol=1e-14)


def test_cat_map() -> None:
    found = run_of(of("cat"), last=500, align=100, covariant={"transient": 100})
    assert np.allclose(found["exponent"], [CAT, -CAT], atol=1e-10)
    assert found["sum_rule"].max() < 1e-10
    # The matrix is symmetric: stable and unstable directions are orthogonal everywhere.
    assert np.allclose(found["least_angle"], 90, atol=1e-6)


def test_henon_map() -> None:
    found = run_of(henon(), range(400), last=200, align=50, covariant={"transient": 50}, moments=200)
    exponents = found["exponent"].values
    # +-.003 is for 1e5 steps; these are 60,000 in four hundred orbits.
    assert exponents.mean(axis=0) == pytest.approx([0.4192, -1.6232], abs=0.003)
    assert np.abs(exponents.sum(axis=1) - math.log(0.3)).max() < 1e-10
    assert found["sum_rule"].max() < 1e-10
    assert found["covariance_residual"].max() < 1e-10
    # What a vector and a frame grow by differs by a number, over however many steps.
    assert found["growth_difference"].mean() < 0.01
    growth = found["covariant_exponent"].values.mean(axis=0)
    assert growth == pytest.approx([0.4192, -1.6232], abs=0.005)
    seen = found["angle"].values[..., 0]
    assert np.nanmean(seen) == pytest.approx(53.9, abs=0.5)
    assert np.nanmedian(seen) == pytest.approx(54.9, abs=0.5)
    assert found["least_angle"].min() < 0.5


def test_linear_maps() -> None:
    found = run_of(linear([[1.1, 0.0], [0.0, 0.8]]), last=300, align=150)
    assert np.allclose(found["exponent"], [0.0953102, -0.2231436], atol=1e-7)
    assert np.allclose(run_of(linear([[0.9]]), last=20)["exponent"], -0.1053605, atol=1e-7)


def test_a_shear_grows_first_though_it_contracts() -> None:
    matrix = [[0.5, 10.0], [0.0, 0.4]]
    found = run_of(linear(matrix), last=600, align=300, horizons=[1, 5, 600])
    assert np.allclose(found["exponent"], [math.log(0.5), math.log(0.4)], atol=1e-9)
    first = math.log(np.linalg.norm(matrix, 2))
    assert first > 0
    assert np.allclose(found["finite_time_svd"].sel(horizon=1, index=0), first)
    # What single frames see of it depends on the frame.
    assert np.ptp(found["finite_time"].sel(horizon=1, index=0).values) > 0.1


def test_rotation_has_one_space_and_no_vectors() -> None:
    cosine, sine = math.cos(1.0), math.sin(1.0)
    turned = np.zeros((3, 3))
    turned[:2, :2] = [[cosine, -sine], [sine, cosine]]
    turned[2, 2] = 0.5
    found = run_of(linear(turned), last=300, align=100, covariant={"transient": 100, "vectors": 3})
    assert np.allclose(found["exponent"], [0, 0, math.log(0.5)], atol=1e-12)
    group = found["group"].values
    assert (group[:, 0] == group[:, 1]).all()
    assert (group[:, 0] != group[:, 2]).all()
    pairs = found.attrs["pairs"]
    assert found["angle"].values[:, :, pairs.index([0, 1])].size
    assert np.isnan(found["angle"].values[:, :, pairs.index([0, 1])]).all()
    seen = found["angle"].values[:, :, pairs.index([0, 2])]
    assert np.allclose(seen[np.isfinite(seen)], 90, atol=1e-6)
    assert np.isfinite(seen).any()
    assert found["covariance_residual"].max() < 1e-10


def test_super_contraction_is_counted_and_not_clipped() -> None:
    found = run_of(linear([[2.0, 0.0], [0.0, 0.0]]), last=10, covariant={"transient": 2})
    assert (found["exponent"].values[:, 1] == -math.inf).all()
    assert np.allclose(found["finite_time"].values[:, 0, 0], found["vector_growth"].values[:, 0])
    # Drawn frames are mixed in the first step; from then on one direction is lost in every step.
    assert (found["super_contracted"].values >= 9).all()
    assert np.isnan(found["sum_rule"]).all()
    assert (found["covariant_kept"] == 1).all()
    assert np.isnan(found["covariant_exponent"].values[:, 1]).all()
    assert np.isfinite(found["covariant_exponent"].values[:, 0]).all()


@pytest.mark.parametrize(
    ("optimizer", "averaged", "tolerance"),
    [
        ({"kind": "sgd", "rate": 0.3}, 300, 1e-10),
        ({"kind": "sgd", "rate": 1.9}, 300, 1e-10),
        ({"kind": "momentum", "rate": 0.3, "momentum": 0.9}, 1_200, 1e-3),
    ],
)
def test_quadratic_loss(optimizer: dict, averaged: int, tolerance: float) -> None:
    curvatures, momentum = (1.0, 0.25, 0.02), optimizer.get("momentum", 0.0)
    roots = [np.roots([1, -(1 + momentum - optimizer["rate"] * h), momentum]) for h in curvatures]
    expected = np.log(np.abs([root for pair in roots for root in pair if root != 0]))
    system = make(quadratic_loss, curvatures=curvatures, optimizer=optimizer)
    found = run_of(system, last=600 + averaged, align=600, horizons=[1])
    assert np.allclose(np.sort(found["exponent"].values, axis=1), np.sort(expected), atol=tolerance)
    assert found["sum_rule"].max() < 1e-10


@pytest.mark.parametrize(
    ("kind", "total"), [("lozi", math.log(0.5)), ("ikeda", 2 * math.log(0.9)), ("standard", 0.0)]
)
def test_sums_that_are_the_same_everywhere(kind: str, total: float) -> None:
    found = run_of(of(kind), last=150)
    assert np.abs(found["exponent"].sum("index") - total).max() < 1e-10
    assert found["sum_rule"].max() < 1e-10


def test_flows_shrink_volume_as_they_must() -> None:
    lorenz = make(reference_flow, flow={"kind": "lorenz"}, time_step=0.01)
    found = run_of(lorenz, last=500, align=200)
    # A Runge-Kutta step has the determinant of the flow but for the fifth power of its length.
    assert np.abs(found["exponent"].sum("index") / 0.01 + (10 + 1 + 8 / 3)).max() < 1e-2
    assert found["sum_rule"].max() < 1e-10
    rossler = make(reference_flow, flow={"kind": "rossler"}, time_step=0.01)
    found = run_of(rossler, (0,), last=500)
    orbit = np.array(
        [state["point"][0, 0].item() for _, state in Orbit(rossler, Runs.product((0,))).states(0, 500)]
    )
    mean = 0.2 + (orbit[1:] + orbit[:-1]).mean() / 2 - 5.7
    assert found["exponent"].sum("index").item() / 0.01 == pytest.approx(mean, abs=1e-2)


def test_the_start_frame_changes_no_singular_value_and_no_sum() -> None:
    system = henon()
    horizons = [1, 3, 7, 12]
    one = run_of(system, last=60, horizons=horizons)

    def other_frame(orbit: Orbit) -> Orbit:
        from orrery.numerics.streams import Streams

        return Orbit(orbit.system, orbit.runs, Streams({"probe": {"shift": 1000}}))

    other = run_of(
        system, last=60, horizons=horizons, orbits=[other_frame(Orbit(system, Runs.product((0, 1, 2))))]
    )
    assert np.abs(one["finite_time"] - other["finite_time"]).max() > 0.01
    assert np.allclose(one["finite_time_svd"], other["finite_time_svd"], atol=1e-9)
    assert np.allclose(one["finite_time"].sum("index"), other["finite_time"].sum("index"), atol=1e-12)
    for found in (one, other):
        qr, svd = found["finite_time"].values, found["finite_time_svd"].values
        assert (qr[:, :, 0] <= svd[:, :, 0] + 1e-12).all()
        assert np.allclose(qr.sum(axis=2), svd.sum(axis=2), atol=1e-6)
        # Differences fall as 1/tau: what a frame misses is a number, not a rate.
        gap = (svd[:, :, 0] - qr[:, :, 0]) * np.array(horizons)
        assert gap.max() < 10


def test_partial_sums_of_a_frame_never_exceed_those_of_singular_values() -> None:
    generator = np.random.default_rng(3)
    matrix = 0.5 * generator.normal(size=(5, 5))
    system = map_system(lambda p: torch.tanh(p @ torch.from_numpy(matrix).T), 5, lambda g: g.normal(size=5))
    found = run_of(system, range(6), last=40, horizons=[1, 2, 5, 8])
    qr, svd = (np.cumsum(found[name].values, axis=2) for name in ("finite_time", "finite_time_svd"))
    assert np.isfinite(svd).all()
    assert (qr <= svd + 1e-9).all()
    assert np.allclose(qr[:, :, -1], svd[:, :, -1], atol=1e-7)


def test_singular_values_beyond_double_precision_are_left_out() -> None:
    horizons = [5, 12, 15, 60]
    found = run_of(henon(), range(8), last=60, horizons=horizons)
    svd, qr = found["finite_time_svd"].values, found["finite_time"].values
    assert np.isfinite(svd[:, :, 0]).all()
    # Lost where tau (lambda_0 - lambda_1) exceeds 34: 16.7 steps of the mean exponents, sooner or later here.
    gap = np.array(horizons) * (qr[:, :, 0] - qr[:, :, 1])
    assert np.isnan(svd[gap > 34][:, 1]).all()
    assert np.isnan(svd[:, 3, 1]).all()
    assert np.isfinite(svd[:, 0, 1]).all()
    # What is kept is right: the two sum up to the determinant, to what rounding leaves of the smaller.
    kept = svd[:, :2].sum(axis=2)
    assert np.isfinite(kept).all()
    assert np.allclose(kept, math.log(0.3), atol=1e-3)


def test_fewer_directions_are_the_first_of_more_and_have_no_singular_values() -> None:
    generator = np.random.default_rng(4)
    matrix = generator.normal(size=(6, 6))
    system = map_system(lambda p: torch.sin(p @ torch.from_numpy(matrix).T), 6, lambda g: g.normal(size=6))
    every = run_of(system, last=50, horizons=[10, 50])
    some = run_of(system, last=50, horizons=[10, 50], exponents=3)
    single = run_of(system, last=50, horizons=[10, 50], exponents=1)
    assert np.allclose(some["finite_time"], every["finite_time"][..., :3], atol=1e-12)
    assert np.allclose(single["finite_time"], every["finite_time"][..., :1], atol=1e-12)
    assert np.isnan(some["finite_time_svd"]).all()
    assert np.isnan(some["sum_rule"]).all()


def test_orthogonalising_every_few_steps_gives_the_same_sums() -> None:
    each = run_of(henon(), last=300, horizons=[7, 300], moments=10)
    fourth = run_of(henon(), last=300, horizons=[7, 300], moments=10, every=4)
    assert np.allclose(each["exponent"], fourth["exponent"], atol=1e-10)
    assert np.allclose(each["finite_time"], fourth["finite_time"], atol=1e-10)
    assert np.allclose(each["running"], fourth["running"], atol=1e-10)


def test_pushing_step_by_step_and_by_matrices_of_many_steps_are_the_same() -> None:
    by_matrices = run_of(henon(), last=100, covariant={"transient": 20})
    by_steps = run_of(henon(clock=None), last=100, covariant={"transient": 20})
    for name in by_matrices.data_vars:
        assert np.allclose(by_matrices[name], by_steps[name], atol=1e-9, equal_nan=True), name


def test_local_growth_adds_up_to_the_running_mean() -> None:
    found = run_of(henon(), last=100, moments=[20, 50, 100])
    lengths = np.array([20, 30, 50])[None, :, None]
    assert np.allclose(
        np.cumsum(found["local"].values * lengths, axis=1) / np.cumsum(lengths, axis=1), found["running"]
    )
    assert np.allclose(found["running"][:, -1], found["exponent"])
    assert np.allclose(found["vector_length"][:, -1] / 100, found["vector_growth"][:, -1])
    assert found["moment_step"].values.tolist() == [20, 50, 100]
