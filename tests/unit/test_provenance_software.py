"""Software versions: of the packages a stage uses, never of the machine."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.provenance import software as module
from orrery.provenance.software import STAGE_PACKAGES, full_version, software, versions


@pytest.mark.parametrize("stage", STAGE_PACKAGES)
def test_versions_are_those_installed(stage: str) -> None:
    found = software(stage)
    assert set(found) == {"python", *STAGE_PACKAGES[stage]}
    for package in STAGE_PACKAGES[stage]:
        assert full_version(package) == importlib.metadata.version(package)
        assert found[package] == importlib.metadata.version(package).split("+")[0]


def test_only_the_minor_version_of_python_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    Version = namedtuple("Version", "major minor micro releaselevel serial")
    now = versions([])
    monkeypatch.setattr(module.sys, "version_info", Version(*sys.version_info[:2], 99, "final", 0))
    assert versions([]) == now
    monkeypatch.setattr(module.sys, "version_info", Version(3, 99, 0, "final", 0))
    assert versions([]) != now


def test_local_part_of_a_version_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "orbiter-2.1+cu130.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: orbiter\nVersion: 2.1+cu130\n\nVersion: 9\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    full_version.cache_clear()
    assert full_version("orbiter") == "2.1+cu130"
    assert versions(["orbiter"])["orbiter"] == "2.1"


def test_an_absent_package_is_one_sentence() -> None:
    with pytest.raises(OrreryError, match="package nowhere-to-be-found is not installed"):
        versions(["nowhere-to-be-found"])


def test_no_package_is_imported() -> None:
    code = (
        "import sys\nfrom orrery.provenance.software import STAGE_PACKAGES, software\n"
        "[software(stage) for stage in STAGE_PACKAGES]\n"
        "print(sorted({'torch', 'numpy', 'zarr', 'xarray', 'dask', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
