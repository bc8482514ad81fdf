"""What must agree between conditions that train together in one job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orrery.config import extensions
from orrery.config.places import Places, Problems
from orrery.config.study import Condition
from orrery.config.yaml_file import Key

OWN = (("optimizer", "rate"), ("label_noise",), ("initialisation",), ("probe",))
"""Settings of the system in which conditions that train together may differ."""


def check_together(
    condition: Condition, conditions: Mapping[str, Condition | None], places: Places, problems: Problems
) -> None:
    """Add what keeps a condition from training together with those of the same name before it.

    Args:
        condition: one that trains alone, of which nothing is said, or one of several.
        conditions: all of the study by name, in its order; ``None`` for those that are wrong by themselves.
        places: where the condition says what.
        problems: what is wrong is added here.
    """
    group = condition.training.together
    if group is None:
        return
    # The jobs of a group have its name where those of a condition have the condition's.
    if f"together={group}" in conditions:
        message = f"is '{group}', and there is a condition named 'together={group}'; write another name here"
        problems.add(places.problem(("training", "together"), message))
    unfit = _unfit(condition)
    if unfit:
        problems.add(
            places.problem(("training", "together"), f"is '{group}', but {unfit}; leave it out here")
        )
        return
    members = [one for one in conditions.values() if one is not None and one.training.together == group]
    for key, message in _differences(condition, members[0]):
        problems.add(places.problem(key, message))


def without_lone_names(conditions: Mapping[str, Condition]) -> dict[str, Condition]:
    """The conditions, without the name of a group where one has it alone: it trains as if nothing was said."""
    sizes = Counter(condition.training.together for condition in conditions.values())
    return {
        name: replace(condition, training=condition.training.model_copy(update={"together": None}))
        if sizes[condition.training.together] == 1
        else condition
        for name, condition in conditions.items()
    }


def _unfit(condition: Condition) -> str:
    """Why a condition can train with no other; empty where it can."""
    if condition.branch is not None:
        return "this condition is a branch, and a branch trains alone"
    kind = condition.system["kind"]
    if kind != "network":
        return f"only networks train together, and this system is '{kind}'"
    if condition.system["network"]["kind"] != "mlp":
        return "only networks of the kind 'mlp' train together, and this one is a module"
    return ""


def _differences(condition: Condition, first: Condition) -> Iterator[tuple[Key, str]]:
    group = condition.training.together
    told = f"'{first.name}', with which it trains together ('{group}' in training.together)"
    if _unfit(first):
        return
    ours, theirs = _settings(condition), _settings(first)
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        if ours.get(key) != theirs.get(key):
            yield key, f"is not that of {told}; write the same for both, or another name there"
    ours_shape, theirs_shape = _shape(condition), _shape(first)
    if ours_shape and theirs_shape and ours_shape != theirs_shape:
        yield (
            ("dataset",),
            f"has another shape ({_told(ours_shape)}) than that of {told} ({_told(theirs_shape)}); write datasets of "
            "equal shape, or another name there",
        )


def _settings(condition: Condition) -> dict[Key, Any]:
    """What must be the same, by key: most of the system, and how it is trained, copied and recorded."""
    found: dict[Key, Any] = {}
    for name, part in condition.system.items():
        if name == "optimizer":
            found |= {("system", name, key): value for key, value in part.items()}
        else:
            found[("system", name)] = part
    for section in (condition.training, condition.copies, condition.record):
        name = type(section).__name__.lower()
        found |= {(name, key): value for key, value in section.model_dump(mode="json", by_alias=True).items()}
    return {key: value for key, value in found.items() if key[1:] not in OWN}


def _shape(condition: Condition) -> tuple[int, int, int] | None:
    """Training samples, features and outputs; ``None`` where that is not known before the data are made."""
    if condition.dataset is None:
        return None
    module = extensions.load("data", condition.dataset["name"])
    if not hasattr(module, "size"):
        return None
    size = module.size(extensions.settings_of(module).model_validate(dict(condition.dataset)))
    return size.train, size.features, size.outputs


def _told(shape: tuple[int, int, int]) -> str:
    train, features, outputs = shape
    return f"training samples: {train}, features: {features}, outputs: {outputs}"
