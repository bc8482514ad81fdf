"""Criteria of claims: canonical form, digest and wording. No heavy import, so that a plan may ask."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from orrery.report.wording import number

CRITERIA = ("within", "within_factor", "above", "below", "between")
_FIXED = ("number", "reported", "minimum_n", "decide", "of", *CRITERIA)


def criterion_of(check: Mapping[str, Any]) -> dict[str, Any] | None:
    """The one criterion of a check as data, e.g. ``{"within": 0.001, "of": 0.75}``; ``None`` without one."""
    for kind in CRITERIA:
        if check.get(kind) is not None:
            found = {kind: _plain(check[kind])}
            if kind in ("within", "within_factor"):
                target = check.get("of")
                found["of"] = _plain(target if target is not None else check.get("reported"))
            return found
    return None


def canonical_check(check: Mapping[str, Any]) -> dict[str, Any]:
    """What the verdict of a check depends on: without labels and absent keys, integers written as floats."""
    return {
        key: check[key] if key in ("number", "decide", "minimum_n") else _plain(check[key])
        for key in _FIXED
        if check.get(key) is not None
    }


def criteria_digest(claims: Mapping[str, Mapping[str, Any]]) -> str:
    """SHA-256 (hexadecimal) of the criteria of some claims, by their ids; computable before anything has run.

    It covers, for each claim, its checks (number, reported value, criterion, smallest n, way of deciding) and
    the scales it is for. Statements, sources and labels are wording and leave it as it is.
    """
    canonical = {
        name: {
            "checks": [canonical_check(check) for check in claim.get("checks") or ()],
            "scales": sorted(claim["scales"]) if claim.get("scales") else None,
        }
        for name, claim in claims.items()
    }
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def words(check: Mapping[str, Any]) -> str:
    """The criterion of a check in words; empty where it has none."""
    criterion = criterion_of(check)
    if criterion is None:
        return ""
    [kind] = [key for key in CRITERIA if key in criterion]
    wanted = criterion[kind]
    if kind == "within":
        text = f"within {_bound(wanted)} of {_bound(criterion['of'])}"
    elif kind == "within_factor":
        text = f"within a factor {_bound(wanted)} of {_bound(criterion['of'])}"
    elif kind == "between":
        text = f"between {_bound(wanted[0])} and {_bound(wanted[1])}"
    else:
        text = f"{kind} {_bound(wanted)}"
    if check.get("minimum_n") is not None:
        text += f", n at least {check['minimum_n']}"
    if check.get("decide") == "value":
        text += ", decided by the value alone"
    return text


def _bound(bound: Any) -> str:
    if bound is None:
        return "(no value)"
    if not isinstance(bound, Mapping):
        return number(float(bound), 6)
    times = bound.get("times")
    return bound["number"] if times in (None, 1.0) else f"{number(float(times), 6)} times {bound['number']}"


def _plain(value: Any) -> Any:
    """Numbers as floats and references without absent keys, so that 1 and 1.0 are one criterion."""
    if isinstance(value, Mapping):
        times = value.get("times")
        return {"number": str(value["number"]), "times": 1.0 if times is None else float(times)}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if value is None else float(value)
