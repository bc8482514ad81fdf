"""A study as the plan reads it: every setting in its place, every default written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from orrery.config.claims import Claim
from orrery.config.figures import Figures
from orrery.config.sections import Branch, Copies, Record, Streams, Training
from orrery.config.study_file import Paper


@dataclass(frozen=True)
class Condition:
    """One condition of a study.

    Attributes:
        name: safe as part of a file name.
        axes: its place on the axes of a grid (value, or label where the values are labelled), or as a named condition
            gives it.
        dataset: settings of the dataset with its ``name`` and all defaults, plain JSON; None for maps.
        system: settings of the system with its ``kind`` and all defaults, plain JSON.
        training, streams, copies, record: the sections of those names.
        analyses: settings of the analyses that cover this condition, with its overrides.
        branch: the condition that its runs leave, and when; ``None`` where they start by themselves.
    """

    name: str
    axes: Mapping[str, Any]
    dataset: Mapping[str, Any] | None
    system: Mapping[str, Any]
    training: Training
    streams: Streams
    copies: Copies
    record: Record
    analyses: Mapping[str, BaseModel]
    branch: Branch | None = None

    @property
    def start(self) -> int:
        """The step at which its runs begin: 0, or that of a branch."""
        return self.branch.at if self.branch else 0

    def settings(self) -> dict[str, Any]:
        """Return system, training, streams, copies and record as plain JSON: what a training job is given.

        Of a branch also ``branch``: the step at which it begins. Which condition it leaves is said by what it reads.
        """
        sections = {
            name: getattr(self, name).model_dump(mode="json", by_alias=True)
            for name in ("training", "streams", "copies", "record")
        }
        branch = {"branch": {"at": self.branch.at}} if self.branch else {}
        return {"system": dict(self.system), **sections, **branch}


@dataclass(frozen=True)
class ResolvedStudy:
    """One study at one scale.

    Attributes:
        name: stem of its file.
        path: its file.
        title, summary, paper: what the report is headed with.
        scale: ``laptop`` or ``paper``.
        conditions: by name, in the order of the study.
        analyses: settings of every analysis at the level of the study.
        claims: by identifier, in the order of the study; those of other scales are kept.
        figures: settings of the report's figures.
    """

    name: str
    path: Path
    title: str
    summary: str
    paper: Paper | None
    scale: str
    conditions: Mapping[str, Condition]
    analyses: Mapping[str, BaseModel]
    claims: Mapping[str, Claim]
    figures: Figures

    def covered_by(self, analysis: str) -> tuple[str, ...]:
        """Return the names of the conditions that an analysis covers, in the order of the study."""
        return tuple(name for name, condition in self.conditions.items() if analysis in condition.analyses)
