"""The backward recursion against eigenvectors, and what is read off vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from orrery.numerics.covariant_vectors import angles, backward, groups, least_angles, lost, restricted
from orrery.numerics.tangent_frames import positive_qr


def test_vectors_of_a_constant_map_are_its_eigenvectors() -> None:
    matrix = torch.tensor([[2.0, 1.0, 0.5], [0.0, 0.7, 3.0], [0.0, 0.0, 0.1]], dtype=torch.float64)
    frame = positive_qr(torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, 3))))[0]
    factors = []
    for _ in range(60):
        frame, factor = positive_qr(matrix @ frame)
        factors.append(factor)
    middle, vectors = 30, torch.eye(3, dtype=torch.float64)[None]
    again = positive_qr(torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, 3))))[0]
    for _ in range(middle):
        again = positive_qr(matrix @ again)[0]
    grown = torch.zeros(1, 3)
    for factor in reversed(factors[middle:]):
        vectors, grown = backward(vectors, factor)
    found = (again @ vectors)[0].numpy()
    for index, value in enumerate((2.0, 0.7, 0.1)):
        assert np.abs(matrix.numpy() @ found[:, index] - value * found[:, index]).max() < 1e-8
    assert grown[0].tolist() == pytest.approx(np.log([2.0, 0.7, 0.1]).tolist(), abs=1e-8)


def test_growth_differs_from_that_of_the_frame_by_the_ends_of_the_window_alone() -> None:
    # R c_i = e^g c_i later, all upper triangular: the i-th entries say g = ln R_ii + ln c_ii - ln c_ii later.
    factors = torch.from_numpy(np.triu(np.random.default_rng(2).uniform(0.2, 2.0, (40, 1, 5, 5))))
    last = torch.linalg.qr(torch.from_numpy(np.random.default_rng(3).standard_normal((1, 5, 5))))[1]
    vectors = last = last / torch.linalg.vector_norm(last, dim=1, keepdim=True)
    total = torch.zeros(1, 5, dtype=torch.float64)
    for factor in reversed(factors):
        vectors, grown = backward(vectors, factor)
        total += grown
    of_the_frame = factors.diagonal(dim1=2, dim2=3).log().sum(dim=0)
    ends = vectors.diagonal(dim1=1, dim2=2).abs().log() - last.diagonal(dim1=1, dim2=2).abs().log()
    assert torch.allclose(total - of_the_frame, ends, atol=1e-10)
    assert float(ends.abs().max()) > 1


def test_wrong_signs_in_the_factor_would_show() -> None:
    generator = np.random.default_rng(1)
    matrix = torch.from_numpy(generator.standard_normal((1, 2, 2)))
    frame = positive_qr(torch.from_numpy(generator.standard_normal((1, 2, 2))))[0]
    after, factor = positive_qr(matrix @ frame)
    later = torch.tensor([[[1.0, 0.6], [0.0, 0.8]]], dtype=torch.float64)
    earlier, _ = backward(later, factor)
    pushed = matrix @ frame @ earlier
    pushed = pushed / pushed.norm(dim=1, keepdim=True)
    assert torch.allclose(pushed, after @ later, atol=1e-13)
    flipped = factor * torch.tensor([1.0, -1.0]).double()[None, :, None]
    wrong = matrix @ frame @ backward(later, flipped)[0]
    assert not torch.allclose(
        (wrong / wrong.norm(dim=1, keepdim=True)).abs(), (after @ later).abs(), atol=0.01
    )


def test_small_angles_keep_their_digits() -> None:
    for angle in (1e-12, 1e-3, 1.0, math.pi / 2):
        vectors = torch.tensor([[[1.0, math.cos(angle)], [0.0, math.sin(angle)]]], dtype=torch.float64)
        assert angles(vectors)[0, 0, 1].item() == pytest.approx(math.degrees(angle), rel=1e-10)
        assert angles(-vectors * torch.tensor([1.0, -1.0]))[0, 0, 1].item() == pytest.approx(
            math.degrees(angle), rel=1e-10
        )


def test_groups_are_chains_of_close_exponents_in_any_order() -> None:
    exponents = np.array([0.5, -0.2, 0.0, 0.5 - 1e-4, -math.inf, 0.5 - 1.9e-4, math.nan])
    found = groups(exponents, 1.5e-4)
    assert found[0] == found[3] == found[5]
    assert len(set(found)) == 5


def test_spans_are_compared_by_their_least_angle() -> None:
    plane = np.array([[1.0, 0.3, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    tilted = plane.copy()
    tilted[:, 2] = [0.0, math.sin(0.3), math.cos(0.3), 0.0]
    broken = np.full((4, 3), np.nan)
    found = least_angles(np.stack([plane, tilted, broken]), [0, 1], [2])
    assert found[:2] == pytest.approx([90, math.degrees(math.pi / 2 - 0.3)])
    assert math.isnan(found[2])
    drawn = np.random.default_rng(0).standard_normal((5, 7, 5))
    for one, other in (([0, 1], [3, 4]), ([0], [2, 3, 4]), ([0, 1, 2], [4])):
        expected = [np.rad2deg(subspace_angles(each[:, one], each[:, other]).min()) for each in drawn]
        assert least_angles(drawn, one, other) == pytest.approx(expected, rel=1e-9)
    # Two spans that nearly share a line: the angle is that between the line and its neighbour.
    small = np.eye(4)[None, :, :3].copy()
    small[0, :, 2] = [math.cos(1e-9), 0, math.sin(1e-9), 0]
    assert least_angles(small, [0, 1], [2]) == pytest.approx([math.degrees(1e-9)], rel=1e-6)


def test_a_direction_that_a_step_wipes_out_is_left_out() -> None:
    factor = torch.tensor([[[2.0, 1.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1e-16]]], dtype=torch.float64)
    assert lost(factor).tolist() == [[False, False, True]]
    kept = torch.tensor([2])
    vectors, _ = backward(torch.eye(3, dtype=torch.float64)[None], restricted(factor, kept))
    smaller, _ = backward(torch.eye(2, dtype=torch.float64)[None], factor[:, :2, :2])
    assert torch.equal(vectors[:, :2, :2], smaller)
    # Strong contraction alone loses nothing.
    assert not lost(torch.diag(torch.tensor([1.0, 1e-200], dtype=torch.float64))[None]).any()
