"""Reading the Snakefile is quick and imports nothing heavy: every job of a cluster does it again."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

HEAVY = (
    "torch",
    "xarray",
    "dask",
    "distributed",
    "scipy",
    "zarr",
    "sklearn",
    "matplotlib",
    "ot",
    "mlxtend",
    "pandas",
)
PARSE = """
import json, os, sys, time
import snakemake.cli
from snakemake.api import (
    ConfigSettings, DAGSettings, DeploymentSettings, OutputSettings, ResourceSettings, SnakemakeApi, StorageSettings,
)
from pathlib import Path
before = set(sys.modules)
with SnakemakeApi(OutputSettings()) as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(),
        storage_settings=StorageSettings(),
        snakefile=Path("Snakefile"),
    )
    start = time.process_time()
    workflow._workflow.include(workflow.snakefile, overwrite_default_target=True)
    seconds = time.process_time() - start
print(json.dumps([seconds, sorted(set(sys.modules) - before), sorted(before)]))
"""


def test_parsing_is_quick_and_light(lab: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        cwd=lab.folder,
        env=lab.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seconds, loaded, before = json.loads(done.stdout.splitlines()[-1])
    packages = {name.partition(".")[0] for name in loaded}
    assert packages.isdisjoint(HEAVY)
    # What Snakemake brings by itself is not ours to judge, but it must not hide what we would bring.
    assert not {name.partition(".")[0] for name in before} & set(HEAVY) - {"pandas"}
    assert "orrery" in packages
    assert seconds < 1.0
