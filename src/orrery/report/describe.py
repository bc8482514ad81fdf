"""What a study did, in words, from its settings alone.

A setting in which conditions differ is told as the list of its values, and the table of conditions says
which has which; everything else is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orrery.report.wording import count, heading, joined, setting

_SECTIONS = ("dataset", "system", "training", "streams", "copies", "record", "analyses")
_NAMES = {
    "sgd": "stochastic gradient descent",
    "adam": "Adam",
    "adamw": "AdamW",
    "relu": "ReLU",
    "gelu": "GELU",
    "elu": "ELU",
    "nll": "negative log-likelihood",
    "mse": "mean squared error",
}
_LAYOUT = ("training.segment", "training.block", "training.device")
"""How jobs are cut and where they ran: no part of what was done."""
_SHORT = ("system.", "training.", "dataset.", "analyses.")


@dataclass(frozen=True)
class Table:
    """A table of plain text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Description:
    """A study in words.

    Attributes:
        steps: what was done, as (heading, sentence), in the order in which it was done.
        conditions: the conditions, with what they differ in.
        analyses: name -> settings of each analysis as (heading, text).
        settings: condition -> all its settings as (key, text).
    """

    steps: tuple[tuple[str, str], ...]
    conditions: Table
    analyses: dict[str, tuple[tuple[str, str], ...]]
    settings: dict[str, tuple[tuple[str, str], ...]]


def describe(study: Mapping[str, Any]) -> Description:
    """Say what a study did.

    Args:
        study: ``conditions`` (name -> ``axes``, ``dataset``, ``system``, ``training``, ``streams``, ``copies``,
            ``record``, ``analyses``; ``training.seeds`` is the list of seeds) and ``analyses`` (name -> settings).
    """
    conditions: Mapping[str, Mapping[str, Any]] = study.get("conditions") or {}
    flat = {name: _flatten(condition) for name, condition in conditions.items()}
    values = _Values(flat)
    writers: tuple[tuple[str, Callable[[_Values], str]], ...] = (
        ("Data", _dataset),
        ("System", _system),
        ("Optimizer", _optimizer),
        ("Batches", _batches),
        ("Training", _training),
        ("Copies", _copies),
        ("Random streams", _streams),
        ("Recorded", _record),
    )
    steps = tuple((title, text) for title, writer in writers if (text := writer(values)))
    analyses = {
        name: tuple((heading(key), setting(value)) for key, value in _flatten_analysis(settings).items())
        for name, settings in (study.get("analyses") or {}).items()
    }
    everything = {
        name: tuple((key, setting(value)) for key, value in settings.items())
        for name, settings in flat.items()
    }
    return Description(steps, _conditions(conditions, flat, values), analyses, everything)


class _Values:
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


def _dataset(values: _Values) -> str:
    name = values.text("dataset.name")
    if not name:
        return ""
    more = values.under("dataset", ["name"])
    return f"{name}{f' ({more})' if more else ''}."


def _system(values: _Values) -> str:
    kinds = values.distinct("system.kind")
    if kinds != ["network"]:
        shared = values.under("system", ["kind"]) if len(kinds) == 1 else ""
        noun = "A system" if len(kinds) == 1 else "Systems"
        return f"{noun} of kind {joined(kinds, 'and')}{f': {shared}' if shared else ''}." if kinds else ""
    kind = {"mlp": "fully connected network"}.get(values.text("system.network.kind"), "") or (
        f"network of kind {values.text('system.network.kind')}"
    )
    parts = [f"A {kind}"]
    hidden = values.distinct("system.network.hidden")
    if hidden:
        layers = [" and ".join(setting(width) for width in one) or "none" for one in hidden]
        parts.append(f"hidden layers of {joined(layers, 'or')} units")
    more = values.under("system.network", ["kind", "hidden", "bias"])
    if more:
        parts.append(more)
    bias = values.distinct("system.network.bias")
    if bias:
        parts.append(
            {(True,): "with biases", (False,): "without biases"}.get(tuple(bias), "with or without biases")
        )
    text = ", ".join(parts) + "."
    for name in ("initialisation", "loss"):
        settings = values.kind(f"system.{name}")
        if settings:
            text += f" {heading(name).capitalize()}: {settings}."
    return text


def _optimizer(values: _Values) -> str:
    text = values.kind("system.optimizer")
    return f"{text}." if text else ""


