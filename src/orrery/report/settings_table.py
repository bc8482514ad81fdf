"""The settings of all conditions side by side: what they share, and the table of what they differ in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orrery.report.wording import heading, joined, setting

_SECTIONS = ("branch", "dataset", "system", "training", "streams", "copies", "record", "analyses")
_NAMES = {
    "sgd": "stochastic gradient descent",
    "adam": "Adam",
    "adamw": "AdamW",
    "relu": "ReLU",
    "gelu": "GELU",
    "elu": "ELU",
    "nll": "negative log-likelihood",
    "mse": "mean squared error",
    "binary-cross-entropy": "binary cross-entropy",
}
_LAYOUT = ("training.segment", "training.block", "training.device", "copies.block")
"""How jobs are cut and where they ran: no part of what was done."""
_SHORT = ("system.", "training.", "dataset.", "analyses.")


@dataclass(frozen=True)
class Table:
    """A table of plain text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Values:
    """The values of each setting over all conditions."""

    def __init__(self, flat: Mapping[str, Mapping[str, Any]]) -> None:
        self._flat = flat
        self.keys = tuple(dict.fromkeys(key for settings in flat.values() for key in settings))

    def distinct(self, key: str) -> list[Any]:
        """The values that a setting takes, each once, in the order of the conditions; absent ones left out."""
        found: list[Any] = []
        for settings in self._flat.values():
            if settings.get(key) is not None and settings[key] not in found:
                found.append(settings[key])
        return found

    def differs(self, key: str) -> bool:
        """Whether conditions differ in a setting; for an analysis, those of the conditions that it covers."""
        covered = key.startswith("analyses.")
        return len({repr(own.get(key)) for own in self._flat.values() if key in own or not covered}) > 1

    def text(self, key: str) -> str:
        """The value in words; several are joined by "or"."""
        return joined([_NAMES.get(text := setting(value), text) for value in self.distinct(key)], "or")

    def kind(self, prefix: str) -> str:
        """The kind of a part and its settings: ``uniform-fan-in, scale 1``."""
        return ", ".join(filter(None, (self.text(f"{prefix}.kind"), self.under(prefix, ["kind"]))))

    def under(self, prefix: str, leave: Iterable[str] = ()) -> str:
        """All settings below a prefix as ``key value`` pairs, without those of no effect (absent, false, zero)."""
        skipped = {f"{prefix}.{name}" for name in leave}
        pairs = [
            f"{heading(key[len(prefix) + 1 :].replace('.', ' '))} {self.text(key)}"
            for key in self.keys
            if key.startswith(f"{prefix}.") and key not in skipped and any(self.distinct(key))
        ]
        return ", ".join(pairs)


def flatten(condition: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a condition by dotted key, e.g. ``system.optimizer.rate``."""
    flat: dict[str, Any] = {}
    for section in _SECTIONS:
        value = condition.get(section)
        if isinstance(value, Mapping):
            _walk(value, section, flat)
    return flat


def _walk(value: Mapping[str, Any], prefix: str, flat: dict[str, Any]) -> None:
    """Put nested settings into ``flat`` by dotted key; lists and grids of starts stay whole."""
    for key, inner in value.items():
        path = f"{prefix}.{key}"
        is_grid = isinstance(inner, Mapping) and {"from", "to", "points"} <= set(inner)
        if isinstance(inner, Mapping) and inner and not is_grid:
            _walk(inner, path, flat)
        else:
            flat[path] = inner


def conditions_table(
    conditions: Mapping[str, Mapping[str, Any]], flat: Mapping[str, Mapping[str, Any]], values: Values
) -> Table:
    """The conditions, with a column for each axis and for each other setting in which they differ."""
    axes = list(
        dict.fromkeys(axis for condition in conditions.values() for axis in condition.get("axes") or {})
    )
    differing = [
        key
        for key in values.keys
        if values.differs(key) and key not in _LAYOUT and not _said_by_axis(key, axes, conditions, flat)
    ]
    rows = []
    for name, condition in conditions.items():
        own = condition.get("axes") or {}
        cells = [setting(own[axis]) if axis in own else "–" for axis in axes]
        cells += [setting(flat[name][key]) if flat[name].get(key) is not None else "–" for key in differing]
        rows.append((name, *cells))
    return Table(("condition", *map(heading, axes), *map(_column, differing)), tuple(rows))


def _said_by_axis(
    key: str,
    axes: list[str],
    conditions: Mapping[str, Mapping[str, Any]],
    flat: Mapping[str, Mapping[str, Any]],
) -> bool:
    """Whether one axis already has the same value, or the same one in a list, in each condition."""

    def plain(value: Any) -> Any:
        return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value

    return any(
        all(
            plain(flat[name].get(key)) == (condition.get("axes") or {}).get(axis)
            for name, condition in conditions.items()
        )
        for axis in axes
    )


def _column(key: str) -> str:
    for prefix in _SHORT:
        key = key.removeprefix(prefix)
    return heading(key.replace(".", " · "))
