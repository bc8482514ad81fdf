"""Overrides merge mappings and replace everything else; paths reach into lists."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orrery.config.merge import deep_merge, lay_over_left, set_path, split_path

trees = st.recursive(
    st.none() | st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def test_mappings_merge_and_all_else_is_replaced() -> None:
    base = {"seeds": {"pool": [1, 2], "count": 2}, "steps": [1, 2, 3], "keep": 1}
    over = {"seeds": {"count": 1}, "steps": [9], "new": {"a": 1}}
    assert deep_merge(base, over) == {
        "seeds": {"pool": [1, 2], "count": 1},
        "steps": [9],
        "keep": 1,
        "new": {"a": 1},
    }


def test_null_replaces_and_is_replaced() -> None:
    assert deep_merge({"a": {"b": 1}}, {"a": None}) == {"a": None}
    assert deep_merge({"a": None}, {"a": {"b": 1}}) == {"a": {"b": 1}}
    assert deep_merge({"seeds": 25}, {"seeds": {"count": 6}}) == {"seeds": {"count": 6}}


@pytest.mark.parametrize(
    ("base", "over"),
    [
        ({"every": 5, "window": [0, 50]}, {"logarithmic": 12}),
        ({"logarithmic": 12}, {"every": 5}),
        ({"logarithmic": 12}, {"window": [0, 50], "every": 1}),
    ],
)
def test_another_way_to_choose_steps_replaces_the_one_before(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    assert deep_merge({"steps": base, "state": "all"}, {"steps": over}) == {"steps": over, "state": "all"}
    assert lay_over_left({"record": {"steps": base}}, {"record": {"steps": over}}) == {
        "record": {"steps": over}
    }


def test_a_setting_with_the_name_of_a_way_is_merged_as_any_other() -> None:
    assert deep_merge({"every": 5, "window": [0, 50]}, {"every": 2}) == {"every": 2, "window": [0, 50]}
    assert deep_merge({"method": "curves", "every": 5}, {"logarithmic": ["loss"]}) == {
        "method": "curves",
        "every": 5,
        "logarithmic": ["loss"],
    }
    assert deep_merge({}, {"logarithmic": 12}) == {"logarithmic": 12}


@given(trees, trees)
def test_merging_changes_neither_and_is_idempotent(base: Any, over: Any) -> None:
    before = copy.deepcopy((base, over))
    merged = deep_merge(base, over)
    assert (base, over) == before
    assert deep_merge(merged, over) == merged
    assert deep_merge(base, base) == base


def test_set_path_reaches_into_lists_and_leaves_the_base_alone() -> None:
    base = {"network": {"hidden": [10, 20]}}
    changed = set_path(base, split_path("network.hidden.1"), 5)
    assert changed == {"network": {"hidden": [10, 5]}}
    assert base == {"network": {"hidden": [10, 20]}}
    assert set_path({}, split_path("streams.order.shift"), 3) == {"streams": {"order": {"shift": 3}}}
    assert set_path({"streams": None}, split_path("streams.order"), 3) == {"streams": {"order": 3}}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("network.hidden.2", "the list has 2 items, so there is no item 2"),
        ("network.hidden.last", "write its index, 0 to 1"),
        ("network.hiden.0", "there is no list 'hiden' in the study; did you mean 'hidden'?"),
        ("network.bias.0", "inside of the plain value True"),
    ],
)
def test_paths_that_lead_nowhere(path: str, message: str) -> None:
    with pytest.raises(LookupError) as caught:
        set_path({"network": {"hidden": [1, 2], "bias": True}}, split_path(path), 1)
    assert message in caught.value.args[0]
