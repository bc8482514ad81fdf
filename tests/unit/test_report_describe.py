"""What was done, in words."""

from __future__ import annotations

from typing import Any

from orrery.report.describe import describe


def condition(rate: float = 0.1, hidden: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "axes": {},
        "dataset": {"name": "digits"},
        "system": {
            "kind": "network",
            "network": {"kind": "mlp", "hidden": [hidden], "activation": "gelu", "bias": True},
            "optimizer": {"kind": "sgd", "rate": rate, "momentum": 0.9},
            "batches": {"kind": "full"},
        },
        "training": {"steps": 10, "dtype": "float64", "seeds": [0, 1, 2, 3]},
        "streams": {},
        "copies": {"count": 1},
        "record": {"state": "all", "steps": {"every": 1}},
        **more,
    }


def test_what_all_share_is_said_once_and_what_differs_is_listed() -> None:
    found = describe({"conditions": {"slow": condition(0.1), "fast": condition(0.2)}})
    steps = dict(found.steps)
    assert steps["Optimizer"] == "stochastic gradient descent, rate 0.1 or 0.2, momentum 0.9."
    assert steps["Batches"] == "the full training set in each step."
    assert steps["Training"] == "10 steps in float64, for 4 seeds: 0 to 3."
    assert steps["Recorded"] == "the whole state at every step."
    assert "hidden layers of 5 units, activation GELU, with biases" in steps["System"]
    assert "Copies" not in steps
    assert "Random streams" not in steps
    assert found.conditions.columns == ("condition", "optimizer · rate")
    assert found.conditions.rows == (("slow", "0.1"), ("fast", "0.2"))
    assert ("system.optimizer.rate", "0.2") in found.settings["fast"]


def test_branches_are_told_with_what_they_leave() -> None:
    late = condition(branch={"of": "plain", "at": 4}, copies={"count": 3})
    found = describe({"conditions": {"plain": condition(), "late": late}})
    assert dict(found.steps)["Branches"].startswith("Some conditions are branches of plain: ")
    assert found.conditions.columns == ("condition", "copies · count", "branch · of", "branch · at")
    assert found.conditions.rows == (("plain", "1", "–", "–"), ("late", "3", "plain", "4"))
    assert "Branches" not in dict(describe({"conditions": {"plain": condition()}}).steps)


def test_an_axis_stands_for_the_setting_it_sets() -> None:
    conditions = {f"width={width}": condition(hidden=width, axes={"width": width}) for width in (5, 10)}
    found = describe({"conditions": conditions})
    assert found.conditions.columns == ("condition", "width")
    assert found.conditions.rows == (("width=5", "5"), ("width=10", "10"))


def test_systems_of_several_kinds() -> None:
    start = {"from": [0.1, 0.1], "to": [0.9, 0.9], "points": 5}
    found = describe(
        {
            "conditions": {
                "omd": {"system": {"kind": "mirror-descent", "rate": 0.01, "start": start}},
                "bisection": {"system": {"kind": "bisection", "objective": "tangent"}},
            }
        }
    )
    assert dict(found.steps)["System"] == "Systems of kind mirror-descent and bisection."
    assert found.conditions.columns == ("condition", "kind", "rate", "start", "objective")
    assert found.conditions.rows[1] == ("bisection", "bisection", "–", "–", "tangent")


def test_analyses_leave_out_what_says_nothing() -> None:
    settings = {
        "method": "koopman",
        "conditions": ["*"],
        "gather": False,
        "steps": None,
        "compare": {"rank": 3},
    }
    found = describe({"conditions": {}, "analyses": {"k": settings}})
    assert found.analyses == {"k": (("method", "koopman"), ("compare · rank", "3"))}
    assert found.steps == ()


def test_deep_networks_are_told_by_depth_and_width() -> None:
    deep = condition()
    deep["system"]["network"] |= {"hidden": [16] * 12, "dropout": 0.1, "normalisation": {"kind": "batch"}}
    deep["system"] |= {"label_noise": 0.05, "initialisation": {"kind": "default", "tensors": {}}}
    found = describe({"conditions": {"deep": deep}})
    steps = dict(found.steps)
    assert "hidden layers of 12 × 16 units" in steps["System"]
    assert "normalisation kind batch, with biases" in steps["System"]
    assert "dropout 0.1" in steps["System"]
    assert steps["Batches"] == "the full training set in each step; label noise 0.05."
    assert ("system.initialisation.tensors", "none") in found.settings["deep"]
