"""Claims: checks of a paper's statements on numbers, and their verdicts. Pure; no heavy import.

Verdict of a check, in this order:

1. ``not run``: the number, or one that a bound refers to, was not published.
2. ``reported``: the check has no criterion.
3. ``undecided``: n is unknown or below ``minimum_n``, or the number or a bound is not finite.
4. with an interval (and ``decide`` not ``value``): ``holds`` where all of it meets the criterion, ``fails``
   where none of it does, ``undecided`` where it crosses a bound. A bound that is itself a number with an interval
   counts with all of its interval.
5. without: ``holds`` or ``fails`` by the value.

``above`` and ``below`` are strict; ``within``, ``within_factor`` and ``between`` include their ends.

Verdict of a claim, from its checks with a criterion: ``fails`` if any fails, else ``undecided`` if any is
undecided, else ``not run`` if any was not run, else ``holds``. With no criterion at all: ``reported`` if any number
is there, else ``not run``. A claim for other scales is ``not run``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from orrery.config.errors import OrreryError
from orrery.report.criteria import CRITERIA, criteria_digest, criterion_of, words
from orrery.report.wording import number as decimal

VERDICTS = ("holds", "fails", "undecided", "reported", "not run")
_WEIGHT = ("fails", "undecided", "not run", "holds")

Number = Mapping[str, Any]
Interval = tuple[float, float]


def evaluate(
    claims: Mapping[str, Mapping[str, Any]], numbers: Mapping[str, Iterable[Number]], scale: str
) -> list[dict[str, Any]]:
    """Evaluate all claims of a study.

    Args:
        claims: id -> claim, as in a study file (``statement``, ``source``, ``known_from``, ``scales``, ``checks``).
        numbers: analysis -> its published numbers: ``name``, ``value`` (NaN or ``None``: it could not be
            measured), ``interval``, ``n``, ``floor``, ``unit``, ``description``.
        scale: ``laptop`` or ``paper``.

    Returns:
        One dict per claim, in the order of the study. ``reported``, ``measured``, ``n``, ``interval``, ``floor``
        and ``number`` are those of the check that decided the verdict (``deciding``: its place in ``checks``).

    Raises:
        OrreryError: a check with a criterion that cannot be read.
    """
    known = {
        f"{analysis}.{number['name']}": number for analysis, those in numbers.items() for number in those
    }
    return [_evaluate_claim(name, claim, known, scale) for name, claim in claims.items()]


def count_verdicts(evaluated: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many claims got each verdict; every verdict is a key."""
    counts = dict.fromkeys(VERDICTS, 0)
    for claim in evaluated:
        counts[claim["verdict"]] += 1
    return counts


def _evaluate_claim(
    name: str, claim: Mapping[str, Any], known: Mapping[str, Number], scale: str
) -> dict[str, Any]:
    checks = [evaluate_check(check, known, where=f"claims.{name}") for check in claim.get("checks") or ()]
    scales = claim.get("scales")
    if scales and scale not in scales:
        why = f"the claim is for scale {' and '.join(scales)} only"
        unmeasured = dict.fromkeys(("measured", "n", "interval", "floor"))
        checks = [{**check, **unmeasured, "verdict": "not run", "reason": why} for check in checks]
        verdict, deciding, reason = "not run", (0 if checks else None), why
    elif not checks:
        verdict, deciding, reason = "not run", None, "the study gives no check for this claim"
    else:
        verdict, deciding = combine(checks)
        reason = checks[deciding]["reason"]
    decided = checks[deciding] if deciding is not None else {}
    return {
        "id": name,
        "statement": claim.get("statement", ""),
        "source": claim.get("source", ""),
        "known_from": claim.get("known_from"),
        "scale": scale,
        "reported": decided.get("reported"),
        "measured": decided.get("measured"),
        "n": decided.get("n"),
        "interval": decided.get("interval"),
        "floor": decided.get("floor"),
        "unit": decided.get("unit", ""),
        "number": decided.get("number"),
        "criterion": {
            "words": "; ".join(_named_words(check) for check in checks if check["criterion"]["words"]),
            "data": [check["criterion"]["data"] for check in checks],
        },
        "verdict": verdict,
        "reason": reason,
        "deciding": deciding,
        "checks": checks,
        "criteria_digest": criteria_digest({name: claim}),
    }


def _named_words(check: Mapping[str, Any]) -> str:
    return f"{check['label'] or check['number']} {check['criterion']['words']}"


def combine(checks: list[dict[str, Any]]) -> tuple[str, int]:
    """The verdict of several checks, and the place of the first one that gives it."""
    deciding = [index for index, check in enumerate(checks) if check["criterion"]["data"] is not None]
    if not deciding:
        there = [index for index, check in enumerate(checks) if check["verdict"] == "reported"]
        return ("reported", there[0]) if there else ("not run", 0)
    for verdict in _WEIGHT:
        for index in deciding:
            if checks[index]["verdict"] == verdict:
                return verdict, index
    raise OrreryError(f"a check with a criterion has the verdict {checks[deciding[0]]['verdict']!r}")


