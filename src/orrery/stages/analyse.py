"""The stage ``analyses``: one method on the trajectory of a condition, or on an earlier result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from orrery.provenance.manifest import store_of
from orrery.stages.sources import open_results, open_trajectory


def analyse(payload: Mapping[str, Any], out: Path) -> None:
    """Analyse every condition of the payload; the results of several go to a folder each."""
    conditions = payload["settings"]["conditions"]
    gathered = payload["name"].endswith("/all") and payload["name"].count("/") == 2
    with payload["computing"]():
        for name, described in conditions.items():
            place = out / name if gathered else out
            place.mkdir(parents=True, exist_ok=True)
            _analyse_one(payload, name, described, place)


def _analyse_one(payload: Mapping[str, Any], name: str, described: Mapping[str, Any], out: Path) -> None:
    from orrery.analyses.api import Context
    from orrery.analyses.results import write_result
    from orrery.config import extensions

    module = extensions.load("analyses", described["settings"]["method"])
    # What is read is kept apart in the spec, where its own spec stands for its name.
    settings = module.Settings.model_validate({**described["settings"], "of": described["of"]})
    manifests = payload["inputs"][name]
    source = (
        open_trajectory(manifests, described, payload["bytes_of"])
        if described["of"] == "trajectory"
        else open_results(manifests, name)
    )
    context = Context(
        condition=name,
        axes=described["axes"],
        workers=payload["execution"]["threads"],
        system=_system(payload, name, described),
        replay=_replay(payload, name, described),
    )
    write_result(module.analyse(source, settings, context), out)


def _system(payload: Mapping[str, Any], name: str, described: Mapping[str, Any]) -> Callable[[], Any] | None:
    """A function that builds the system of the condition, for the analyses that ask for one."""
    if "system" not in described:
        return None
    return partial(payload["build_system"], described["system"], _dataset(payload, name))


def _replay(payload: Mapping[str, Any], name: str, described: Mapping[str, Any]) -> Callable[[], Any] | None:
    """A function that opens the runs of the condition for being iterated again, for the analyses that ask for it."""
    manifests = payload["inputs"].get(f"checkpoints of {name}")
    if not manifests:
        return None
    folders = [payload["bytes_of"](store_of(Path(manifest))) for manifest in manifests]
    return partial(payload["open_replay"], described["system"], _dataset(payload, name), folders)


def _dataset(payload: Mapping[str, Any], name: str) -> Path | None:
    manifests = payload["inputs"][f"dataset of {name}"]
    return store_of(Path(manifests[0])) if manifests else None
