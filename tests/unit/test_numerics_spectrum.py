"""The estimator against linear maps of known spectrum, PyDMD, and itself by other paths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ortho_group

from orrery.numerics.embedding import delay_embedding, snapshot_pairs
from orrery.numerics.gram import delay_gram, estimate_from_gram
from orrery.numerics.matching import distance
from orrery.numerics.spectrum import RankError, estimate, rounding_error

EIGENVALUES = np.array([0.95, 0.7 + 0.4j, 0.7 - 0.4j, -0.5, 0.3, 0.85])


def stable_map(seed: int = 0) -> np.ndarray:
    """A real 6 x 6 matrix with the eigenvalues above."""
    block = np.zeros((6, 6))
    block[0, 0] = 0.95
    block[1:3, 1:3] = [[0.7, 0.4], [-0.4, 0.7]]
    block[3:, 3:] = np.diag([-0.5, 0.3, 0.85])
    basis = np.random.default_rng(seed).standard_normal((6, 6)) + 3 * np.eye(6)
    return basis @ block @ np.linalg.inv(basis)


def linear_trajectories(runs: int = 20, steps: int = 30) -> np.ndarray:
    matrix = stable_map()
    states = [np.random.default_rng(1).standard_normal((runs, 6))]
    for _ in range(steps - 1):
        states.append(states[-1] @ matrix.T)
    return np.stack(states, axis=1)


def random_walks(runs: int = 5, steps: int = 60, components: int = 7, seed: int = 3) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).standard_normal((runs, steps, components)), axis=1)


@pytest.mark.parametrize("path", ["direct", "gram", "covariance"])
def test_known_eigenvalues_of_a_linear_map(path: str) -> None:
    found = estimate(linear_trajectories(), delays=0, rank=6, path=path)
    assert distance(found.eigenvalues, EIGENVALUES) < 1e-8
    assert found.error < 1e-8
    assert found.path == path


@pytest.mark.parametrize("rank", [1, 4, 10])
@pytest.mark.parametrize("delays", [0, 1, 5])
def test_three_paths_agree(rank: int, delays: int) -> None:
    states = random_walks()
    rank = min(rank, 7 * (delays + 1))
    spectra = [
        estimate(states, delays, rank, path=path).eigenvalues for path in ("direct", "gram", "covariance")
    ]
    assert distance(spectra[0], spectra[1]) < 1e-8
    assert distance(spectra[0], spectra[2]) < 1e-8


def test_one_trajectory_as_pydmd_has_it() -> None:
    from pydmd import HankelDMD

    states = random_walks(runs=1)
    oracle = HankelDMD(svd_rank=9, d=4, exact=False).fit(states[0].T)
    assert distance(estimate(states, delays=3, rank=9).eigenvalues, oracle.eigs) < 1e-8


def test_several_trajectories_as_pydmd_has_them() -> None:
    from pydmd import DMD

    states = random_walks()
    before, after = snapshot_pairs(delay_embedding(states, 3))
    oracle = DMD(svd_rank=9, exact=False).fit(before, after)
    for path in ("direct", "gram", "covariance"):
        assert distance(estimate(states, 3, 9, path=path).eigenvalues, oracle.eigs) < 1e-8


@pytest.mark.parametrize("rank", [3, 8, 20])
def test_permutation_and_rotation_leave_the_spectrum_alone(rank: int) -> None:
    states = random_walks()
    plain = estimate(states, 4, rank).eigenvalues
    order = np.random.default_rng(5).permutation(7)
    rotation = ortho_group.rvs(7, random_state=6)
    assert distance(plain, estimate(states[:, :, order], 4, rank).eigenvalues) < 1e-6
    assert distance(plain, estimate(states @ rotation, 4, rank).eigenvalues) < 1e-6


def test_invertible_maps_leave_full_spectra_alone_but_not_truncated_ones() -> None:
    states = linear_trajectories() + 0.01 * random_walks(20, 30, 6)
    left, right = ortho_group.rvs(6, random_state=7), ortho_group.rvs(6, random_state=8)
    matrix = left @ np.diag(np.geomspace(1, 100, 6)) @ right
    assert np.linalg.cond(matrix) <= 100.001
    full = [estimate(one, 0, 6).eigenvalues for one in (states, states @ matrix)]
    truncated = [estimate(one, 0, 3).eigenvalues for one in (states, states @ matrix)]
    assert distance(*full) < 1e-6
    # A documented limit: truncation sees the metric of the observables.
    assert distance(*truncated) > 1e-3


@pytest.mark.parametrize("stride", [2, 3])
def test_stride_takes_eigenvalues_to_their_power(stride: int) -> None:
    strided = estimate(linear_trajectories(), 0, 6, stride=stride).eigenvalues
    assert distance(strided, EIGENVALUES**stride) < 1e-8


def test_embedding_is_oldest_first_and_as_long_as_said() -> None:
    states = np.arange(2 * 6 * 3, dtype=float).reshape(2, 6, 3)
    embedded = delay_embedding(states, 2)
    assert embedded.shape == (2, 4, 9)
    assert (embedded[1, 1] == np.concatenate([states[1, 1], states[1, 2], states[1, 3]])).all()


def test_no_pair_crosses_from_one_run_to_the_next() -> None:
    # Each state says its run and step, so that every pair can be read.
    states = np.stack(np.meshgrid(np.arange(3.0), np.arange(8.0), indexing="ij"), axis=-1)
    for delays, stride in ((0, 1), (2, 1), (2, 3)):
        before, after = snapshot_pairs(delay_embedding(states, delays), stride)
        assert before.shape == after.shape == (2 * (delays + 1), 3 * (8 - delays - stride))
        assert (before[0::2] == before[0]).all()
        assert (after[0::2] == before[0]).all()
        assert (after[1] - before[1] == stride).all()


@pytest.mark.parametrize("delays", range(17))
def test_a_cached_gram_matrix_serves_every_number_of_delays(delays: int) -> None:
    states = random_walks()
    flat = states.reshape(-1, 7)
    gram = (flat @ flat.T).reshape(5, 60, 5, 60)
    embedded = delay_gram(gram, delays)
    explicit = delay_embedding(states, delays)
    side = 5 * (60 - delays)
    explicit_gram = explicit.reshape(side, -1) @ explicit.reshape(side, -1).T
    scale = np.abs(explicit_gram).max()
    assert np.abs(embedded.reshape(side, side) - explicit_gram).max() < 1e-13 * scale
    from_gram = estimate_from_gram(embedded, 5).eigenvalues
    assert distance(from_gram, estimate(states, delays, 5).eigenvalues) < 1e-8
    subset = estimate_from_gram(embedded, 5, runs=[0, 3]).eigenvalues
    assert distance(subset, estimate(states[[0, 3]], delays, 5).eigenvalues) < 1e-8


def mirror_descent_trajectories(dual: bool) -> np.ndarray:
    """25 starts of the two maps of arXiv 2302.09160, written independently of the library's systems."""
    first, last = (-2.3, -0.1) if dual else (0.1, 0.9)
    axis = np.linspace(first, last, 5)
    state = np.array([(x, y) for y in axis for x in axis])
    states = [state]
    for _ in range(99):
        x = np.exp(state) if dual else state
        slope = 1 / np.cos(x) ** 2
        state = (
            np.clip(state - 0.01 * x * slope, np.log(0.01), 0)
            if dual
            else np.clip(x / (1 + 0.01 * x * slope), 0.01, 1)
        )
        states.append(state)
    return np.stack(states, axis=1)


@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize("path", ["gram", "covariance"])
def test_squared_paths_refuse_what_they_cannot_resolve(dual: bool, path: str) -> None:
    states = mirror_descent_trajectories(dual)
    with pytest.raises(RankError, match="sigma_k / sigma_1"):
        estimate(states, 4, 10, path=path)
    direct = estimate(states, 4, 10)
    assert 1e-9 < direct.ratio < 1e-7


def test_published_distance_of_mirror_descent_and_its_dual() -> None:
    spectra = [estimate(mirror_descent_trajectories(dual), 4, 10).eigenvalues for dual in (False, True)]
    assert distance(*spectra) == pytest.approx(0.00807, abs=1e-4)


def test_error_estimates_follow_the_ratio() -> None:
    assert rounding_error(1e-4, "gram") == pytest.approx(1e-10)
    assert rounding_error(1e-6, "covariance") == pytest.approx(1e-6)
    assert rounding_error(1e-6, "direct") < 1e-9
    assert rounding_error(1e-3, "gram", single=True) == pytest.approx(1e-4)


def test_diverged_runs_are_refused() -> None:
    states = random_walks()
    states[2, 10:] = np.nan
    with pytest.raises(Exception, match="run 2 is not finite"):
        estimate(states, 2, 5)
