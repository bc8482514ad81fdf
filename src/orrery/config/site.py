"""The file of a cluster: the account, and what its partitions take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, field_validator

from orrery.config.closed import Closed
from orrery.config.errors import ConfigError
from orrery.config.places import Places, Problems, Written
from orrery.config.sections import Count
from orrery.config.validation import validate
from orrery.config.yaml_file import load_yaml


class Partition(Closed):
    """What one partition takes; no limit where absent. A job goes to the partition that it fits best."""

    max_runtime: Count | str | None = Field(None, description="longest job: minutes, or 4h, 2d, 1-00:00:00")
    max_mem_mb: Count | None = Field(None, description="most memory of a job in megabytes")
    max_threads: Count | None = Field(None, description="most cores of a job")
    max_gpu: int = Field(0, ge=0, description="most GPUs of a job; 0 for a partition without GPUs")
    available_gpu_models: tuple[str, ...] | None = Field(
        None, description="models of its GPUs, as Slurm names them"
    )

    @field_validator("max_runtime", mode="before")
    @classmethod
    def _time(cls, value: object) -> object:
        if isinstance(value, str) and not any(sign.isdigit() for sign in value):
            raise ValueError(f"must be a time such as 240, 4h or 1-00:00:00, not {value!r}")
        return value


class Site(Closed):
    """A cluster, as ``profiles/slurm/site.yaml`` describes it."""

    account: str | None = Field(
        None, min_length=1, description="account that jobs are charged to; none where absent"
    )
    partitions: dict[str, Partition] = Field(min_length=1, description="by the names that Slurm gives them")


def load_site(path: Path) -> Site:
    """Read the file of a cluster.

    Raises:
        ConfigError: all that is wrong with it, each with file, line and key.
    """
    document = load_yaml(path)
    problems = Problems()
    places = Places((Written(document),))
    if not isinstance(document.data, Mapping):
        raise ConfigError([places.problem((), "must be a mapping of the keys account and partitions")])
    site = validate(Site, document.data, places, (), problems)
    problems.raise_if_any()
    assert site is not None
    return site
