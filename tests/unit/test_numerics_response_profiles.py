"""Specificity, separability and stages on profiles whose answers are known, and the exact exponents of kernels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.response_examples import started, system_of

from orrery.numerics.response_profiles import (
    boundaries,
    half_width,
    peak_over_mean,
    rank_one_violation,
    small_distance_exponent,
    stage_of,
)
from orrery.systems.tangent_kernels import closed_form

PLACES = np.linspace(-1, 1, 201)


def test_the_half_width_of_a_gaussian_and_of_a_triangle() -> None:
    centre = np.array([0.3, -0.2])
    gaussian = np.exp(-((PLACES - centre[:, None]) ** 2) / (2 * 0.1**2))
    found = half_width(PLACES, 4 * gaussian, np.array([4.0, 4.0]), centre)
    np.testing.assert_allclose(found, 0.1 * np.sqrt(2 * np.log(2)), rtol=2e-3)
    triangle = 1 - np.abs(PLACES - 0.3) / 0.4
    assert half_width(PLACES, triangle, np.array(1.0), np.array(0.3)) == pytest.approx(0.2)


def test_one_side_is_enough_and_a_flat_profile_has_no_width() -> None:
    one_sided = np.where(PLACES < 0.3, 1.0, 1 - (PLACES - 0.3) / 0.2)
    assert half_width(PLACES, one_sided, np.array(1.0), np.array(0.3)) == pytest.approx(0.1)
    assert np.isnan(half_width(PLACES, np.ones(201), np.array(1.0), np.array(0.3)))
    # The first place beside the probe may already lie below the half.
    assert 0 < half_width(PLACES, np.zeros(201), np.array(1.0), np.array(0.305)) < 0.005


def test_the_peak_over_the_mean_is_one_where_nothing_is_specific() -> None:
    assert peak_over_mean(np.full((2, 9), 3.0), np.array([3.0, 6.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("activation", "expected"), [("relu", 1.0), ("elu", 2.0), ("tanh", 2.0), ("identity", 2.0)]
)
def test_the_kernel_has_a_cusp_for_relu_only(activation: str, expected: float) -> None:
    # Method note, criterion A-5: a of order 1, N = 2e5, x0 = 0.1; within 0.1.
    distances = np.array([1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2])
    system = system_of(200_000, activation)
    state = started(system, 1, spread=1.0)
    points = torch.from_numpy(0.1 + np.concatenate([[0.0], distances]))[None, :, None]
    kernel = closed_form(system, state, points)[0, :, 0, :, 0].numpy()
    found = small_distance_exponent(distances, kernel[0, 1:], np.diag(kernel)[1:], np.array(kernel[0, 0]))
    assert float(found) == pytest.approx(expected, abs=0.1)


def test_a_product_violates_nothing_and_a_sum_of_two_does() -> None:
    decay, kernel = np.geomspace(1, 1e-6, 12), 1 + PLACES**2
    product = decay[:, None] * kernel
    for unit_rows in (False, True):
        assert float(rank_one_violation(product, unit_rows=unit_rows)) < 1e-28
    # Two equal orthogonal rows share the squares.
    assert float(rank_one_violation(np.eye(2))) == pytest.approx(0.5)
    # A late row of another shape is hidden by rows that are larger by decades, until all have length one.
    changed = product.copy()
    changed[-4:] = decay[-4:, None] * PLACES
    assert float(rank_one_violation(changed)) < 1e-6
    assert float(rank_one_violation(changed, unit_rows=True)) > 0.2
    assert np.isnan(rank_one_violation(np.full((3, 4), np.nan)))
    assert float(rank_one_violation(1e-200 * np.eye(2))) == pytest.approx(0.5)


def test_stages_begin_where_the_mean_error_falls_below_their_bounds() -> None:
    steps = np.array([0, 1, 10, 100, 1000])
    errors = np.array([[0.5, 0.25, 0.2, 0.05, 0.01], [0.5, 0.4, 0.4, 0.3, 0.1], [0.5, 0.01, 0.2, 0.01, 0.01]])
    np.testing.assert_array_equal(boundaries(steps, errors), [[10, 1000], [1000, np.nan], [1, 1]])
    assert stage_of(np.array([0.3, 0.25, 0.24, 0.05, 0.049, np.nan])).tolist() == [0, 0, 1, 1, 2, -1]
