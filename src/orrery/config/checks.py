"""What must agree between the parts of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel

from orrery.config.claims import Claim
from orrery.config.errors import nearest
from orrery.config.figures import Figures
from orrery.config.palette import DEFAULT
from orrery.config.places import Places, Problems
from orrery.config.study import Condition


def check_study(
    conditions: Sequence[str],
    analyses: Mapping[str, BaseModel | None],
    claims: Mapping[str, Claim],
    places: Places,
    problems: Problems,
) -> None:
    """Add what does not fit between parts: who reads whom, what covers what, which numbers claims name.

    Args:
        conditions: names of the conditions.
        analyses: settings by name, None for those that are wrong by themselves.
        claims: by identifier.
        places: where the study says what.
        problems: what is wrong is added here.
    """
    sound = {name: settings for name, settings in analyses.items() if settings is not None}
    for name, settings in sound.items():
        _check_patterns(name, settings, conditions, places, problems)
        _check_source(name, analyses, conditions, places, problems)
    for identifier, claim in claims.items():
        for index, check in enumerate(claim.checks):
            for number in check.numbers:
                analysis = number.split(".", maxsplit=1)[0]
                if analysis not in analyses:
                    known = nearest(analysis, analyses)
                    message = (
                        f"'{number}' starts with '{analysis}', which is no analysis of this study; {known}"
                    )
                    problems.add(places.problem(("claims", identifier, "checks", index), message))


def check_figures(figures: Figures, conditions: Sequence[str], places: Places, problems: Problems) -> None:
    """Add a palette with too few colours; from so many as the default has, they may repeat with other markers."""
    needed = min(len(conditions), len(DEFAULT))
    if len(figures.palette) < needed:
        message = (
            f"has {len(figures.palette)} colours, and the {len(conditions)} conditions need at least {needed}"
        )
        problems.add(places.problem(("figures", "palette"), message))


def check_conditions(condition: Condition, places: Places, problems: Problems) -> None:
    """Add what does not fit within one condition: windows that it never reaches, and what analyses say themselves."""
    steps = condition.training.steps
    window = getattr(condition.record.steps, "window", None)
    if window is not None and window[1] > steps:
        message = f"ends at step {window[1]}, but training.steps is {steps}"
        problems.add(places.problem(("record", "steps", "window"), message))
    for name, settings in condition.analyses.items():
        if hasattr(settings, "misfits"):
            for key, message in settings.misfits(condition):
                problems.add(places.problem(("analyses", name, key), message))
        window = getattr(settings, "steps", None)
        if window is None:
            continue
        place = ("analyses", name, "steps")
        if not 0 <= window[0] <= window[1]:
            message = f"must be [first, last] with 0 <= first <= last, not {list(window)}"
            problems.add(places.problem(place, message))
        elif window[1] > steps:
            message = f"ends at step {window[1]}, but training.steps is {steps}"
            problems.add(places.problem(place, message))


def _check_source(
    name: str,
    analyses: Mapping[str, BaseModel | None],
    conditions: Sequence[str],
    places: Places,
    problems: Problems,
) -> None:
    source = _source(analyses[name])
    if source is None:
        return
    key = ("analyses", name, "of")
    if source not in analyses:
        known = nearest(source, [*(other for other in analyses if other != name), "trajectory"])
        problems.add(places.problem(key, f"there is no analysis '{source}' in this study; {known}"))
        return
    chain = [name]
    while (further := _source(analyses.get(chain[-1]))) is not None and further not in chain:
        chain.append(further)
    if further is not None:
        told = " of ".join([*chain, further])
        problems.add(places.problem(key, f"the analyses read each other in a circle: {told}"))
        return
    lacking = [
        cell for cell in conditions if _covers(analyses[name], cell) and not _covers(analyses[source], cell)
    ]
    if lacking and analyses[source] is not None:
        message = f"'{source}' does not cover the condition '{lacking[0]}', which '{name}' analyses"
        problems.add(places.problem(key, message))


def _check_patterns(
    name: str, settings: Any, conditions: Sequence[str], places: Places, problems: Problems
) -> None:
    key = ("analyses", name, "conditions")
    if not settings.conditions:
        problems.add(places.problem(key, "must not be empty; '*' stands for all conditions"))
    for index, pattern in enumerate(settings.conditions if conditions else ()):
        if not any(fnmatchcase(condition, pattern) for condition in conditions):
            message = f"'{pattern}' matches no condition; {nearest(pattern, conditions)}"
            problems.add(places.problem((*key, index), message))


def _source(settings: BaseModel | None) -> str | None:
    """Return the analysis that is read; None for the trajectory."""
    source = getattr(settings, "of", "trajectory")
    return None if source == "trajectory" else str(source)


def _covers(settings: BaseModel | None, condition: str) -> bool:
    return any(fnmatchcase(condition, pattern) for pattern in getattr(settings, "conditions", ()))
