"""Changes along rays, entropies and chains of connected pairs, on decisions that are written down."""

from __future__ import annotations

import numpy as np
import pytest

from orrery.numerics.decision_regions import changes_along, entropies, joined_pairs, last_above, returning


def test_changes_and_returns_along_rays() -> None:
    decided = np.array([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 0, 2], [2, 1, 0, 1]])
    assert changes_along(decided).tolist() == [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 2, 3], [0, 1, 2, 3]]
    assert returning(decided).tolist() == [False, False, True, False]


def test_entropy_of_the_classes_that_rays_reach() -> None:
    decided = np.array([[0, 0], [0, 1], [0, 2], [0, 3]])
    assert entropies(decided, 4).tolist() == [0.0, 2.0]
    assert entropies(np.array([[[0], [0], [0], [1]]]), 3)[0, 0] == pytest.approx(
        -0.75 * np.log2(0.75) - 0.25 * np.log2(0.25)
    )


def test_a_chain_joins_what_no_line_does() -> None:
    pairs = np.array([(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)])
    connected = np.array([True, False, True, False, False, False])
    assert joined_pairs(pairs, connected, 4).tolist() == [True, True, True, False, False, False]
    assert not joined_pairs(pairs, np.zeros(6, bool), 4).any()


def test_the_last_amplitude_above_a_threshold() -> None:
    shares = np.array(
        [[1.0, 0.6, 0.4, 0.7], [1.0, 1.0, 1.0, 1.0], [0.2, 0.9, 0.9, 0.9], [1.0, np.nan, 1.0, 1.0]]
    )
    found = last_above(shares, np.array([0.0, 1.0, 2.0, 3.0]), 0.5)
    assert found.tolist()[:3] == [1.0, 3.0, 0.0]
    assert np.isnan(found[3])
