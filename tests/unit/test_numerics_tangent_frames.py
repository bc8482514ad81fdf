"""Positive QR, graded products and determinants against dense linear algebra and hand-made cases."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch

from orrery.numerics.tangent_frames import GradedProduct, log_determinant, log_growth, positive_qr, resolved


def drawn(*shape: int, key: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(key).standard_normal(shape))


@pytest.mark.parametrize("directions", [1, 3, 5])
def test_qr_has_a_positive_diagonal_and_gives_the_vectors_back(directions: int) -> None:
    vectors = drawn(7, 5, directions)
    frame, factor = positive_qr(vectors)
    assert torch.allclose(frame @ factor, vectors, atol=1e-14)
    assert torch.allclose(
        frame.transpose(1, 2) @ frame, torch.eye(directions).double().expand(7, -1, -1), atol=1e-14
    )
    assert (factor.diagonal(dim1=1, dim2=2) > 0).all()
    assert torch.equal(factor, factor.triu())
    # LAPACK leaves signs that are not positive: without the choice of signs this would be no test.
    if directions > 1:
        assert (torch.linalg.qr(vectors).R.diagonal(dim1=1, dim2=2) < 0).any()


def test_small_growth_is_precise_beside_rows_of_any_size() -> None:
    # As in a run that blows up: the last components are stretched by up to 1e13, the first ones not at all.
    rows = 10.0 ** torch.tensor([0.0, 1.0, -1.0, 13.0, 0.0, 9.0]).double()
    vectors = drawn(5, 6, 6) * rows[:, None]
    frame, factor = positive_qr(vectors)
    with mpmath.workdps(60):
        exact = [float(mpmath.log(abs(mpmath.det(mpmath.matrix(one.tolist()))))) for one in vectors]
    grown = log_growth(factor).sum(dim=1)
    assert np.allclose(grown, exact, rtol=0, atol=1e-11)
    assert torch.allclose(frame.transpose(1, 2) @ frame, torch.eye(6).double().expand(5, -1, -1), atol=1e-14)
    assert torch.equal(factor, factor.triu())
    assert (factor.diagonal(dim1=1, dim2=2) > 0).all()
    # Without sorting this would fail.
    plain = torch.linalg.qr(vectors).R
    assert np.abs(log_growth(plain).sum(dim=1).numpy() - exact).max() > 1e-8


@pytest.mark.parametrize("directions", [1, 2])
def test_a_lost_direction_is_minus_infinity_and_its_frame_stays_orthonormal(directions: int) -> None:
    vectors = torch.zeros((1, 3, directions), dtype=torch.float64)
    if directions == 2:
        vectors[0, :, 0] = torch.tensor([0.0, 2.0, 0.0])
    frame, factor = positive_qr(vectors)
    assert log_growth(factor)[0, -1] == -math.inf
    assert torch.allclose(frame[0].T @ frame[0], torch.eye(directions).double(), atol=1e-14)


def test_a_run_that_is_not_finite_leaves_the_others_alone() -> None:
    for directions in (1, 2):
        vectors = drawn(3, 4, directions)
        sound = positive_qr(vectors)[1]
        vectors[1, 2, 0] = math.nan
        factor = positive_qr(vectors)[1]
        assert factor[1].isnan().any()
        assert torch.equal(factor[[0, 2]], sound[[0, 2]])


def test_the_volume_needs_neither_the_factor_nor_an_orthonormal_frame() -> None:
    matrix, frame = drawn(4, 6, 6), drawn(4, 6, 6, key=1)
    expected = torch.linalg.slogdet(matrix).logabsdet
    assert torch.allclose(log_determinant(matrix @ frame, frame), expected, atol=1e-12)


def test_graded_product_has_the_singular_values_of_the_dense_product() -> None:
    product = GradedProduct(drawn(3, 4, 4))
    dense = torch.eye(4, dtype=torch.float64).expand(3, -1, -1)
    for t in range(6):
        factor = positive_qr(drawn(3, 4, 4, key=t))[1]
        product.multiply(factor)
        dense = factor @ dense
    assert torch.allclose(product.log_singular_values(), torch.linalg.svdvals(dense).log(), atol=1e-11)


def test_graded_product_neither_overflows_nor_mixes_scales() -> None:
    rates = torch.tensor([9.0, 7.0, -9.0], dtype=torch.float64)
    factor = torch.diag(rates.exp())[None] + torch.triu(torch.ones((1, 3, 3)).double(), 1)
    product = GradedProduct(torch.zeros((1, 3, 3), dtype=torch.float64))
    for _ in range(500):
        product.multiply(factor)
    logs = product.log_singular_values()
    # e^4500 is beyond any double; what exceeds the leading direction by 34 is rounding, what does not is right.
    assert logs[0, 0].item() == pytest.approx(4500, abs=1e-3)
    kept = resolved(logs, 500 * rates[None])
    assert kept[0, 0] == logs[0, 0]
    assert kept[0, 1:].isnan().all()


def test_a_lost_direction_does_not_make_the_others_undefined() -> None:
    factor = torch.tensor([[[2.0, 1.0], [0.0, 0.0]]], dtype=torch.float64)
    product = GradedProduct(torch.zeros((1, 2, 2), dtype=torch.float64))
    for _ in range(3):
        product.multiply(factor)
    first, second = product.log_singular_values()[0].tolist()
    dense = np.linalg.matrix_power(factor[0].numpy(), 3)
    assert first == pytest.approx(math.log(np.linalg.norm(dense, 2)))
    assert second == -math.inf or second < first - 34


def test_what_is_resolved_follows_the_precision() -> None:
    logs = torch.tensor([[0.0, -20.0, -33.9, -34.1]], dtype=torch.float64)
    assert resolved(logs, logs).isnan().tolist() == [[False, False, False, True]]
    assert resolved(logs.float(), logs.float()).isnan().tolist() == [[False, True, True, True]]
    # Rounding may lie above the limit by chance; the sums of the QR tell that it is none.
    assert resolved(logs[:, :3], torch.tensor([[0.0, -20.0, -90.0]]).double()).isnan()[0, 2]
