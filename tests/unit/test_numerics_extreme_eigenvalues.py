"""Extreme eigenvalues against dense decompositions and ARPACK; the trace against known matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse.linalg
import torch

from orrery.config.errors import OrreryError
from orrery.numerics.extreme_eigenvalues import extreme_eigenvalues
from orrery.numerics.trace import estimate_trace, rademacher


def symmetric(spectra: np.ndarray, key: int = 0) -> torch.Tensor:
    """Matrices (run, size, size) of given spectra in random bases."""
    generator = np.random.default_rng(key)
    found = []
    for values in spectra:
        basis = np.linalg.qr(generator.standard_normal((len(values), len(values))))[0]
        found.append((basis * values) @ basis.T)
    stacked = np.stack(found)
    return torch.from_numpy((stacked + stacked.transpose(0, 2, 1)) / 2)


def solve(matrices: torch.Tensor, **settings: object):
    calls = []

    def apply(vectors: torch.Tensor) -> torch.Tensor:
        calls.append(vectors.shape[1])
        return vectors @ matrices

    found = extreme_eigenvalues(apply, *matrices.shape[:2], **settings)
    return found, sum(calls)


def test_both_ends_of_random_spectra() -> None:
    spectra = np.random.default_rng(1).standard_normal((5, 120)) ** 3
    found, products = solve(symmetric(spectra), largest=3, smallest=2, tolerance=1e-9)
    ordered = np.sort(spectra, axis=1)
    expected = np.concatenate([ordered[:, ::-1][:, :3], ordered[:, :2]], axis=1)
    np.testing.assert_allclose(found.values, expected, atol=1e-10)
    assert products == found.products + 5
    assert found.converged.all()
    assert found.products < 120
    gram = found.vectors @ found.vectors.transpose(1, 2)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(5), gram.shape), atol=1e-10)


def test_reported_residuals_are_those_of_the_vectors_and_bound_the_error() -> None:
    spectra = np.random.default_rng(2).uniform(0, 1, (4, 200))
    matrices = symmetric(spectra)
    # Stopped long before convergence.
    found, _ = solve(matrices, largest=2, tolerance=1e-12, most=12)
    residuals = (found.vectors @ matrices - found.values[:, :, None] * found.vectors).norm(dim=2)
    np.testing.assert_allclose(found.residuals, residuals, atol=1e-14)
    assert float(found.residuals.min()) > 1e-4
    assert found.products == 12
    assert not found.converged.any()
    nearest = np.abs(spectra[:, None, :] - found.values.numpy()[:, :, None]).min(axis=2)
    assert (nearest <= found.residuals.numpy()).all()


def test_the_tolerance_is_met_by_every_run_however_far_their_spectra_differ() -> None:
    spectra = np.stack(
        [np.linspace(0, 1, 150), 1e-6 * np.geomspace(1e-4, 1, 150), 1e6 * np.linspace(-1, 1, 150) ** 3]
    )
    found, _ = solve(symmetric(spectra), largest=1, smallest=1, tolerance=1e-7)
    scale = np.abs(spectra).max(axis=1, keepdims=True)
    assert (found.residuals.numpy() <= 1.01e-7 * scale).all()
    expected = np.stack([spectra.max(axis=1), spectra.min(axis=1)], axis=1)
    assert (np.abs(found.values.numpy() - expected) <= 1e-7 * scale).all()


def test_multiple_and_clustered_eigenvalues_are_all_found() -> None:
    rest = np.linspace(-1, 1, 90)
    triple = np.concatenate([[5.0, 5.0, 5.0], rest])
    cluster = np.concatenate([[5.0, 5.0 - 1e-7, 5.0 - 2e-7], rest])
    found, _ = solve(symmetric(np.stack([triple, cluster])), largest=4, tolerance=1e-10)
    np.testing.assert_allclose(found.values[0], [5, 5, 5, 1], atol=1e-9)
    np.testing.assert_allclose(found.values[1], [5, 5 - 1e-7, 5 - 2e-7, 1], atol=1e-9)


@pytest.mark.parametrize("largest", [1, 3])
def test_spaces_that_close_early_go_on_with_fresh_directions(largest: int) -> None:
    # Two different eigenvalues: the space of a block closes after two products.
    projection = np.concatenate([np.ones(4), np.zeros(26)])
    few = np.concatenate([[3.0], np.full(29, 2.0)])
    none = np.zeros(30)
    found, _ = solve(symmetric(np.stack([projection, few, none])), largest=largest, tolerance=1e-9)
    expected = np.sort(np.stack([projection, few, none]), axis=1)[:, ::-1][:, :largest]
    np.testing.assert_allclose(found.values, expected, atol=1e-9)


@pytest.mark.parametrize("largest", [1, 2])
def test_a_space_that_is_closed_waits_for_a_slow_run_without_harm(largest: int) -> None:
    slow = np.concatenate([[1.001, 1.0005], np.linspace(0, 1, 78)])
    found, _ = solve(
        torch.cat([torch.eye(80, dtype=torch.float64)[None], symmetric(slow[None])]), largest=largest
    )
    assert found.products > 20
    np.testing.assert_allclose(found.values[0], np.ones(largest), atol=1e-12)
    assert float(found.residuals[0].max()) < 1e-12


def test_a_whole_spectrum() -> None:
    spectra = np.random.default_rng(3).standard_normal((3, 9))
    found, _ = solve(symmetric(spectra), largest=9)
    np.testing.assert_allclose(found.values, np.sort(spectra, axis=1)[:, ::-1], atol=1e-12)
    both, _ = solve(symmetric(spectra), largest=5, smallest=4)
    np.testing.assert_allclose(np.sort(both.values, axis=1), np.sort(spectra, axis=1), atol=1e-12)


def test_equal_to_arpack() -> None:
    generator = np.random.default_rng(4)
    factor = generator.standard_normal((400, 60)) * np.geomspace(3, 0.01, 60)
    matrix = factor @ factor.T - 0.3 * np.eye(400)
    found, _ = solve(torch.from_numpy(matrix)[None], largest=4, smallest=1, tolerance=1e-10)
    expected = scipy.sparse.linalg.eigsh(matrix, k=4, which="LA", return_eigenvectors=False)
    np.testing.assert_allclose(np.sort(found.values[0, :4]), np.sort(expected), rtol=1e-10)
    assert float(found.values[0, 4]) == pytest.approx(-0.3, abs=1e-10)


def test_the_same_bits_each_time_and_alike_in_any_company() -> None:
    spectra = np.random.default_rng(5).standard_normal((3, 60))
    matrices = symmetric(spectra)
    first, second = solve(matrices, largest=2)[0], solve(matrices, largest=2)[0]
    assert torch.equal(first.values, second.values)
    alone = solve(matrices[1:2], largest=2)[0]
    np.testing.assert_allclose(alone.values[0], first.values[1], rtol=1e-9)


def test_a_matrix_that_is_not_finite_leaves_the_others_alone() -> None:
    matrices = symmetric(np.random.default_rng(7).standard_normal((3, 50)))
    matrices[1] = torch.nan
    found, _ = solve(matrices, largest=2)
    assert torch.isnan(found.values[1]).all()
    assert torch.isnan(found.residuals[1]).all()
    expected = torch.linalg.eigvalsh(matrices[[0, 2]])[:, [-1, -2]]
    np.testing.assert_allclose(found.values[[0, 2]], expected, rtol=1e-9)


def test_more_eigenvalues_than_there_are_is_one_sentence() -> None:
    with pytest.raises(OrreryError, match="5 eigenvalues were asked for, and a matrix of size 4 has no more"):
        solve(symmetric(np.ones((1, 4))), largest=3, smallest=2)
    with pytest.raises(OrreryError, match="6 eigenvalues need as many products; at most 5 were allowed"):
        solve(symmetric(np.ones((1, 9))), largest=6, most=5)


def test_the_trace_is_unbiased_and_its_error_is_that_of_theory() -> None:
    matrix = symmetric(np.random.default_rng(6).standard_normal((1, 40)))[0]
    seeds, probes = range(2000), 8
    trace, error = estimate_trace(
        lambda vectors: vectors @ matrix.expand(len(vectors), -1, -1), rademacher(seeds, probes, 40)
    )
    off = matrix - torch.diag(matrix.diagonal())
    expected = float((2 * (off**2).sum() / probes) ** 0.5)
    # Means over 2,000 seeds: of the estimate within 4 of its errors, of the squared error within 5 %.
    assert abs(float(trace.mean()) - float(matrix.trace())) < 4 * expected / 2000**0.5
    assert float((error**2).mean()) == pytest.approx(expected**2, rel=0.05)
    covered = ((trace - matrix.trace()).abs() < 2.36 * error).double().mean()
    assert 0.93 < float(covered) < 0.97  # Student's t of 7 degrees of freedom


def test_the_trace_of_a_diagonal_matrix_is_exact() -> None:
    diagonal = torch.arange(12, dtype=torch.float64)
    trace, error = estimate_trace(lambda vectors: vectors * diagonal, rademacher([3, 5], 4, 12))
    assert trace.tolist() == [66.0, 66.0]
    assert error.tolist() == [0.0, 0.0]
    with pytest.raises(OrreryError, match="needs at least 2 probes, not 1"):
        estimate_trace(lambda vectors: vectors, rademacher([3], 1, 12))


def test_probes_belong_to_the_seed() -> None:
    probes = rademacher([4, 9, 4], 3, 50)
    assert torch.equal(probes[0], probes[2])
    assert not torch.equal(probes[0], probes[1])
    assert set(probes.flatten().tolist()) == {-1.0, 1.0}
