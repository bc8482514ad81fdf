"""Figures of many conditions come in parts of a few, in order, and none is lost."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure as MatplotlibFigure

from orrery.analyses.api import Figure
from orrery.analyses.figures_in_parts import in_parts


def draw(sources: Mapping[str, xr.Dataset]) -> list[Figure]:
    data = pd.DataFrame({"condition": list(sources)})
    return [Figure(name, name.capitalize(), "", MatplotlibFigure(), data) for name in ("ageing", "kernels")]


@pytest.mark.parametrize("count", [1, 3])
def test_a_few_conditions_are_drawn_at_once(count: int) -> None:
    found = in_parts({f"c{k}": xr.Dataset() for k in range(count)}, 3, draw)
    assert [(one.name, one.title) for one in found] == [("ageing", "Ageing"), ("kernels", "Kernels")]
    assert list(found[0].data["condition"]) == [f"c{k}" for k in range(count)]


def test_many_conditions_are_drawn_a_few_at_a_time() -> None:
    found = in_parts({f"c{k}": xr.Dataset() for k in range(7)}, 3, draw)
    assert [one.name for one in found] == [
        "ageing-1",
        "kernels-1",
        "ageing-2",
        "kernels-2",
        "ageing-3",
        "kernels-3",
    ]
    assert found[2].title == "Ageing, part 2 of 3"
    assert [list(one.data["condition"]) for one in found[::2]] == [
        ["c0", "c1", "c2"],
        ["c3", "c4", "c5"],
        ["c6"],
    ]
