"""Which steps are recorded: a function of the record settings alone, so that a longer run records the same and more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orrery.config.errors import OrreryError


def first_step(condition: Mapping[str, Any]) -> int:
    """Step at which the runs of a condition begin: 0, or the one after which a branch leaves another condition."""
    return int((condition.get("branch") or {}).get("at", 0))


def recorded_steps(steps: Mapping[str, Any], first: int, last: int, start: int = 0) -> list[int]:
    """Steps whose states are recorded in the segment from ``first`` to ``last``.

    Args:
        steps: ``{every: k}`` (0, k, 2k, ...), ``{every: k, window: [a, b]}`` (those from a to b, both included), or
            ``{logarithmic: n}`` (n per factor of ten).
        first: step at which the segment starts; its state belongs to the segment before, if there is one.
        last: step at which the segment ends.
        start: step at which the runs begin.

    Returns:
        The recorded steps after ``first`` up to ``last``, increasing; ``start`` always.
    """
    begin = first if first == start else first + 1
    if "logarithmic" in steps:
        found = _logarithmic(int(steps["logarithmic"]), last)
    elif "every" in steps:
        every = int(steps["every"])
        window = steps.get("window")
        low, high = window if window is not None else (0, last)
        found = set(range(-(-max(low, begin) // every) * every, min(high, last) + 1, every))
    else:
        raise OrreryError(
            "record.steps: write {every: k}, {every: k, window: [first, last]} or {logarithmic: n}"
        )
    return sorted(step for step in found | {start} if begin <= step <= last)


def _logarithmic(per_decade: int, last: int) -> set[int]:
    """Whole numbers nearest to 10^(i/n): independent of the length of the run."""
    found = set()
    if last >= 1:
        for i in range(math.ceil(per_decade * math.log10(last)) + 1):
            found.add(round(10 ** (i / per_decade)))
    return found


def evaluated_steps(every: int, first: int, last: int, start: int = 0) -> list[int]:
    """Steps at which metrics are evaluated on demand: 0, k, 2k, ... within the segment, and ``start``."""
    return recorded_steps({"every": every}, first, last, start)
