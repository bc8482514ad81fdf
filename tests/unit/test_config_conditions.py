"""Grids expand to named conditions: products, zipped axes, labels, defaults, derived values."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orrery.config.conditions import Grid, GridError, expand

WIDTH = {"values": [5, 40], "sets": "system.network.hidden.0"}
ORDER = {"values": {"first": 0, "second": 1000}, "sets": "streams.order.shift"}


def names(**grid: Any) -> list[str]:
    return [cell.name for cell in expand(Grid(**grid))]


def settings(cell: Any) -> dict[str, Any]:
    return {".".join(map(str, setting.path)): setting.value for setting in cell.settings}


def test_the_first_axis_varies_slowest() -> None:
    assert names(axes={"width": WIDTH, "order": ORDER}) == [
        "width=5,order=first",
        "width=5,order=second",
        "width=40,order=first",
        "width=40,order=second",
    ]


def test_a_default_is_left_out_of_names() -> None:
    assert names(axes={"width": WIDTH, "order": ORDER | {"default": "first"}}) == [
        "width=5",
        "width=5,order=second",
        "width=40",
        "width=40,order=second",
    ]
    assert names(axes={"width": WIDTH | {"default": 40}}) == ["width=5", "default"]


def test_labels_name_and_values_are_set() -> None:
    cells = expand(Grid(axes={"width": WIDTH, "order": ORDER}))
    assert cells[1].axes == {"width": 5, "order": "second"}
    assert settings(cells[1]) == {"system.network.hidden.0": 5, "streams.order.shift": 1000}


def test_zipped_axes_advance_together() -> None:
    grid = {
        "axes": {
            "rate": {"values": [0.1, 1e-5], "sets": "system.optimizer.rate"},
            "order": ORDER,
            "steps": {"values": [100, 200], "sets": ["training.steps", "training.segment"]},
        },
        "zip": [["rate", "steps"]],
    }
    cells = expand(Grid(**grid))
    assert [cell.name for cell in cells] == [
        "rate=0.1,order=first,steps=100",
        "rate=0.1,order=second,steps=100",
        "rate=1e-05,order=first,steps=200",
        "rate=1e-05,order=second,steps=200",
    ]
    assert settings(cells[2])["training.segment"] == 200


def test_derived_values_follow_axes_and_each_other() -> None:
    cells = expand(
        Grid(
            axes={"width": {"values": [5, 10, 40]}, "scale": {"values": {"small": 2, "large": 4}}},
            derive={
                "delays": {"value": "320 // width", "sets": "analyses.spectrum.delays"},
                "double": {"value": "delays * scale", "sets": "analyses.spectrum.rank"},
                "fixed": {"value": 3, "sets": "training.block"},
            },
        )
    )
    assert settings(cells[0]) == {
        "analyses.spectrum.delays": 64,
        "analyses.spectrum.rank": 128,
        "training.block": 3,
    }
    assert [settings(cell)["analyses.spectrum.delays"] for cell in cells[::2]] == [64, 32, 8]


def test_a_derived_value_that_fails_names_its_key() -> None:
    with pytest.raises(GridError, match="divides by zero") as caught:
        expand(Grid(axes={"width": {"values": [1, 0]}}, derive={"x": {"value": "1 / width"}}))
    assert caught.value.key == ("derive", "x", "value")


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"axes": {}}, "a grid needs at least one axis"),
        ({"axes": {"width": {"values": []}}}, "has no values"),
        ({"axes": {"width": {"values": {}}}}, "has no values"),
        ({"axes": {"width": {"values": [5, 5]}}}, "values has one twice"),
        ({"axes": {"width": WIDTH | {"default": 6}}}, "default 6 is none of the values 5, 40"),
        ({"axes": {"a": {"values": [[1, 2]]}}}, "cannot stand in the name of a condition"),
        ({"axes": {"a": {"values": ["../x"]}}}, "cannot stand in the name of a condition"),
        ({"axes": {"a": {"values": {"x y": 1}}}}, "cannot stand in the name of a condition"),
        ({"axes": {"learning-rate": {"values": [1]}}}, "it can stand in arithmetic"),
        ({"axes": {"a": {"values": [1], "sets": "sytem.kind"}}}, "did you mean 'system'"),
        ({"axes": {"a": {"values": [1], "sets": "system..kind"}}}, "has an empty part"),
        ({"axes": {"a": WIDTH, "b": WIDTH}}, "is set by both 'a' and 'b'"),
        ({"axes": {"width": WIDTH}, "zip": [["width", "widht"]]}, "did you mean 'width'"),
        ({"axes": {"a": {"values": [1, 2]}, "b": {"values": [1]}}, "zip": [["a", "b"]]}, "a has 2, b has 1"),
        ({"axes": {"a": {"values": [1]}}, "zip": [["a"], ["a"]]}, "the axis 'a' twice"),
        (
            {"axes": {"a": {"values": [1]}}, "derive": {"a": {"value": "1"}}},
            "both an axis and a derived value",
        ),
    ],
)
def test_grids_that_make_no_sense(grid: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Grid(**grid)
    assert message in str(caught.value)
