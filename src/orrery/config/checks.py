"""What must agree between the parts of a resolved study."""

from __future__ import annotations

from fnmatch import fnmatchcase

from orrery.config.errors import nearest
from orrery.config.places import Places, Problems
from orrery.config.study import ResolvedStudy


def check_study(study: ResolvedStudy, places: Places, problems: Problems) -> None:
    """Add the problems between the parts of a study: who reads whom, what covers what, what claims name."""
    _check_sources(study, places, problems)
    _check_patterns(study, places, problems)
    _check_claims(study, places, problems)


def _check_sources(study: ResolvedStudy, places: Places, problems: Problems) -> None:
    sources = {name: str(getattr(settings, "of", "trajectory")) for name, settings in study.analyses.items()}
    for name, source in sources.items():
        if source == "trajectory":
            continue
        key = ("analyses", name, "of")
        if source not in sources:
            known = nearest(source, [*(other for other in sources if other != name), "trajectory"])
            problems.add(places.problem(key, f"there is no analysis '{source}' in this study; {known}"))
            continue
        chain = [name]
        while chain[-1] in sources and sources[chain[-1]] not in chain:
            chain.append(sources[chain[-1]])
        if chain[-1] in sources:
            told = " of ".join([*chain, sources[chain[-1]]])
            problems.add(places.problem(key, f"the analyses read each other in a circle: {told}"))
            continue
        lacking = [cell for cell in study.covered_by(name) if cell not in study.covered_by(source)]
        if lacking:
            message = f"'{source}' does not cover the condition '{lacking[0]}', which '{name}' analyses"
            problems.add(places.problem(key, message))


def _check_patterns(study: ResolvedStudy, places: Places, problems: Problems) -> None:
    for name, settings in study.analyses.items():
        patterns: tuple[str, ...] = getattr(settings, "conditions", ("*",))
        if not patterns:
            problems.add(
                places.problem(("analyses", name, "conditions"), "is empty; '*' stands for all conditions")
            )
        for index, pattern in enumerate(patterns):
            if not any(fnmatchcase(condition, pattern) for condition in study.conditions):
                message = f"'{pattern}' matches no condition; {nearest(pattern, study.conditions)}"
                problems.add(places.problem(("analyses", name, "conditions", index), message))


def _check_claims(study: ResolvedStudy, places: Places, problems: Problems) -> None:
    for identifier, claim in study.claims.items():
        for index, check in enumerate(claim.checks):
            for number in check.numbers:
                analysis = number.split(".", 1)[0]
                if analysis not in study.analyses:
                    message = (
                        f"'{number}' names no analysis of this study; {nearest(analysis, study.analyses)}"
                    )
                    problems.add(places.problem(("claims", identifier, "checks", index), message))
