"""Patterns, ranks, signs, nearest changes, local averages and constant kernels against what is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from orrery.numerics.activation_patterns import dead_share, distinct_rows, effective_rank
from orrery.numerics.constant_kernel import ConstantKernel, constant_kernel
from orrery.numerics.local_average import fit_scales, weights
from orrery.numerics.nearest_change import nearest_changes
from orrery.numerics.sign_test import sign_test


def test_patterns_of_a_network_made_by_hand() -> None:
    grid = torch.linspace(-1, 1, 21, dtype=torch.float64)
    # Kinks at -0.55, -0.52 (the same pattern on this grid), 0.35, the mirrored unit, one never and one always active.
    slope = torch.tensor([1.0, 3.0, 1.0, -1.0, 1.0, 0.0], dtype=torch.float64)
    bias = torch.tensor([0.55, 1.56, -0.35, 0.35, -2.0, 1.0], dtype=torch.float64)
    fields = slope[:, None] * grid + bias[:, None]
    assert distinct_rows((fields > 0).numpy()) == 5
    # In which units are active: three stretches, cut at the two kinks.
    assert distinct_rows((fields > 0).numpy().T) == 3
    assert float(dead_share(fields)) == pytest.approx(1 / 6)
    assert float(dead_share(torch.zeros(4, 3, dtype=torch.float64))) == 1


def test_distinct_rows_of_many_sets_are_those_of_each() -> None:
    rows = np.random.default_rng(0).random((3, 4, 20, 19)) < 0.05
    expected = [[len({tuple(row) for row in rows[i, j]}) for j in range(4)] for i in range(3)]
    assert distinct_rows(rows).tolist() == expected
    assert min(map(min, expected)) < 20


@pytest.mark.parametrize("shape", [(12, 40), (40, 12)])
def test_effective_rank_of_known_spectra(shape: tuple[int, int]) -> None:
    units, samples = shape
    rng = np.random.default_rng(1)
    count = 5
    left = np.linalg.qr(rng.standard_normal((units, count)))[0]
    # Columns orthogonal to the constant vector, so that centring changes nothing; then a constant per unit on top.
    right = np.linalg.qr(np.column_stack([np.ones(samples), rng.standard_normal((samples, count))]))[0][:, 1:]
    offsets = rng.standard_normal((units, 1))
    spectra = np.array([[2.0] * 5, [1.0, 0, 0, 0, 0], [1.0, 0.5, 0.25, 0.125, 0.0625]])
    features = np.stack([(left * values) @ right.T + offsets for values in spectra])
    shares = spectra[2] ** 2 / (spectra[2] ** 2).sum()
    expected = [5.0, 1.0, np.exp(-(shares * np.log(shares)).sum())]
    np.testing.assert_allclose(effective_rank(torch.from_numpy(features)), expected, rtol=1e-10)
    constant = torch.from_numpy(np.broadcast_to(offsets, shape).copy())
    assert float(effective_rank(constant)) == 0


def test_sign_test_leaves_ties_and_unknown_pairs_out() -> None:
    first = np.array([3.0, 3, 3, 3, 3, 1, 2, np.nan, 5])
    second = np.array([1.0, 1, 1, 1, 1, 2, 2, 1, np.nan])
    found = sign_test(first, second)
    assert (found.larger, found.smaller, found.ties) == (5, 1, 1)
    assert found.p == pytest.approx((6 + 1) / 2**6)
    assert sign_test(second, first).p == pytest.approx(1 - 1 / 2**6)
    assert sign_test(np.ones(4), np.ones(4)).p == 1


def test_the_nearest_change_is_the_boundary() -> None:
    # Class 1 where sin(3 x + phase) > 0: boundaries are known.
    phases = np.array([0.0, 0.7])

    def decide(x: np.ndarray) -> np.ndarray:
        return (np.sin(3 * x + phases[:, None]) > 0).astype(int)

    grid = np.linspace(-2, 2, 4001)
    starts = np.array([-1.9, -0.4, 0.3, 0.35, 1.2, 0.5])
    labels = np.array([1, 0, 1, 1, 0, 0])
    found = nearest_changes(decide, starts, labels, grid, 2, 1e-6)
    for row, phase in enumerate(phases):
        zeros = (np.arange(-6, 7) * np.pi - phase) / 3
        zeros = zeros[np.abs(zeros) <= 2]
        exact = np.abs(starts[:, None] - zeros).min(axis=1)
        right = (np.sin(3 * starts + phase) > 0) == labels
        assert np.isnan(found[row, ~right]).all()
        assert (~right).any()
        excess = found[row, right] - exact[right]
        assert (excess >= -1e-12).all()
        assert (excess <= 1e-6).all()


def test_a_change_that_is_nowhere_is_censored_and_both_sides_are_looked_at() -> None:
    def decide(x: np.ndarray) -> np.ndarray:
        return ((x > -0.5001) & (x < 0.2003)).astype(int)

    grid = np.linspace(-1, 1, 21)
    found = nearest_changes(decide, np.array([0.0, -0.4, 0.2]), np.array([1, 1, 1]), grid, 1, 1e-7)
    np.testing.assert_allclose(found[0], [0.2003, 0.1001, 0.0003], atol=1e-7)
    # The interval is narrower than this grid sees from outside: its points -0.9 and 0.5 find no wrong input.
    coarse = np.array([-1.0, -0.75, 0.5, 1.0])
    outside = nearest_changes(decide, np.array([-0.9, 0.5, 3.0]), np.array([0, 0, 0]), coarse, 1, 1e-7)
    assert np.isinf(outside).all()


def test_a_planted_scale_and_gain_are_recovered() -> None:
    rng = np.random.default_rng(2)
    points, samples = np.linspace(-1, 1, 101), np.linspace(-1, 1, 30)
    scales = np.geomspace(0.01, 2, 60)
    averages = np.stack([weights(points, samples, scales) @ rng.standard_normal(30) for _ in range(2)])
    np.testing.assert_allclose(weights(points, samples, scales).sum(axis=2), 1, rtol=1e-12)
    curves = np.stack(
        [[0.3 * averages[0, 20], 1.1 * averages[0, 45]], [2.0 * averages[1, 27], -0.5 * averages[1, 40]]]
    )
    found = fit_scales(curves, averages[:, None], scales)
    np.testing.assert_allclose(found.scale, [[scales[20], scales[45]], [scales[27], scales[40]]])
    np.testing.assert_allclose(found.gain, [[0.3, 1.1], [2.0, -0.5]], rtol=1e-10)
    np.testing.assert_allclose(found.explained, 1, rtol=1e-10)
    noisy = fit_scales(curves + 0.01 * rng.standard_normal(curves.shape), averages[:, None], scales)
    np.testing.assert_allclose(noisy.scale, found.scale, rtol=0.2)
    assert (noisy.explained < 1).all()
    nothing = fit_scales(np.zeros((1, 101)), averages[:1], scales)
    assert np.isnan([nothing.scale, nothing.gain, nothing.explained]).all()


def test_weights_of_the_smallest_scale_are_those_of_the_nearest_sample() -> None:
    found = weights(np.array([0.0, 0.9]), np.array([-1.0, 0.1, 1.0]), np.array([1e-4]))
    np.testing.assert_allclose(found[0], [[0, 1, 0], [0, 0, 1]], atol=1e-12)


def linear_model() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of the samples and of the points, and targets: a model that is linear in its weights."""
    rng = np.random.default_rng(3)
    centres = np.linspace(-1.2, 1.2, 9)

    def features(x: np.ndarray) -> np.ndarray:
        return np.exp(-((x[:, None] - centres) ** 2) / 0.18)

    return features(np.linspace(-1, 1, 7)), features(np.linspace(-1, 1, 31)), rng.standard_normal(7)


