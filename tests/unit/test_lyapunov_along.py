"""Exponents of conditions along an axis: their range over seeds, and regimes marked in the figure."""

from __future__ import annotations

import math

import pytest
from tests.unit.tangent_examples import linear, run_of

from orrery.analyses.lyapunov import Settings, numbers, plot

REGIMES = {"shrinks": (0.4, 0.9), "grows": (0.9, 1.6)}


def test_range_over_seeds_and_marked_regimes() -> None:
    sources = {}
    for factor in (0.5, 1.5):
        source = run_of(linear([[factor]]), last=10)
        sources[f"factor={factor}"] = source.assign_attrs(axes={"factor": factor})
    # One seed grows faster than the others.
    source = sources["factor=1.5"]
    faster = source["finite_time"].copy()
    faster[1] = 1.0
    sources["factor=1.5"] = source.assign(finite_time=faster)
    settings = Settings.model_validate({"exponents": 1, "regimes": REGIMES})
    found = {one.name: one.value for one in numbers(None, sources, settings)}
    at = "[factor=1.5,horizon=10,index=0]"
    assert found[f"finite-time-least{at}"] == pytest.approx(math.log(1.5))
    assert found[f"finite-time-largest{at}"] == 1.0
    figure = next(one for one in plot(None, sources, settings) if one.name == "exponents")
    (axes,) = figure.figure.axes
    assert [text.get_text() for text in axes.texts] == list(REGIMES)
    assert len(axes.patches) == 1
