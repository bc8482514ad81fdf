"""From the data of one study file to a resolved study."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from orrery.config.branch_checks import check_branch
from orrery.config.checking import Checker
from orrery.config.checks import check_conditions, check_figures, check_study
from orrery.config.claims import Claim, Scale
from orrery.config.drafting import Draft, Drafter
from orrery.config.merge import deep_merge
from orrery.config.messages import MISSING
from orrery.config.places import Places, Problems, Written
from orrery.config.sections import Branch, Copies, Device, Record, Streams, Training
from orrery.config.study import Condition, ResolvedStudy
from orrery.config.study_file import SECTIONS, StudyFile
from orrery.config.together_checks import check_together, without_lone_names
from orrery.config.validation import validate
from orrery.config.yaml_file import Document, Key

SHARED = ("method", "of", "conditions", "gather", "compare")
"""What an analysis has in common for all conditions."""


def resolve(
    document: Document, path: Path, scale: Scale, device: Device, problems: Problems
) -> ResolvedStudy | None:
    """Return the study of a file at one scale, or None where something is wrong; ``problems`` then says what.

    One wrong part does not hide what is wrong with the others: the well-formed rest is checked all the same.
    """
    before = len(problems)
    prefixes: tuple[Key, ...] = ((), ("scales", scale))
    places = Places(tuple(Written(document, prefix, partial=bool(prefix)) for prefix in prefixes))
    data = document.data
    if not isinstance(data, Mapping):
        problems.add(places.problem((), "must be a mapping of keys such as title, system, conditions"))
        return None
    scales = data.get("scales")
    over = scales.get(scale) if isinstance(scales, Mapping) else None
    if isinstance(over, Mapping):
        if "scales" in over:
            problems.add(
                places.problem(("scales", scale, "scales"), "stands within scales already; remove it")
            )
            over = {key: value for key, value in over.items() if key != "scales"}
        data = deep_merge(data, over)
    file = validate(StudyFile, data, places, (), problems)
    data = {_meant(key, data): value for key, value in data.items()}
    data = {key: value for key, value in data.items() if _well_formed(key, value)}

    drafting = len(problems)
    drafts = Drafter(document, prefixes, places, problems).drafts(data)
    names = [draft.name for draft in drafts if draft.name]
    # where a condition could not be made, its name may still be meant
    checker = Checker(problems, names if len(problems) == drafting else ())
    analyses = checker.analyses(data.get("analyses") or {}, places)
    conditions = {draft.name: _condition(draft, analyses, checker, device) for draft in drafts}
    check_study(names, analyses, _claims(data.get("claims")), places, problems)
    if file is not None:
        check_figures(file.figures, names, places, problems)
    for draft in drafts:
        condition = conditions[draft.name]
        if condition is not None:
            check_conditions(condition, draft.places, problems)
            check_branch(condition, conditions, draft.places, problems)
            check_together(condition, conditions, draft.places, problems)
    if file is None or len(problems) > before:
        return None
    return ResolvedStudy(
        name=path.stem,
        path=path,
        title=file.title,
        summary=file.summary,
        paper=file.paper,
        scale=scale,
        conditions=without_lone_names(
            {name: condition for name, condition in conditions.items() if condition is not None}
        ),
        analyses={name: settings for name, settings in analyses.items() if settings is not None},
        claims=file.claims,
        figures=file.figures,
    )


def _condition(
    draft: Draft, analyses: Mapping[str, BaseModel | None], checker: Checker, device: Device
) -> Condition | None:
    data, places = draft.data, draft.places
    before = len(checker.problems)
    branch = None
    if data.get("branch") is not None:
        branch = checker.section(("branch",), Branch, data["branch"], places)
    given = {"device": device} | (data.get("training") or {})
    training = checker.section(("training",), Training, _one_segment(branch, given) | given, places)
    streams = checker.section(("streams",), Streams, data.get("streams") or {}, places)
    copies = checker.section(("copies",), Copies, data.get("copies") or {}, places)
    record = checker.section(("record",), Record, data.get("record") or {}, places)
    dataset = system = None
    if data.get("dataset") is not None:
        dataset = checker.extension("data", ("dataset",), data["dataset"], places)
    if data.get("system") is not None:
        system = checker.extension("systems", ("system",), data["system"], places)
    else:
        message = f"{MISSING}; the study or each condition says what evolves"
        checker.problems.add(places.problem(("system",), message, missing=True))
    settings = {}
    for name, shared in analyses.items():
        own = checker.analysis(name, data["analyses"][name], places) if shared is not None else None
        if shared is None or own is None:
            continue
        for key in SHARED:
            if getattr(shared, key, None) != getattr(own, key, None):
                message = "is the same for all conditions; change it in analyses, or add an analysis by another name"
                checker.problems.add(places.problem(("analyses", name, key), message))
        if covers(shared, draft.name):
            settings[name] = own
    if len(checker.problems) > before or training is None or streams is None or copies is None:
        return None
    if record is None or system is None or not draft.name:
        return None
    return Condition(
        draft.name, draft.axes, dataset, system, training, streams, copies, record, settings, branch
    )


def _one_segment(branch: Branch | None, given: Mapping[str, Any]) -> dict[str, int]:
    """The segment of a branch where nothing is said: all steps that it makes itself."""
    steps = given.get("steps")
    if branch is None or type(steps) is not int or steps <= branch.at:
        return {}
    return {"segment": steps - branch.at}


def covers(settings: BaseModel, condition: str) -> bool:
    """Whether an analysis with these settings covers a condition."""
    patterns: tuple[str, ...] = getattr(settings, "conditions", ())
    return any(fnmatchcase(condition, pattern) for pattern in patterns)


def _meant(key: str, data: Mapping[str, Any]) -> str:
    """Return the section that a misspelt key stands for: it has been told, and what follows from it need not be."""
    if key in StudyFile.model_fields:
        return key
    absent = [section for section in SECTIONS if section in StudyFile.model_fields and section not in data]
    return next(iter(difflib.get_close_matches(str(key), absent, n=1)), key)


def _well_formed(key: str, value: Any) -> bool:
    """Whether a section is a mapping (of mappings), so that one can look into it."""
    if key not in SECTIONS or value is None:
        return True
    if key == "analyses":
        return isinstance(value, Mapping) and all(isinstance(entry, Mapping) for entry in value.values())
    return isinstance(value, Mapping)


def _claims(data: Any) -> dict[str, Claim]:
    """Return the claims that are well-formed; the others have been told already."""
    claims = {}
    for name, claim in data.items() if isinstance(data, Mapping) else ():
        try:
            claims[name] = Claim.model_validate(claim)
        except ValidationError:
            continue
    return claims