def kernel_of(eta: float, *, discrete: bool = True) -> tuple[ConstantKernel, np.ndarray]:
    own, across, targets = linear_model()
    return constant_kernel((own @ own.T)[None], (across @ own.T)[None], 2 * eta, discrete=discrete), targets[
        None
    ]


def test_the_closed_form_is_gradient_descent_of_a_linear_model() -> None:
    own, across, targets = linear_model()
    # The largest product is beyond 1, so that the fastest mode alternates.
    eta = 0.75 / np.linalg.eigvalsh(own @ own.T)[-1]
    kernel, y = kernel_of(eta)
    assert 1 < kernel.product[0] < 2
    times = np.array([0.0, 1.0, 2.0, 17.0, 300.0])
    found = kernel.outputs(y, times)[0]
    weight, learnt = np.zeros(own.shape[1]), []
    for t in range(301):
        if t in times:
            learnt.append(across @ weight)
        weight += 2 * eta * own.T @ (targets - own @ weight)
    np.testing.assert_allclose(found, learnt, rtol=1e-10, atol=1e-12)


def test_the_closed_form_of_gradient_flow_is_the_matrix_exponential() -> None:
    own, across, targets = linear_model()
    eta = 0.02
    kernel, y = kernel_of(eta, discrete=False)
    gram = own @ own.T
    for t in (0.5, 30.0, 4000.0):
        smoother = across @ own.T @ np.linalg.inv(gram) @ (np.eye(7) - scipy.linalg.expm(-2 * eta * gram * t))
        times = np.array([t])
        np.testing.assert_allclose(kernel.outputs(y, times)[0, 0], smoother @ targets, rtol=1e-7)
        np.testing.assert_allclose(kernel.row_norms(times)[0, 0], (smoother**2).sum(axis=1), rtol=1e-7)
        on_samples = gram @ np.linalg.inv(gram) @ (np.eye(7) - scipy.linalg.expm(-2 * eta * gram * t))
        assert kernel.degrees_of_freedom(times)[0, 0] == pytest.approx(np.trace(on_samples), rel=1e-7)


