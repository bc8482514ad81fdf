"""Changes of the installed software: exactly the jobs whose packages they are, and what reads them."""

from __future__ import annotations

from typing import Any

import pytest

from .table import add, holds
from .test_changes_code import ANALYSED, DRAWN, MAPS, NETWORKS, PAGES

EVERYTHING = {"dataset iris", *NETWORKS, *MAPS, *ANALYSED}
PYTHON = """
from types import SimpleNamespace

import orrery.provenance.software

orrery.provenance.software.sys = SimpleNamespace(version_info=SimpleNamespace(major=3, minor=MINOR, micro=MICRO))
"""

# What gets another version, which, and the jobs that it makes stale.
VERSIONS: dict[str, tuple[str, str, set[str]]] = {
    "a package of analyses (scipy)": ("scipy", "99.0.0", ANALYSED),
    "a package of pages (jinja2)": ("jinja2", "99.0.0", {*DRAWN, *PAGES}),
    "a package of all (zarr)": ("zarr", "99.0.0", EVERYTHING),
    "the build of a package (torch +cpu)": ("torch", "{installed}+other", set()),
    "a package that no stage uses (pooch)": ("pooch", "99.0.0", set()),
}


for _change, (_, _, _jobs) in VERSIONS.items():
    add(
        "software", f"the version of {_change}", _jobs, "test_changes_software::test_the_version_of_a_package"
    )


@pytest.mark.parametrize("change", VERSIONS)
def test_the_version_of_a_package(lab: Any, change: str) -> None:
    package, version, expected = VERSIONS[change]
    version = version.replace("{installed}", installed(package))
    folder = lab.path("src") / f"{package}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lab.settles(expected)


@holds("software", "Python's patch version", ())
@holds("software", "Python's minor version", EVERYTHING)
def test_the_version_of_python(lab: Any) -> None:
    """As the code sees it: a process of another Python cannot be had here."""
    place = lab.path("src/sitecustomize.py")
    place.write_text(PYTHON.replace("MINOR", "11").replace("MICRO", "99"))
    assert lab.dry() == set()
    place.write_text(PYTHON.replace("MINOR", "12").replace("MICRO", "0"))
    lab.settles(EVERYTHING)


def installed(package: str) -> str:
    import importlib.metadata

    return importlib.metadata.version(package).partition("+")[0]
