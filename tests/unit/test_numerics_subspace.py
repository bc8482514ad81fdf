"""The operator path against explicit delay embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from orrery.numerics.embedding import delay_embedding
from orrery.numerics.hankel import HankelOperator
from orrery.numerics.matching import distance
from orrery.numerics.spectrum import RankError, estimate
from orrery.numerics.subspace import leading_subspace, subset_spectra, subspace_spectrum


def copies(runs: int = 10, steps: int = 160, components: int = 24, spread: float = 0.02) -> np.ndarray:
    """Slightly different copies of one trajectory far from the origin, as perturbed copies of a network are."""
    generator = np.random.default_rng(11)
    base = 3 + 0.05 * np.cumsum(generator.standard_normal((steps, components)), axis=0)
    own = np.cumsum(generator.standard_normal((runs, steps, components)), axis=1)
    return base + spread * 0.05 * own


@pytest.mark.parametrize("delays", [0, 1, 5, 20])
def test_products_equal_those_with_the_explicit_matrix(delays: int) -> None:
    states = copies(runs=3, steps=50, components=4)
    operator = HankelOperator(states, delays)
    explicit = delay_embedding(states, delays)
    matrix = explicit.reshape(-1, explicit.shape[2]).T
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((3, 50 - delays))
    vectors = generator.standard_normal((matrix.shape[0], 2))
    assert np.allclose(operator.apply(weights), matrix @ weights.ravel(), rtol=0, atol=1e-10)
    assert np.allclose(
        operator.apply_transposed(vectors[:, 0]).ravel(), matrix.T @ vectors[:, 0], rtol=0, atol=1e-10
    )
    block = operator.apply_transposed_block(vectors).reshape(2, -1)
    assert np.allclose(block, (matrix.T @ vectors).T, rtol=0, atol=1e-10)
    several = generator.standard_normal((3, 50 - delays, 2))
    expected = np.einsum("rws,rwv->srv", explicit, several)
    assert np.allclose(operator.apply_by_run(several), expected, rtol=0, atol=1e-10)
    assert (operator.column_from_end(1) == explicit[:, -1]).all()
    assert (operator.column_from_end(2) == explicit[:, -2]).all()


@pytest.mark.parametrize("delays", [0, 3, 16])
def test_joint_spectra_equal_the_direct_ones(delays: int) -> None:
    states = copies()
    subspace = leading_subspace(states, delays, 10, further_rank=20, subsets=True)
    basis = subspace.basis
    assert np.abs(basis.T @ basis - np.eye(basis.shape[1])).max() < 1e-11
    for rank, tolerance in ((5, 1e-9), (10, 1e-9), (20, 1e-5)):
        exact = estimate(states, delays, rank).eigenvalues
        found = subspace_spectrum(subspace, rank)
        assert distance(found.eigenvalues, exact) < tolerance
        assert found.path == "operator"


def test_halves_and_strides_lie_close_to_the_exact_ones() -> None:
    states = copies()
    subspace = leading_subspace(states, 6, 10, subsets=True)
    halves = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [0, 2, 4, 6, 8]]
    exact = [estimate(states[half], 6, 10).eigenvalues for half in halves]
    found = subset_spectra(subspace, 10, halves)
    floor = distance(exact[0], exact[1])
    for a, b in zip(exact, found, strict=True):
        assert distance(a, b.eigenvalues) < 0.02 * floor
    strided = estimate(states, 6, 10, stride=2).eigenvalues
    plain = subspace_spectrum(subspace, 10).eigenvalues
    assert distance(subspace_spectrum(subspace, 10, stride=2).eigenvalues, strided) < 0.02 * distance(
        strided, plain
    )


def test_the_same_bits_each_time() -> None:
    states = copies(steps=60)
    first, second = (leading_subspace(states, 4, 6, subsets=True).coordinates for _ in range(2))
    assert (first == second).all()


def test_ranks_that_the_data_do_not_have_are_refused() -> None:
    generator = np.random.default_rng(2)
    low = generator.standard_normal((4, 80, 3)) @ generator.standard_normal((3, 30))
    subspace = leading_subspace(low, 0, 3)
    assert distance(subspace_spectrum(subspace, 3).eigenvalues, estimate(low, 0, 3).eigenvalues) < 1e-9
    with pytest.raises((RankError, Exception), match="rank"):
        subspace_spectrum(leading_subspace(low, 0, 8), 8)


def trained_copies(width: int = 5, runs: int = 10, steps: int = 250) -> np.ndarray:
    """Output weights (run, step, 10 x width) of perturbed copies of a small network under minibatch descent."""
    generator = np.random.default_rng(21)
    centres = generator.standard_normal((10, 30))
    first = generator.uniform(-1, 1, (30, width)) / np.sqrt(30) * np.ones((runs, 1, 1))
    second = generator.uniform(-1, 1, (width, 10)) / np.sqrt(width) * np.ones((runs, 1, 1))
    first[1:] *= 1 + 1e-3 * generator.uniform(-1, 1, first[1:].shape)
    second[1:] *= 1 + 1e-3 * generator.uniform(-1, 1, second[1:].shape)
    states = []
    for _ in range(steps):
        labels = generator.integers(0, 10, 60)
        inputs = centres[labels] + generator.standard_normal((60, 30))
        hidden = np.maximum(inputs @ first, 0)
        logits = hidden @ second
        shares = np.exp(logits - logits.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        shares[:, np.arange(60), labels] -= 1
        back = shares @ second.transpose(0, 2, 1) * (hidden > 0) / 60
        second = second - 0.1 * hidden.transpose(0, 2, 1) @ shares / 60
        first = first - 0.1 * inputs.T @ back
        states.append(second.reshape(runs, -1))
    return np.stack(states, axis=1)


@pytest.mark.parametrize("delays", [2, 8])
def test_networks_in_training_have_the_spectra_of_the_explicit_embedding(delays: int) -> None:
    states = trained_copies()
    assert np.isfinite(states).all()
    subspace = leading_subspace(states, delays, 10, subsets=True)
    exact = estimate(states, delays, 10)
    found = subspace_spectrum(subspace, 10)
    assert distance(found.eigenvalues, exact.eigenvalues) < 1e-10
    assert found.error < 1e-9
    half = [0, 3, 4, 7, 9]
    other = [1, 2, 5, 6, 8]
    halves = [estimate(states[runs], delays, 10).eigenvalues for runs in (half, other)]
    approximate = [one.eigenvalues for one in subset_spectra(subspace, 10, [half, other])]
    floor = distance(*halves)
    assert abs(distance(*approximate) - floor) < 0.05 * floor
