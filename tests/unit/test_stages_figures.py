"""Which figures of an analysis are drawn."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure as MatplotlibFigure

from orrery.analyses.api import Figure
from orrery.config.errors import OrreryError
from orrery.stages.figures import chosen


def figures(*names: str) -> list[Figure]:
    return [Figure(name, name.capitalize(), "", MatplotlibFigure(), pd.DataFrame()) for name in names]


def test_all_figures_are_drawn_where_none_is_named() -> None:
    found = chosen(figures("ageing", "kernels"), None, "study/worst")
    assert [figure.name for figure in found] == ["ageing", "kernels"]


def test_named_figures_are_drawn_in_the_order_of_the_method() -> None:
    found = chosen(figures("ageing", "kernels", "stages"), ("stages", "ageing"), "study/worst")
    assert [figure.name for figure in found] == ["ageing", "stages"]


def test_a_figure_in_parts_is_asked_for_by_its_name() -> None:
    every = figures("ageing-1", "kernels-1", "ageing-2", "ageing-mean", "kernels-2")
    assert [figure.name for figure in chosen(every, ("ageing",), "study/worst")] == ["ageing-1", "ageing-2"]
    assert [figure.name for figure in chosen(every, ("kernels-2",), "study/worst")] == ["kernels-2"]


def test_a_figure_that_is_not_drawn_is_told_with_those_that_are() -> None:
    with pytest.raises(OrreryError) as told:
        chosen(figures("ageing", "kernels"), ("ageing", "agein"), "study/worst")
    assert str(told.value) == (
        "studies/study.yaml: analyses.worst.figures: 'agein' is none of its figures; write some of ageing, kernels"
    )
