"""Data that lie inside an installed package: read as files, without importing the package."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from orrery.config.errors import OrreryError


def packaged_file(package: str, path: str, sha256: str, dataset: str) -> bytes:
    """Return the content of a file of an installed package.

    Args:
        package: name of the installed distribution.
        path: the file, relative to the folder that packages are installed in.
        sha256: the digest that its content must have.
        dataset: name of the dataset that asks, for the error text.

    Raises:
        OrreryError: the package or the file is absent, or has another content.
    """
    remedy = "install the versions of envs/requirements.lock"
    try:
        found = distribution(package)
        content = Path(str(found.locate_file(path))).read_bytes()
    except PackageNotFoundError:
        raise OrreryError(f"dataset {dataset}: the package {package} is not installed; {remedy}") from None
    except OSError:
        raise OrreryError(
            f"dataset {dataset}: {package} {found.version} holds no file {path}; {remedy}"
        ) from None
    check_content(content, sha256, f"{path} of {package} {found.version}", dataset)
    return content


def check_content(content: bytes, sha256: str, what: str, dataset: str) -> None:
    """Refuse content with another digest than the published results were made from.

    Raises:
        OrreryError: the sha256 of ``content`` is not ``sha256``.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise OrreryError(
            f"dataset {dataset}: {what} has sha256 {found[:12]}… instead of {sha256[:12]}… and is refused; "
            "install the versions of envs/requirements.lock"
        )
