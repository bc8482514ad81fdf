"""The plane of the two leading right singular vectors, and how the positions of classes in it are measured."""

from __future__ import annotations

import numpy as np
import pytest

from orrery.numerics.class_positions import class_means, nearest_mean_accuracy, offset, shift, spread
from orrery.numerics.fixed_signs import fixed_signs
from orrery.numerics.singular_plane import leading_plane

GENERATOR = np.random.default_rng(4)


def test_a_layer_of_rank_two_is_its_plane() -> None:
    weight = GENERATOR.standard_normal((3, 10, 2)) @ GENERATOR.standard_normal((3, 2, 16))
    hidden = GENERATOR.standard_normal((3, 16, 7))
    plane = leading_plane(weight)
    coordinates = plane.directions @ hidden
    again = plane.outputs @ (plane.values[:, :, None] * coordinates)
    np.testing.assert_allclose(again, weight @ hidden, atol=1e-12)
    assert plane.share == pytest.approx(np.ones(3), abs=1e-14)


def test_the_share_is_that_of_the_squared_norm() -> None:
    values = np.array([4.0, 2.0, 1.0, 0.5])
    rotations = [np.linalg.qr(GENERATOR.standard_normal((size, size)))[0] for size in (4, 6)]
    plane = leading_plane((rotations[0] * values @ rotations[1][:4])[None])
    assert plane.values[0] == pytest.approx([4.0, 2.0])
    assert plane.share[0] == pytest.approx(20 / 21.25)
    assert np.isnan(leading_plane(np.zeros((1, 3, 4))).share[0])


def test_rotated_units_and_another_sign_of_the_vectors_leave_the_coordinates() -> None:
    weight, hidden = GENERATOR.standard_normal((2, 10, 16)), GENERATOR.standard_normal((2, 16, 9))
    coordinates = leading_plane(weight).directions @ hidden
    for _ in range(5):
        rotation = np.linalg.qr(GENERATOR.standard_normal((16, 16)))[0]
        turned = leading_plane(weight @ rotation)
        np.testing.assert_allclose(turned.directions @ (rotation.T @ hidden), coordinates, atol=1e-12)
    # The negative of all weights turns the outputs over, and with them the axes.
    np.testing.assert_allclose(leading_plane(-weight).directions @ hidden, -coordinates, atol=1e-12)


def test_the_first_of_equal_entries_is_positive_whatever_rounding_says() -> None:
    vectors = np.array([[-0.5, 0.1], [0.5 + 1e-12, -0.7], [0.5, 0.7 - 1e-12]])
    assert (vectors * fixed_signs(vectors))[[0, 1], [0, 1]].tolist() == [0.5, 0.7]


def test_separation_and_shift_of_known_positions() -> None:
    labels = np.array([0, 0, 1, 1])
    positions = np.array([[[0.0, 1.0], [0.0, -1.0], [4.0, 1.0], [4.0, -1.0]]])
    means = class_means(positions, labels, 3)
    assert means[0, :2].tolist() == [[0.0, 0.0], [4.0, 0.0]]
    assert np.isnan(means[0, 2]).all()
    assert nearest_mean_accuracy(positions, labels, means).tolist() == [1.0]
    assert nearest_mean_accuracy(positions + np.array([3.0, 0.0]), labels, means).tolist() == [0.5]
    assert spread(positions)[0] == pytest.approx(np.sqrt(5))
    assert shift(positions + np.array([3.0, 4.0]), positions)[0] == pytest.approx(5 / np.sqrt(5))
    apart, floor = offset(positions[:, ::-1] + np.array([0.0, 2.0]), labels[::-1], positions, labels, 3)
    assert apart[0] == pytest.approx(2 / np.sqrt(5))
    # Variance 2 within each class of two samples, of both sets.
    assert floor[0] == pytest.approx(np.sqrt(2) / np.sqrt(5))


def test_the_offset_of_two_draws_is_that_of_chance() -> None:
    labels = np.repeat(np.arange(5), 12)
    centres = GENERATOR.standard_normal((5, 2))[labels]
    draws = [centres + GENERATOR.standard_normal((400, 60, 2)) for _ in range(2)]
    apart, floor = offset(draws[0], labels, draws[1], labels, 5)
    assert np.sqrt((apart**2).mean()) == pytest.approx(np.sqrt((floor**2).mean()), rel=0.05)
