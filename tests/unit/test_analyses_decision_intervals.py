"""Intervals of constant decision, of networks whose decisions are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from tests.unit.network_examples import described, points, recorded, trained

from orrery.analyses.decision_intervals import Settings, analyse, numbers, plot
from orrery.analyses.decision_intervals_count import intervals
from orrery.config.errors import OrreryError


def test_intervals_are_runs_of_equal_decisions() -> None:
    decided = np.random.default_rng(3).integers(0, 3, (50, 40))
    counted = [1.0 + sum(a != b for a, b in pairwise(row)) for row in decided.tolist()]
    assert intervals(decided).tolist() == counted
    assert intervals(np.zeros((2, 5), int)).tolist() == [1.0, 1.0]


def test_a_tent_divides_the_line_in_three() -> None:
    """u(x) = 1/2 - relu(x) - relu(-x): decided as 1 between -1/2 and 1/2 only."""
    system = described(network={"kind": "mlp", "hidden": [2], "activation": "relu"})
    dataset = points(np.array([[0.6], [-0.7], [0.1]]), np.array([0, 0, 1]))
    tent = [1.0, -1.0, 0.0, 0.0, -1.0, -1.0, 0.5]
    flat = [0.0] * 6 + [1.0]
    states = np.array([[tent, flat], [flat, [np.nan] * 7]])
    source, context = recorded(system, dataset, states, [0, 5], seeds=[4, 9])
    found = analyse(source, Settings(), context)
    assert found["intervals"].values[0].tolist() == [3.0, 1.0]
    assert found["intervals"].values[1, 0] == 1.0
    assert np.isnan(found["intervals"].values[1, 1])
    assert found.attrs["needed"] == 3
    published = {number.name: number for number in numbers(None, {"a": found}, Settings())}
    assert (published["at-start[a]"].value, published["at-end[a]"].value) == (2.0, 1.0)
    assert published["needed[a]"].value == 3.0
    (figure,) = plot(None, {"a": found}, Settings())
    assert set(figure.data["step"]) == {0, 5}


def test_several_features_have_no_intervals() -> None:
    dataset = points(np.eye(3), np.array([0, 1, 1]))
    source, context = trained(described(), dataset, [0, 1])
    with pytest.raises(OrreryError, match="a sample has 3 features, and intervals are those of one"):
        analyse(source, Settings(), context)