def _batches(values: _Values) -> str:
    kinds = values.distinct("system.batches.kind")
    if not kinds:
        return ""
    words = {
        "shuffled": "shuffled anew in each epoch",
        "full": "the full training set in each step",
        "fixed": "in a fixed order",
    }
    text = joined([words.get(kind, kind) for kind in kinds], "or")
    size = values.text("system.batches.size")
    more = values.under("system.batches", ["kind", "size"])
    return f"{f'{size} samples each, ' if size else ''}{text}{f'; {more}' if more else ''}."


def _training(values: _Values) -> str:
    seeds = values.distinct("training.seeds")
    if not seeds:
        return ""
    text = f"{values.text('training.steps')} steps in {values.text('training.dtype')}"
    if len(seeds) == 1:
        text += f", for {count(len(seeds[0]), 'seed')}: {setting(seeds[0])}"
    else:
        text += f", for {joined([str(len(one)) for one in seeds], 'or')} seeds"
    return f"{text}."


def _copies(values: _Values) -> str:
    amounts = values.distinct("copies.count")
    if not amounts or amounts == [1]:
        return ""
    kind, distribution, size = (values.text(f"copies.{key}") for key in ("kind", "distribution", "amplitude"))
    tensors = values.text("copies.tensors")
    scope = "all tensors" if tensors in ("*", "") else tensors
    return (
        f"{values.text('copies.count')} runs of each seed: the original, and copies with {scope} perturbed at the "
        f"start ({kind}, {distribution}, amplitude {size}). Copies of a seed share their batches."
    )


def _streams(values: _Values) -> str:
    parts = []
    for key in values.keys:
        if not key.startswith("streams."):
            continue
        _, name, change = key.split(".", 2)
        verb = {"shift": "integer of the seed plus", "hold": "held at"}.get(change, change)
        others = ", and that of the seed itself in other conditions" if values.differs(key) else ""
        parts.append(f"{name}: {verb} {values.text(key)}{others}")
    return "; ".join(parts) + "." if parts else ""


def _record(values: _Values) -> str:
    parts = []
    state = values.distinct("record.state")
    if state and state != [[]]:
        what = joined(
            ["the whole state" if one == "all" else setting(one) for one in state if one != []], "or"
        )
        parts.append(f"{what} {_steps(values)}")
    if values.distinct("record.observables") not in ([], [[]]):
        found = values.distinct("record.observables")
        parts.append(f"observables {joined([setting(one) for one in found if one], 'or')}")
    if values.distinct("record.metrics") not in ([], [[]]):
        parts.append(f"{values.text('record.metrics')} at each step")
    if values.distinct("record.evaluate.metrics"):
        every = values.text("record.evaluate.every")
        often = "at each step" if every == "1" else f"every {every} steps"
        parts.append(f"{values.text('record.evaluate.metrics')} {often}")
    if values.distinct("record.projection.dimension"):
        parts.append(f"a random projection to {values.text('record.projection.dimension')} dimensions")
    text = "; ".join(parts)
    return f"{text}." if text else ""


def _steps(values: _Values) -> str:
    if values.distinct("record.steps.logarithmic"):
        return f"at {values.text('record.steps.logarithmic')} steps per factor of ten"
    every = values.distinct("record.steps.every")
    text = "at every step" if every in ([], [1]) else f"every {values.text('record.steps.every')} steps"
    window = values.distinct("record.steps.window")
    return f"{text} from {window[0][0]} to {window[0][1]}" if len(window) == 1 else text


def _conditions(
    conditions: Mapping[str, Mapping[str, Any]], flat: Mapping[str, Mapping[str, Any]], values: _Values
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


def _flatten(condition: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section in _SECTIONS:
        value = condition.get(section)
        if isinstance(value, Mapping):
            _walk(value, section, flat)
    return flat


def _walk(value: Mapping[str, Any], prefix: str, flat: dict[str, Any]) -> None:
    for key, inner in value.items():
        path = f"{prefix}.{key}"
        is_grid = isinstance(inner, Mapping) and {"from", "to", "points"} <= set(inner)
        if isinstance(inner, Mapping) and inner and not is_grid:
            _walk(inner, path, flat)
        else:
            flat[path] = inner


def _flatten_analysis(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of an analysis, nested ones by dotted keys; those that say nothing are left out."""
    flat: dict[str, Any] = {}
    _walk(settings, "", flat)
    plain = {key[1:]: value for key, value in flat.items()}
    idle = {"conditions": ["*"], "gather": False}
    return {
        key.replace(".", " · "): value
        for key, value in plain.items()
        if value is not None
        and value not in ([], {}, ())
        and not (key in idle and _as_list(value) == idle[key])
    }


def _as_list(value: Any) -> Any:
    """Tuples as lists, so that settings compare alike before and after JSON."""
    return list(value) if isinstance(value, tuple) else value
