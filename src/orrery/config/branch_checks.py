"""What must agree between a branch and the condition that it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orrery.config import extensions
from orrery.config.places import Places, Problems
from orrery.config.study import Condition
from orrery.config.yaml_file import Key

Conditions = Mapping[str, Condition | None]


def check_branch(condition: Condition, conditions: Conditions, places: Places, problems: Problems) -> None:
    """Add what keeps a condition from leaving the one that it names.

    Args:
        condition: a branch, or one that starts by itself, of which nothing is said.
        conditions: all of the study by name, ``None`` for those that are wrong by themselves.
        places: where the condition says what.
        problems: what is wrong is added here.
    """
    if condition.branch is None:
        return
    circle = _circle(condition, conditions)
    if circle:
        message = (
            "a branch cannot leave itself; name the condition that it leaves"
            if len(circle) == 1
            else f"the conditions leave each other in a circle: {', '.join([*circle, circle[0]])}"
        )
        problems.add(places.problem(("branch", "of"), message))
        return
    left = conditions.get(condition.branch.of)
    for key, message in _differences(condition, left) if left is not None else ():
        problems.add(places.problem(key, message))


def _circle(condition: Condition, conditions: Conditions) -> list[str]:
    """The names of the conditions that are met before this one is met again; none where it is not."""
    names: list[str] = []
    here: Condition | None = condition
    while here is not None and here.name not in names:
        names.append(here.name)
        here = conditions.get(here.branch.of) if here.branch is not None else None
    return names if here is condition else []


def _differences(branch: Condition, left: Condition) -> Iterator[tuple[Key, str]]:
    at, name = branch.start, left.name
    if at > left.training.steps:
        last = left.training.steps
        yield ("branch", "at"), f"is {at}, but '{name}' ends at step {last}; write at most {last}"
    if at < left.start:
        first = left.start
        yield ("branch", "at"), f"is {at}, but '{name}' begins at step {first} itself; write at least {first}"
    if branch.training.steps <= at:
        yield (
            ("branch", "at"),
            f"is {at}, but training.steps is {branch.training.steps}; steps count on from there, "
            f"so write more than {at} into training.steps",
        )
    if branch.training.dtype != left.training.dtype:
        yield (
            ("training", "dtype"),
            f"is {branch.training.dtype}, but '{name}' is trained in {left.training.dtype}, and a branch goes on "
            "in the precision of what it leaves; write the same for both",
        )
    lacking = [seed for seed in branch.training.trained_seeds if seed not in left.training.trained_seeds]
    if lacking:
        yield (
            ("training", "seeds"),
            f"makes the branch train seed {lacking[0]} (whole blocks of {branch.training.block} are trained), which "
            f"'{name}' does not train; write seeds and block so that all are seeds of '{name}'",
        )
    yield from _other_shapes(branch, left)


def _other_shapes(branch: Condition, left: Condition) -> Iterator[tuple[Key, str]]:
    """Weights of another shape, as far as that is known before anything is built; the rest is told in training."""
    ours, theirs = _sizes(branch), _sizes(left)
    if not ours or not theirs or "*" in (*ours, *theirs):
        return
    for tensor, size in ours.items():
        if theirs.get(tensor) != size:
            other = "is absent" if tensor not in theirs else "has another shape"
            yield (
                ("system",),
                f"has a tensor '{tensor}' that {other} in '{left.name}'; a branch goes on with the weights "
                "that it leaves, so give both the same network",
            )
            return


def _sizes(condition: Condition) -> Mapping[str, int]:
    """Numbers in each weight, with one feature and one class, since data may differ; none where they are not known."""
    module = extensions.load("systems", condition.system["kind"])
    if not hasattr(module, "footprint"):
        return {}
    sizes: Mapping[str, int] = module.footprint(condition.system, 1, 1).tensors
    return sizes
