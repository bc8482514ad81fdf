"""Principal components against sklearn, and the random-walk null against its theory."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from tests.unit.analysis_examples import ensemble, reduction, trajectory

from orrery.analyses import reduction as reduction_analysis
from orrery.analyses.api import Context
from orrery.analyses.components import principal_components, random_walk
from orrery.analyses.principal_components import Settings, analyse, numbers, plot

CONTEXT = Context("a")


@pytest.mark.parametrize("entries", [8, 90])
def test_equal_to_sklearn_on_both_sides(entries: int) -> None:
    states = np.random.default_rng(0).standard_normal((40, entries)).cumsum(axis=0)
    scores, shares = principal_components(states, 5)
    oracle = PCA(5, svd_solver="full").fit(states)
    expected = oracle.transform(states)
    assert np.allclose(scores, expected * np.sign(expected[-1]), atol=1e-9)
    assert np.allclose(shares, oracle.explained_variance_ratio_)


def test_random_walks_have_cosines_as_components() -> None:
    # Antognini and Sohl-Dickstein, arXiv 1806.08805: shares 6 / (pi k)^2 in high dimension.
    walk = np.concatenate(list(random_walk(0, 200, 20_000)), axis=1)
    scores, shares = principal_components(walk, 3)
    assert shares == pytest.approx(6 / (np.pi * np.arange(1, 4)) ** 2, rel=0.03)
    cosine = np.cos(np.pi * (np.arange(200) + 0.5) / 200)
    assert abs(np.corrcoef(scores[:, 0], cosine)[0, 1]) > 0.999


def test_seeds_nulls_and_numbers() -> None:
    states = ensemble()
    found = analyse(reduction(states, seeds=[4, 6, 9]), Settings(components=4, drawn=10), CONTEXT)
    assert found["score"].shape == (3, 10, 4)
    assert found["drawn_step"].values[[0, -1]].tolist() == [0, 39]
    assert np.allclose(found["fraction"][1], principal_components(states[1, 0], 4)[1])
    said = {number.name: number for number in numbers(None, {"a": found}, Settings())}
    assert said["fraction[a,component=1]"].value == pytest.approx(float(found["fraction"][:, 0].mean()))
    assert said["null-fraction[a,component=2]"].n == 3
    assert [figure.name for figure in plot(None, {"a": found, "b": found}, Settings())] == ["paths", "shares"]


def test_from_a_gram_matrix(tmp_path: object) -> None:
    from pathlib import Path

    states = ensemble()
    source = trajectory(Path(str(tmp_path)) / "data.zarr", {"x": states})
    kept = reduction_analysis.analyse(source, reduction_analysis.Settings(keep="gram"), CONTEXT)
    one, other = (analyse(kind, Settings(components=3), CONTEXT) for kind in (kept, reduction(states)))
    assert np.allclose(one["fraction"], other["fraction"])
    assert np.allclose(one["score"], other["score"], atol=1e-6)


def test_a_diverged_seed_is_left_out() -> None:
    states = ensemble()
    states[2, 0, 20:] = np.inf
    found = analyse(reduction(states), Settings(components=3), CONTEXT)
    said = {number.name: number for number in numbers(None, {"a": found}, Settings())}
    assert said["fraction[a,component=1]"].n == 2


def test_a_long_state_is_streamed_with_the_same_result() -> None:
    import dask.array

    states = np.random.default_rng(1).standard_normal((30, 70_000)).cumsum(axis=0).astype(np.float32)
    lazy = dask.array.from_array(states, chunks=(10, 20_000))
    one, other = principal_components(states, 4), principal_components(lazy, 4)
    assert all((left == right).all() for left, right in zip(one, other, strict=True))
    oracle = PCA(4, svd_solver="full").fit(states.astype(float))
    assert np.allclose(one[1], oracle.explained_variance_ratio_)


def test_the_walk_beside_a_long_state_has_the_shares_of_theory() -> None:
    states = np.random.default_rng(2).standard_normal((1, 1, 200, 20_000)).cumsum(axis=2)
    found = analyse(reduction(states, seeds=[3]), Settings(components=3), CONTEXT)
    assert found["null_fraction"][0].values == pytest.approx(6 / (np.pi * np.arange(1, 4)) ** 2, rel=0.03)
