"""A job of the plan: everything that it depends on, and the place of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from orrery.provenance.canonical import digest, key_order

STAGES = (
    "data",
    "trajectories",
    "analyses",
    "comparisons",
    "figures",
    "claims",
    "reports",
)


def in_path(name: str) -> str:
    """The readable name of a job or a condition as it stands in paths: with ``+`` for each comma.

    Snakemake 9.27 hands the jobs that it submits to a cluster their names between commas.
    """
    return name.replace(",", "+")


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        stage: one of ``STAGES``, or ``publish``.
        study: the study it belongs to; empty for a dataset or for the index of all studies.
        name: readable name, unique in its stage.
        settings: the slice of the config that it depends on, as plain JSON.
        code: digest of the code it runs.
        software: versions of the packages it uses.
        inputs: the jobs whose results it reads, by label, in order.
        code_parts: digest of each definition behind ``code``, to say later what changed.
    """

    stage: str
    study: str
    name: str
    settings: Mapping[str, Any]
    code: str
    software: Mapping[str, str]
    inputs: Mapping[str, tuple[Job, ...]] = field(default_factory=dict)
    code_parts: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """All that the job depends on, with the specs upstream by their digests."""
        return {
            **self.own,
            "inputs": {label: [job.digest for job in jobs] for label, jobs in self.inputs.items()},
        }

    @cached_property
    def own(self) -> dict[str, Any]:
        """What the job itself brings, without anything upstream."""
        return {
            "stage": self.stage,
            "settings": self.settings,
            "order": key_order(self.settings),
            "code": self.code,
            "software": dict(self.software),
        }

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name the spec."""
        return digest(self.spec)

    def __hash__(self) -> int:
        return hash((self.stage, self.name, self.digest))

    @cached_property
    def target(self) -> PurePosixPath:
        """The one declared output below the results folder: the manifest, or the marker of a publication."""
        if self.stage == "publish":
            return PurePosixPath(self.name) / f"published@{self.digest}.json"
        return PurePosixPath("store") / self.stage / f"{in_path(self.name)}@{self.digest}.json"

    @cached_property
    def upstream(self) -> tuple[Job, ...]:
        """The jobs that it reads, each once."""
        found = {job.target: job for jobs in self.inputs.values() for job in jobs}
        return tuple(found.values())

    def payload(self, results: str) -> dict[str, Any]:
        """What the script gets: plain JSON, with the targets of its inputs below ``results``."""
        return {
            **self.own,
            "study": self.study,
            "name": self.name,
            "digest": self.digest,
            "results": results,
            "target": str(PurePosixPath(results) / self.target),
            "inputs": {
                label: [str(PurePosixPath(results) / job.target) for job in jobs]
                for label, jobs in self.inputs.items()
            },
            "spec": self.spec,
        }
