"""Numbers and settings as short text, the same in pages and tables. Plain text: the templates escape it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
VERDICT_WORDS = {
    "holds": "The measured number meets the criterion, with all of its interval where it has one.",
    "fails": "The measured number misses the criterion, with all of its interval where it has one.",
    "undecided": "The interval crosses the bound, there are too few seeds, or the number could not be measured.",
    "reported": "There is no criterion: the number is shown, and nothing is concluded.",
    "not run": "The number was not computed in this study at this scale.",
}
KNOWN_FROM = {
    "full text": "full text of the paper",
    "released code": "the authors' released code",
    "released results": "the authors' released results",
    "abstract": "abstract only",
    "second-hand": "second-hand description",
    "own calculation": "our own calculation",
}


def number(value: float | None, digits: int = 4) -> str:
    """``value`` with ``digits`` significant digits: ``0.00652``, ``1,250``, ``3.1×10⁻⁹``; a dash for ``None``."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not finite"
    if value == 0:
        return "0"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return f"{int(value):,}".replace("-", "−")
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent > 6:
        mantissa = f"{value / 10.0**exponent:.{digits - 1}f}".rstrip("0").rstrip(".")
        power = f"10{str(exponent).translate(_RAISED)}"
        return {"1": power, "-1": f"−{power}"}.get(mantissa, f"{mantissa}×{power}".replace("-", "−"))
    text = f"{value:,.{max(digits - 1 - exponent, 0)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def measured(value: float | None, bounds: Iterable[float] | None) -> tuple[str, str]:
    """A number and its interval, both to the digit that the interval's width makes meaningful.

    Returns:
        Two texts, e.g. ``("0.00652", "0.00611 to 0.00694")``; the second is empty without an interval.
    """
    if value is None or bounds is None:
        return number(value), ""
    low, high = bounds
    width = max(abs(high - low), 1e-300)
    size = max(abs(value), abs(low), abs(high), 1e-300)
    digits = max(2, min(8, 2 + math.floor(math.log10(size)) - math.floor(math.log10(width / 2))))
    return number(float(value), digits), f"{number(float(low), digits)} to {number(float(high), digits)}"


def setting(value: Any) -> str:
    """A value of a setting in words: lists joined, grids of starts named, mappings as ``key value`` pairs.

    A list of more than three equal values is told as ``12 × 256``.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value, 6)
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _mapping(value) or "none"
    items = list(value)
    if len(items) > 3 and _consecutive(items):
        return f"{items[0]} to {items[-1]}"
    if len(items) > 3 and all(item == items[0] for item in items):
        return f"{len(items)} × {_enclosed(items[0])}"
    if any(isinstance(item, Mapping) for item in items):
        return "; ".join(map(setting, items))
    return ", ".join(map(_enclosed, items))


def _enclosed(value: Any) -> str:
    """A value inside another: lists of several items and mappings stand in brackets."""
    several = isinstance(value, Mapping) or (isinstance(value, (list, tuple)) and len(value) > 1)
    return f"({setting(value)})" if several else setting(value)


def _consecutive(items: list[Any]) -> bool:
    return all(isinstance(item, int) for item in items) and items == list(
        range(items[0], items[0] + len(items))
    )


def _mapping(value: Mapping[str, Any]) -> str:
    kept = {key: inner for key, inner in value.items() if inner is not None}
    if {"from", "to", "points"} <= set(kept):
        ends = [f"({setting(kept[end])})" for end in ("from", "to")]
        rest = {
            key: inner
            for key, inner in kept.items()
            if key not in ("from", "to", "points") and inner != "identity"
        }
        sides = kept["points"] if isinstance(kept["points"], list) else [kept["points"]] * len(kept["from"])
        text = f"{' × '.join(map(str, sides))} points, {ends[0]} to {ends[1]}"
        return f"{text}, {_mapping(rest)}" if rest else text
    between = "; " if any(isinstance(inner, Mapping) for inner in kept.values()) else ", "
    return between.join(f"{_named(key)} {_enclosed(inner)}" for key, inner in kept.items())


def _named(key: str) -> str:
    """A key of a mapping: a setting's as words, any other, such as a condition's name, as it is with a colon."""
    return heading(key) if key.replace("_", "").replace("-", "").isalpha() else f"{key}:"


def heading(key: str) -> str:
    """A key of a settings model as words: ``weight_decay`` becomes ``weight decay``."""
    return key.replace("_", " ")


def joined(items: Iterable[str], last: str = "and") -> str:
    """``a, b and c``."""
    words = list(items)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def count(amount: int, one: str, many: str | None = None) -> str:
    """``1 seed``, ``25 seeds``."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def verdict_summary(counts: Mapping[str, int]) -> str:
    """``5 claims: 3 hold, 1 fails, 1 undecided``."""
    total = sum(counts.values())
    if total == 0:
        return "no claims"
    words = {"holds": ("holds", "hold"), "fails": ("fails", "fail")}
    parts = [
        f"{amount} {words.get(verdict, (verdict, verdict))[0 if amount == 1 else 1]}"
        for verdict, amount in counts.items()
        if amount
    ]
    return f"{count(total, 'claim')}: {', '.join(parts)}"
