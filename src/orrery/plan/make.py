"""Make one job with the code and the software of its stage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orrery.plan.entries import Entries
from orrery.plan.job import Job
from orrery.provenance.canonical import canonical

SHOWN_IN_ORDER = ("comparisons", "figures", "claims", "reports", "publish")
"""Stages whose results keep the order of conditions, analyses and claims; to all others order says nothing."""


def make(
    entries: Entries,
    stage: str,
    script: str,
    *,
    study: str,
    name: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, tuple[Job, ...]],
    extra: Iterable[str | Path] = (),
) -> Job:
    """Return the job of ``stage`` that ``scripts/<script>.py`` runs.

    Args:
        entries: digests of code and software.
        stage: one of the stages, or ``publish``.
        script: name of the script, without ending; with a function, ``script:function``, where it is not ``produce``.
        study: the study it belongs to, or ``""``.
        name: readable name, unique in the stage.
        settings: what it depends on, as plain JSON.
        inputs: the jobs that it reads, by label.
        extra: code entries beyond the script, ``module:definition`` or files.
    """
    code, parts = entries.code(script, extra)
    if stage not in SHOWN_IN_ORDER:
        settings = json.loads(canonical(settings))
    job = Job(stage, study, name, settings, code, entries.software(stage), dict(inputs), parts)
    # Computed here, one after the other, since a long chain of segments would overrun the stack later.
    _ = job.digest
    return job
