"""Streamed Gram matrices and principal components from them."""

from __future__ import annotations

import dask
import dask.array
import dask.threaded
import numpy as np
import pytest
from sklearn.decomposition import PCA

from orrery.numerics.gram import centred_gram, delay_gram, estimate_from_gram, gram_matrix, scores_from_gram
from orrery.numerics.matching import distance
from orrery.numerics.spectrum import RankError, estimate


def states(rows: int = 60, components: int = 900) -> np.ndarray:
    generator = np.random.default_rng(4)
    return np.cumsum(generator.standard_normal((rows, components)), axis=0) + 2


def test_streamed_over_chunks_it_is_the_product() -> None:
    values = states()
    found = gram_matrix(dask.array.from_array(values, chunks=(20, 128)), chunk=250)
    assert np.allclose(found, values @ values.T, rtol=1e-13)
    assert (found == found.T).all()


@pytest.mark.parametrize("shape", [(2, 700, 300), (1, 1, 1400, 300), (3, 2, 233, 300), (1400, 300)])
def test_axes_before_the_last_are_rows_and_tiles_make_the_whole(shape: tuple[int, ...]) -> None:
    values = states(1400, 300)[: int(np.prod(shape[:-1]))].reshape(shape)
    lazy = dask.array.from_array(values, chunks=(*(1,) * (len(shape) - 2), 100, 64))
    found = gram_matrix(lazy, chunk=30)
    flat = values.reshape(-1, 300)
    assert found.shape == (len(flat), len(flat))
    assert np.allclose(found, flat @ flat.T, rtol=1e-13)
    assert (found == gram_matrix(values, chunk=30)).all()


def test_the_scheduler_changes_no_bit() -> None:
    values = dask.array.from_array(states(1100, 300), chunks=(100, 64))
    found = []
    for options in ({"scheduler": dask.threaded.get, "num_workers": 3}, {"scheduler": dask.get}):
        with dask.config.set(**options):
            found.append(gram_matrix(values, chunk=30))
    assert (found[0] == found[1]).all()


def test_single_precision_is_close_and_guarded() -> None:
    values = states()
    found = gram_matrix(values, single=True)
    assert 0 < np.abs(found / (values @ values.T) - 1).max() < 1e-5
    # Beyond the 30 dimensions of these data float32 leaves rounding, which must not pass for singular values.
    thin = gram_matrix(values[:, :30], single=True).reshape(1, 60, 1, 60)
    with pytest.raises(RankError, match="3e-03"):
        estimate_from_gram(thin, 40, single=True)


def test_components_equal_those_of_sklearn() -> None:
    values = states()
    fit = np.arange(59)
    scores, shares = scores_from_gram(values @ values.T, fit, 5)
    oracle = PCA(5, svd_solver="full").fit(values[fit])
    expected = values @ oracle.components_.T
    signs = np.sign((scores * expected).sum(axis=0))
    assert np.abs(scores * signs - expected).max() < 1e-10 * np.abs(expected).max()
    assert np.allclose(shares, oracle.explained_variance_ratio_, rtol=1e-10)


def test_spectra_do_not_see_signs_of_components() -> None:
    values = states()
    scores, _ = scores_from_gram(values @ values.T, np.arange(60), 5)
    flipped = scores * np.array([1, -1, 1, 1, -1])
    spectra = [estimate(one.reshape(3, 20, 5), 2, 6).eigenvalues for one in (scores, flipped)]
    assert distance(*spectra) < 1e-8


def test_centring_by_the_gram_matrix() -> None:
    values = states(60, 8).reshape(3, 20, 8)
    flat = values.reshape(60, 8)
    gram = (flat @ flat.T).reshape(3, 20, 3, 20)
    centred = estimate(values - values.mean(axis=(0, 1)), 2, 6).eigenvalues
    assert distance(estimate_from_gram(delay_gram(centred_gram(gram), 2), 6).eigenvalues, centred) < 1e-8
