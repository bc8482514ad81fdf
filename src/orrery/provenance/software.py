"""The versions of the software that a stage uses: the part of a spec that no file of ours shows."""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from collections.abc import Iterable, Mapping

from orrery.config.errors import OrreryError

_STORE = ("numpy", "zarr", "numcodecs", "xarray")
"""What any stage that writes or reads a Zarr store goes through."""

STAGE_PACKAGES: Mapping[str, tuple[str, ...]] = {
    # pooch and pydantic are absent: downloads are held to their sha256, validated settings are in the spec.
    "data": (*_STORE, "mlxtend", "scikit-learn"),
    "trajectories": (*_STORE, "torch"),
    "analyses": (*_STORE, "dask", "scipy", "scikit-learn", "POT", "torch"),
    "comparisons": (*_STORE, "dask", "scipy", "scikit-learn", "POT", "pandas"),
    # The page that shows the figures of an analysis is rendered with them.
    "figures": (
        *(*_STORE, "dask", "scipy", "pandas", "matplotlib", "cycler", "fonttools"),
        *("jinja2", "markupsafe"),
    ),
    "claims": (),
    "reports": ("jinja2", "markupsafe"),
}
"""Packages whose code has a say in the bytes that a stage writes."""


def software(stage: str) -> dict[str, str]:
    """Return the versions that enter the spec of a stage: its packages and Python's minor version.

    The kind of machine is no part of it: the local part of a version (``+cpu``, ``+cu130``) is left out, and the
    device really used is provenance.

    Raises:
        OrreryError: a package is not installed.
    """
    return versions(STAGE_PACKAGES[stage])


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return ``{"python": "3.11", package: version}`` for installed packages, without importing any.

    Raises:
        OrreryError: a package is not installed.
    """
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    found.update((package, full_version(package).partition("+")[0]) for package in sorted(packages))
    return found


@functools.cache
def full_version(package: str) -> str:
    """Return the version of an installed package with its local part, e.g. ``2.13.0+cpu``; read once a process.

    Raises:
        OrreryError: it is not installed.
    """
    try:
        text = importlib.metadata.distribution(package).read_text("METADATA") or ""
    except importlib.metadata.PackageNotFoundError:
        raise OrreryError(
            f"package {package} is not installed: run `make` to install the pinned software"
        ) from None
    for line in text.splitlines():
        # The description that follows the headers is long; the first empty line ends them.
        if line.startswith("Version:"):
            return line.removeprefix("Version:").strip()
        if not line:
            break
    raise OrreryError(f"package {package} states no version: install it again with `make`")
