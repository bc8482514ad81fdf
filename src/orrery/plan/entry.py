"""From files to the plan: what the Snakefile and the commands call."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError
from orrery.config.loading import load_studies, load_workflow
from orrery.config.yaml_file import load_yaml
from orrery.plan.build import build
from orrery.plan.entries import Entries
from orrery.plan.plan import Plan
from orrery.provenance.code import CodeIndex

CACHE = Path(".orrery-cache/code.json")
"""What was read of code files, by their content, so that the next start need not read them again."""


def check_config(path: str) -> None:
    """Make sure that the config is there and is YAML, before Snakemake reads it.

    Raises:
        OrreryError: it is not, with file and line.
    """
    if not Path(path).is_file():
        raise OrreryError(
            f"{path}: there is no such file in {Path.cwd().name}/; write one that lists your studies, "
            "for example 'studies: [my-study]'."
        )
    if not isinstance(load_yaml(Path(path)).data, Mapping):
        raise OrreryError(f"{path}:1: must be a mapping of keys such as studies, scale, device")


def load_plan(path: str, overrides: Mapping[str, Any], home: Path) -> Plan:
    """Read the config and the studies and return the plan.

    Args:
        path: the config file.
        overrides: the config as Snakemake merged it, with what ``--config`` says.
        home: folder of the Snakefile, where the scripts are.

    Raises:
        ConfigError: every mistake in the config and the studies.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    workflow = load_workflow(Path(path), overrides)
    studies = load_studies(workflow)
    index = CodeIndex(
        {
            "orrery": Path(__file__).parents[1],
            "scripts": home / "scripts",
            "": Path.cwd(),
        },
        CACHE,
    )
    return build(workflow, studies, Entries(index))