@pytest.mark.parametrize("discrete", [True, False])
def test_degrees_of_freedom_only_grow_up_to_the_number_of_samples(discrete: bool) -> None:
    kernel, _ = kernel_of(0.02, discrete=discrete)
    times = np.unique(np.geomspace(1, 2e3, 40).round())
    freedom = kernel.degrees_of_freedom(times)[0]
    assert (np.diff(freedom) > 0).all()
    assert 0 < freedom[0] < 1 < 6 < freedom[-1] < 7
    late = kernel.degrees_of_freedom(np.array([1e13]))[0, 0]
    assert late == pytest.approx(7, rel=1e-6)


def test_the_spread_over_draws_of_noise_is_the_norm_of_the_row() -> None:
    kernel, _ = kernel_of(0.02)
    noise = 0.5 * np.random.default_rng(4).standard_normal((20_000, 7))
    times = np.array([40.0])
    many = ConstantKernel(
        np.repeat(kernel.values, len(noise), axis=0),
        np.repeat(kernel.vectors, len(noise), axis=0),
        np.repeat(kernel.onto, len(noise), axis=0),
        kernel.rate,
    )
    measured = many.outputs(noise, times)[:, 0].std(axis=0)
    np.testing.assert_allclose(measured, 0.5 * np.sqrt(kernel.row_norms(times)[0, 0]), rtol=0.02)


def test_a_kernel_without_full_rank_learns_what_it_can() -> None:
    own, across, targets = linear_model()
    twice = np.concatenate([own, own[:3]])
    kernel = constant_kernel((twice @ twice.T)[None], (across @ twice.T)[None], 0.04)
    y = np.concatenate([targets, targets[:3] + 2.0])[None]
    found = kernel.outputs(y, np.array([5e4]))[0, 0]
    weight = np.zeros(own.shape[1])
    for _ in range(50_000):
        weight += 0.04 * twice.T @ (y[0] - twice @ weight)
    np.testing.assert_allclose(found, across @ weight, rtol=1e-6, atol=1e-8)