def evaluate_check(
    check: Mapping[str, Any], known: Mapping[str, Number], *, where: str = "claims"
) -> dict[str, Any]:
    """Evaluate one check.

    Args:
        check: as in a study file.
        known: full name (``analysis.name``) -> number.
        where: named in errors.
    """
    number = known.get(check["number"])
    criterion = criterion_of(check)
    evaluated: dict[str, Any] = {
        "number": check["number"],
        "label": check.get("label"),
        "reported": check.get("reported"),
        "measured": None,
        "n": None,
        "interval": None,
        "floor": None,
        "unit": "",
        "description": "",
        "criterion": {"words": words(check), "data": criterion},
    }
    if number is None:
        reason = f"no analysis published the number {check['number']}"
        return {**evaluated, "verdict": "not run", "reason": reason}
    evaluated.update(
        measured=_finite(number.get("value")),
        n=number.get("n"),
        interval=_interval(number.get("interval")),
        floor=_finite(number.get("floor")),
        unit=number.get("unit") or "",
        description=number.get("description") or "",
    )
    if criterion is None:
        return {**evaluated, "verdict": "reported", "reason": "there is no criterion"}
    verdict, reason = _decide(check, evaluated, known, where)
    return {**evaluated, "verdict": verdict, "reason": reason}


def _decide(
    check: Mapping[str, Any], measured: Mapping[str, Any], known: Mapping[str, Number], where: str
) -> tuple[str, str]:
    """Verdict and its reason for a check that has both a criterion and a number."""
    if sum(check.get(kind) is not None for kind in CRITERIA) > 1:
        raise OrreryError(
            f"{where}: a check of {check['number']} has several criteria; give one, or several checks"
        )
    missing = [
        reference for reference in _references(measured["criterion"]["data"]) if reference not in known
    ]
    if missing:
        return "not run", f"no analysis published the number {missing[0]} that the bound refers to"
    by_value = check.get("decide") == "value" or measured["interval"] is None
    inner, outer = _regions(measured["criterion"]["data"], known, by_value=by_value, where=where)
    value = measured["measured"]
    smallest, n = check.get("minimum_n"), measured["n"]
    if smallest is not None and n is None:
        return "undecided", f"n is not known, and at least {smallest} is asked for"
    if smallest is not None and n < smallest:
        return "undecided", f"n = {n} is below the {smallest} asked for"
    if value is None:
        return "undecided", "the number could not be measured (it is not finite)"
    if any(math.isnan(bound) for bound in (*inner, *outer)):
        return "undecided", "a number that the bound refers to could not be measured (it is not finite)"
    strict = "above" in measured["criterion"]["data"] or "below" in measured["criterion"]["data"]
    text = measured["criterion"]["words"].split(",")[0]
    low, high = (value, value) if by_value else measured["interval"]
    shown = decimal(value) if by_value else f"the interval {decimal(low)} to {decimal(high)}"
    if _inside(low, inner, strict) and _inside(high, inner, strict):
        return "holds", f"{shown} is {text}"
    if _outside(low, high, outer, strict):
        return "fails", f"{shown} is not {text}"
    return "undecided", f"{shown} crosses the bound: {text}"


def _references(criterion: Mapping[str, Any]) -> list[str]:
    bounds = [
        bound for value in criterion.values() for bound in (value if isinstance(value, list) else [value])
    ]
    return [bound["number"] for bound in bounds if isinstance(bound, Mapping)]


def _regions(
    criterion: Mapping[str, Any], known: Mapping[str, Number], *, by_value: bool, where: str
) -> tuple[Interval, Interval]:
    """Inside what the criterion surely holds, outside what it surely fails; equal unless a bound is uncertain."""

    def bound(value: Any) -> Interval:
        if not isinstance(value, Mapping):
            return (math.nan, math.nan) if value is None else (value, value)
        number = known[value["number"]]
        centre, spread = _finite(number.get("value")), _interval(number.get("interval"))
        if centre is None:
            return math.nan, math.nan
        ends = (centre, centre) if by_value or spread is None else spread
        low, high = sorted(value["times"] * end for end in ends)
        return low, high

    if "above" in criterion:
        low, high = bound(criterion["above"])
        return (high, math.inf), (low, math.inf)
    if "below" in criterion:
        low, high = bound(criterion["below"])
        return (-math.inf, low), (-math.inf, high)
    if "between" in criterion:
        (a, b), (c, d) = bound(criterion["between"][0]), bound(criterion["between"][1])
        if a > d:
            raise OrreryError(f"{where}: 'between' has its larger bound first: {criterion['between']}")
        return (b, c), (a, d)
    if criterion.get("of") is None:
        raise OrreryError(f"{where}: 'within' says a distance from 'reported' or 'of', and neither is given")
    centre = bound(criterion["of"])
    if "within" in criterion:
        width = bound(criterion["within"])
        return (centre[1] - width[0], centre[0] + width[0]), (centre[0] - width[1], centre[1] + width[1])
    factor = bound(criterion["within_factor"])[0]
    if factor < 1:
        raise OrreryError(f"{where}: 'within_factor' is at least 1, not {factor:g}")
    low_ends = sorted((centre[0] / factor, centre[0] * factor))
    high_ends = sorted((centre[1] / factor, centre[1] * factor))
    return (high_ends[0], low_ends[1]), (low_ends[0], high_ends[1])


def _inside(value: float, region: Interval, strict: bool) -> bool:
    return region[0] < value < region[1] if strict else region[0] <= value <= region[1]


def _outside(low: float, high: float, region: Interval, strict: bool) -> bool:
    return (high <= region[0] or low >= region[1]) if strict else (high < region[0] or low > region[1])


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _interval(value: Any) -> list[float] | None:
    if value is None or any(_finite(end) is None for end in value):
        return None
    return [float(value[0]), float(value[1])]
