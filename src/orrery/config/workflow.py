"""config.yaml: which studies, at which scale, on which device, with how much parallelism."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, field_validator

from orrery.config.claims import Scale
from orrery.config.closed import Closed
from orrery.config.sections import Count, Device
from orrery.config.texts import Form

_SCHEDULER = (
    r"^(threads|synchronous|cluster|(tcp|tls)://([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):"
    r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))$"
)
_SCHEDULERS = (
    "a scheduler of Dask; write threads, synchronous, cluster, or the address of a running one such as "
    "tcp://127.0.0.1:8786"
)

_OBJECT_STORE = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9._-]*[A-Za-z0-9_-])*/?")


class Parallelism(Closed):
    """How much of the machine jobs use; results never depend on it."""

    threads: Count = Field(1, description="threads of one analysis job; training uses one")
    dask: Annotated[str, Form(_SCHEDULER, _SCHEDULERS)] = Field(
        "threads",
        description="what computes an analysis: threads; synchronous, for debugging; cluster, as many worker processes "
        "as threads; or the address of a running Dask scheduler",
    )
    worker_memory: Count | None = Field(
        None,
        description="megabytes of each worker of a cluster; where absent, an equal share of what the job has, else "
        "of what the machine has",
    )
    gpu_slots: Count = Field(1, description="training jobs that share one GPU of this machine at a time")
    forks: bool = Field(
        True,
        description="jobs on this machine are forks of one process that has imported the packages; false: each "
        "imports them itself, which takes seconds",
    )


class WorkflowConfig(Closed):
    """The settings of a whole workflow; all science stands in the studies."""

    studies: tuple[str, ...] = Field(
        ("mirror-descent", "width"),
        min_length=1,
        description="names of studies (studies/<name>.yaml), or paths of study files",
    )
    scale: Scale = Field("laptop", description="laptop: minutes on two cores; paper: the sizes of the paper")
    device: Device = Field("auto", description="where training runs, unless a study says otherwise")
    parallelism: Parallelism = Field(Parallelism(), description="how much of the machine jobs use")
    take_over: bool = Field(
        True,
        description="a job takes over an earlier result of the same key instead of producing it again; "
        "false with snakemake -F produces everything anew, to see that it gives the same bytes",
    )
    results: str = Field("results", min_length=1, description="folder of all results")
    trajectories: str | None = Field(
        None,
        description="object store for the bytes of trajectories, s3://bucket/folder; beside their manifests where "
        "absent. Changing it makes nothing stale",
    )
    cache: str | None = Field(
        None,
        min_length=1,
        description="folder of downloads; ~/.cache/orrery where absent; ORRERY_CACHE comes first",
    )

    _folder: Path = PrivateAttr(default=Path())

    @field_validator("studies", mode="before", json_schema_input_type=str | tuple[str, ...])
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        """Accept ``--config studies=width`` and ``studies=width,mirror-descent``."""
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("take_over", mode="before", json_schema_input_type=bool)
    @classmethod
    def _text_or_bool(cls, value: Any) -> Any:
        """Accept ``--config take_over=false``, which Snakemake hands over as text."""
        return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value

    @field_validator("trajectories")
    @classmethod
    def _object_store(cls, value: str | None) -> str | None:
        if value is not None and not _OBJECT_STORE.fullmatch(value):
            raise ValueError(
                "must be s3://bucket or s3://bucket/folder, in letters, digits, '-', '_', '.' and '/'; the address of "
                "the server and the keys stand in the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …)"
            )
        return value.rstrip("/") if value else value

    @property
    def folder(self) -> Path:
        """Folder of the config file; names and relative paths of studies start there."""
        return self._folder

    def study_path(self, study: str) -> Path:
        """Return the file of a study that is given by name or by path."""
        if study.endswith((".yaml", ".yml")) or "/" in study:
            return self._folder / Path(study).expanduser()
        return self._folder / "studies" / f"{study}.yaml"

    def cache_folder(self) -> Path:
        """Return the folder of downloads; the environment variable ORRERY_CACHE comes first."""
        chosen = os.environ.get("ORRERY_CACHE") or self.cache or "~/.cache/orrery"
        return Path(chosen).expanduser()
