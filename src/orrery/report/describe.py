"""What a study did, in words, from its settings alone.

A setting in which conditions differ is told as the list of its values, and the table of conditions says
which has which; everything else is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orrery.report.settings_table import Table, Values, conditions_table, flatten
from orrery.report.wording import count, heading, joined, setting


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
            ``record``, ``analyses``, of a branch also ``branch``;
            ``training.seeds`` is the list of seeds) and ``analyses`` (name -> settings).
    """
    conditions: Mapping[str, Mapping[str, Any]] = study.get("conditions") or {}
    flat = {name: flatten(condition) for name, condition in conditions.items()}
    values = Values(flat)
    writers: tuple[tuple[str, Callable[[Values], str]], ...] = (
        ("Data", _dataset),
        ("System", _system),
        ("Optimizer", _optimizer),
        ("Batches", _batches),
        ("Training", _training),
        ("Copies", _copies),
        ("Branches", _branches),
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
    return Description(steps, conditions_table(conditions, flat, values), analyses, everything)


def _dataset(values: Values) -> str:
    name = values.text("dataset.name")
    if not name:
        return ""
    more = values.under("dataset", ["name"])
    return f"{name}{f' ({more})' if more else ''}."


def _system(values: Values) -> str:
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
        layers = [
            setting(one) if len(one) > 3 else " and ".join(map(setting, one)) or "none" for one in hidden
        ]
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


def _optimizer(values: Values) -> str:
    text = values.kind("system.optimizer")
    return f"{text}." if text else ""


def _batches(values: Values) -> str:
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
    if any(values.distinct("system.label_noise")):
        more = ", ".join(filter(None, (more, f"label noise {values.text('system.label_noise')}")))
    return f"{f'{size} samples each, ' if size else ''}{text}{f'; {more}' if more else ''}."


def _training(values: Values) -> str:
    seeds = values.distinct("training.seeds")
    if not seeds:
        return ""
    text = f"{values.text('training.steps')} steps in {values.text('training.dtype')}"
    if len(seeds) == 1:
        text += f", for {count(len(seeds[0]), 'seed')}: {setting(seeds[0])}"
    else:
        text += f", for {joined([str(len(one)) for one in seeds], 'or')} seeds"
    return f"{text}."


def _copies(values: Values) -> str:
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


def _branches(values: Values) -> str:
    left = values.distinct("branch.of")
    if not left:
        return ""
    return (
        f"Some conditions are branches of {joined(left, 'and')}: they start from the states of the "
        "original runs after a step, and count their steps on. Their copies are perturbed there."
    )


def _streams(values: Values) -> str:
    parts = []
    for key in values.keys:
        if not key.startswith("streams."):
            continue
        _, name, change = key.split(".", 2)
        verb = {"shift": "integer of the seed plus", "hold": "held at"}.get(change, change)
        others = ", and that of the seed itself in other conditions" if values.differs(key) else ""
        parts.append(f"{name}: {verb} {values.text(key)}{others}")
    return "; ".join(parts) + "." if parts else ""


def _record(values: Values) -> str:
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


def _steps(values: Values) -> str:
    if values.distinct("record.steps.logarithmic"):
        return f"at {values.text('record.steps.logarithmic')} steps per factor of ten"
    every = values.distinct("record.steps.every")
    text = "at every step" if every in ([], [1]) else f"every {values.text('record.steps.every')} steps"
    window = values.distinct("record.steps.window")
    return f"{text} from {window[0][0]} to {window[0][1]}" if len(window) == 1 else text


def _flatten_analysis(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of an analysis, those of its parts by dotted keys; what says nothing is left out."""
    plain: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            plain.update({f"{key}.{inner}": deeper for inner, deeper in value.items()})
        else:
            plain[key] = value
    if isinstance(plain.get("steps"), (list, tuple)):
        plain["steps"] = f"{plain['steps'][0]} to {plain['steps'][1]}"
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
