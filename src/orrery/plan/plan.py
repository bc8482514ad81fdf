"""The plan: all jobs of the chosen studies, a pure function of the config and of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from orrery.config.errors import OrreryError
from orrery.plan.job import Job


@dataclass(frozen=True)
class StudyJobs:
    """The jobs of one study.

    Attributes:
        name: the study.
        trajectories: by condition, the jobs of its blocks and segments.
        analyses: by analysis, then condition, the jobs of its blocks.
        comparisons, figures: by analysis.
        publish: the job that brings the results to their stable place.
    """

    name: str
    trajectories: dict[str, tuple[Job, ...]]
    analyses: dict[str, dict[str, tuple[Job, ...]]]
    comparisons: dict[str, Job]
    figures: dict[str, Job]
    claims: Job
    report: Job
    publish: Job


@dataclass(frozen=True)
class Plan:
    """All jobs, and the ends that a user can ask for.

    Attributes:
        results: the results folder, as the rules name it.
        studies: the jobs of each study, by its name.
        index: the job that publishes the page over all studies.
        execution: what a job is told that changes no result: threads, the folder of downloads.
    """

    results: str
    studies: dict[str, StudyJobs]
    index: Job
    execution: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """All jobs by their target, each after those that it reads."""
        found: dict[str, Job] = {}
        # A stack and not a recursion: a chain of segments may be longer than Python's stack.
        waiting = [(self.index, iter(self.index.upstream))]
        entered = {self.target(self.index)}
        while waiting:
            job, upstream = waiting[-1]
            following = next((one for one in upstream if self.target(one) not in entered), None)
            if following is None:
                found[self.target(job)] = job
                waiting.pop()
            else:
                entered.add(self.target(following))
                waiting.append((following, iter(following.upstream)))
        return found

    def target(self, job: Job) -> str:
        """Path of the job's declared output, as the rules name it."""
        return f"{self.results}/{job.target}"

    def at(self, target: str) -> Job:
        """Return the job that makes ``target``.

        Raises:
            OrreryError: the plan has no such target; another config or other code made it.
        """
        try:
            return self.jobs[str(target)]
        except KeyError:
            raise OrreryError(
                f"{target}: the present config and code make no such result; ask for a study or a stage "
                "by name, for example 'snakemake width' or 'snakemake analyses'."
            ) from None

    def inputs(self, target: str) -> list[str]:
        """Targets that the job behind ``target`` reads."""
        return list(dict.fromkeys(self.target(job) for job in self.at(target).upstream))

    def payload(self, target: str) -> dict[str, Any]:
        """What the script behind ``target`` gets."""
        return {**self.at(target).payload(self.results), "execution": self.execution}

    def of_stages(self, *stages: str, study: str | None = None) -> list[str]:
        """Targets of all jobs of some stages, of one study or of all."""
        return [
            target
            for target, job in self.jobs.items()
            if job.stage in stages and (study is None or job.study == study or job.stage == "data")
        ]

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs.values())


def unique(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """The jobs, each once, in their first order."""
    return tuple(dict.fromkeys(jobs))
