"""config.yaml and the study files, read and checked; all that is wrong is told at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from orrery.config.claims import Scale
from orrery.config.errors import ConfigError, Problem, nearest
from orrery.config.merge import deep_merge
from orrery.config.places import Elsewhere, Places, Problems, Written
from orrery.config.resolving import resolve
from orrery.config.study import ResolvedStudy
from orrery.config.validation import validate
from orrery.config.workflow import WorkflowConfig
from orrery.config.yaml_file import load_yaml, shown_path

TARGETS = frozenset(
    (
        *("all", "data", "trajectories", "analyses", "comparisons", "figures", "claims", "report", "reports"),
        *("store", "publish", "index", "prune", "verify", "estimate", "explain"),
    )
)
"""Names that targets of the workflow and folders of the results have; no study can be called so."""

_STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def load_workflow(path: Path | str, overrides: Mapping[str, Any] | None = None) -> WorkflowConfig:
    """Read config.yaml.

    Args:
        path: the file.
        overrides: values laid over it, as ``snakemake --config scale=paper`` gives them.

    Raises:
        ConfigError: all that is wrong, each with file, line, key, value and what is allowed.
    """
    path = Path(path)
    document = load_yaml(path)
    problems = Problems()
    places = Places((Written(document),))
    if not isinstance(document.data, Mapping):
        raise ConfigError([places.problem((), "must be a mapping of keys such as studies, scale, device")])
    changed = _differing(document.data, overrides or {})
    places = places.over(Elsewhere.of("--config", changed))
    config = validate(WorkflowConfig, deep_merge(document.data, changed), places, (), problems)
    if config is not None:
        config._folder = path.parent
        _check_studies(config, places, problems)
    problems.raise_if_any()
    assert config is not None
    return config


def load_study(path: Path | str, workflow: WorkflowConfig) -> ResolvedStudy:
    """Read one study file at the scale of the workflow.

    The other scales of the file are checked as well, so that a mistake shows before someone needs them.

    Raises:
        ConfigError: as ``load_workflow``.
    """
    problems = Problems()
    study = _load(Path(path), workflow, problems)
    problems.raise_if_any()
    assert study is not None
    return study


def load_studies(workflow: WorkflowConfig) -> dict[str, ResolvedStudy]:
    """Read all studies of the workflow, by name, in its order.

    Raises:
        ConfigError: the problems of all files together.
    """
    problems = Problems()
    studies = {}
    for name in workflow.studies:
        study = _load(workflow.study_path(name), workflow, problems)
        if study is not None:
            studies[study.name] = study
    problems.raise_if_any()
    return studies


def _load(path: Path, workflow: WorkflowConfig, problems: Problems) -> ResolvedStudy | None:
    if not _STUDY.fullmatch(path.stem) or path.stem in TARGETS:
        message = f"'{path.stem}' cannot name a study; use letters, digits, . _ - and no name of a target"
        problems.add(Problem(shown_path(path), None, "", message))
        return None
    try:
        document = load_yaml(path)
    except ConfigError as error:
        problems.add(*error.problems)
        return None
    chosen = None
    for scale in get_args(Scale):
        found = Problems()
        study = resolve(document, path, scale, workflow.device, found)
        problems.add(*found.in_order())
        if scale == workflow.scale:
            chosen = study
    return chosen


def _check_studies(config: WorkflowConfig, places: Places, problems: Problems) -> None:
    stems: dict[str, str] = {}
    for index, study in enumerate(config.studies):
        path = config.study_path(study)
        known = sorted(file.stem for file in (config.folder / "studies").glob("*.yaml"))
        if not path.is_file():
            message = (
                f"there is no study '{study}' ({shown_path(path)} does not exist); {nearest(study, known)}"
            )
            problems.add(places.problem(("studies", index), message))
        elif path.stem in stems:
            message = (
                f"'{study}' and '{stems[path.stem]}' have the same name; a study is known by its file's name"
            )
            problems.add(places.problem(("studies", index), message))
        stems[path.stem] = study


def _differing(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of ``over`` that says something else than ``base``.

    Snakemake's config holds the file's values too, and those are the file's.
    """
    differing: dict[str, Any] = {}
    for key, value in over.items():
        known = base.get(key)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            inner = _differing(known, value)
            if inner:
                differing[key] = inner
        elif key not in base or known != value:
            differing[key] = value
    return differing
