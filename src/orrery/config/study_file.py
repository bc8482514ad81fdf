"""The shape of a study file; what depends on an extension (system, dataset, method) is checked by its module."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from orrery.config.claims import Claim, KnownFrom
from orrery.config.closed import Closed
from orrery.config.figures import Figures
from orrery.config.texts import Form

SECTIONS = ("dataset", "system", "training", "streams", "copies", "record", "analyses", "branch")
"""The sections that a condition may override; ``branch`` has no place but in a condition."""

Open = dict[str, Any]
"""A mapping that is checked later, merged and by the module that it names."""


class Paper(Closed):
    """The paper whose claims a study checks."""

    citation: str = Field(min_length=1, description="authors, title, venue, year")
    arxiv: (
        Annotated[
            str, Form(r"^\d{4}\.\d{4,5}$|^[a-z-]+/\d{7}$", 'an arXiv number such as "2302.09160", in quotes')
        ]
        | None
    ) = Field(None, description='arXiv number in quotes: "2302.09160"')
    doi: Annotated[str, Form(r"^10\.\d+/\S+$", "a DOI such as 10.48550/arXiv.2302.09160")] | None = Field(
        None, description="DOI, without https://doi.org/"
    )
    known_from: KnownFrom = Field(description="how we know what the paper says")


class Scales(Closed):
    """The same study at two sizes: what each scale changes."""

    laptop: Open | None = Field(None, description="laid over the study at scale laptop")
    paper: Open | None = Field(None, description="laid over the study at scale paper")


class StudyFile(Closed):
    """One study: systems, conditions, what is recorded, analyses and claims."""

    title: str = Field(min_length=1, description="title of the report")
    summary: str = Field("", description="what is studied and why, in a few sentences")
    paper: Paper | None = Field(None, description="the paper whose claims are checked")
    dataset: Open | None = Field(None, description="dataset by name, with its settings; absent for maps")
    system: Open | None = Field(None, description="what evolves, by kind, with its settings")
    training: Open = Field({}, description="steps, seeds, and how they are split into jobs")
    streams: Open | None = Field(None, description="changes to the streams of random numbers")
    copies: Open | None = Field(None, description="slightly perturbed copies of every run")
    record: Open | None = Field(None, description="what is written down while training")
    conditions: Open = Field(min_length=1, description="named overrides, or a grid of axes")
    analyses: dict[str, Open] = Field({}, description="analyses by name, each with its method")
    claims: dict[str, Claim] = Field({}, description="claims of the paper as checks on numbers")
    figures: Figures = Field(Figures(), description="how the figures look")
    scales: Scales = Field(Scales(), description="what the scales laptop and paper change")


class Override(Closed):
    """What a condition changes; everything else is that of the study, or of the condition that a branch leaves."""

    dataset: Open | None = Field(None, description="changes to the dataset")
    system: Open | None = Field(None, description="changes to the system")
    training: Open | None = Field(None, description="changes to steps, segment, dtype, …")
    streams: Open | None = Field(None, description="changes to the streams of random numbers")
    copies: Open | None = Field(None, description="changes to the copies")
    record: Open | None = Field(None, description="changes to what is recorded")
    analyses: dict[str, Open] = Field({}, description="changes to settings of analyses, by name")
    axes: dict[str, float | str] = Field(
        {},
        description="its place on axes, which analyses draw along, as a grid would say it; changes nothing of the runs",
    )
    branch: Open | None = Field(
        None, description="the condition that its runs leave, and the step after which they do"
    )
