"""Systems, analyses and datasets by name: the one place where a name from a study becomes a module."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Literal

from pydantic import BaseModel

from orrery.config.errors import OrreryError, nearest

Family = Literal["systems", "analyses", "data"]

KEYS: dict[str, str] = {"systems": "kind", "analyses": "method", "data": "name"}
"""The key of a study by which a member of each family is chosen."""

_SINGULAR = {"systems": "system", "analyses": "analysis", "data": "dataset"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_SETTINGS = re.compile(r"^class Settings\b|^Settings\b|^from .* import .*\bSettings$", re.MULTILINE)


def load(family: Family, name: object) -> ModuleType:
    """Import the module behind a name: a built-in one, or one's own by its import path.

    ``foo-bar`` is the built-in module ``foo_bar``, else a file or package of that name in the working directory;
    a name with a dot is always an import path, with the working directory on the path.

    Raises:
        OrreryError: there is none of that name, it cannot be imported, or it has no ``Settings``.
    """
    what = _SINGULAR[family]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OrreryError(
            f"{name!r} is no name of a {what}; write a built-in name or an import path package.module"
        )
    try:
        module = importlib.import_module(_module_name(family, name))
    except OrreryError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise OrreryError(f"the {what} '{name}' cannot be imported ({reason})") from error
    settings = getattr(module, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise OrreryError(f"the {what} '{name}' ({module.__name__}) has no settings model named Settings")
    return module


def settings_of(module: ModuleType) -> type[BaseModel]:
    """Return the settings model of a module that ``load`` returned."""
    settings: type[BaseModel] = module.Settings
    return settings


@functools.cache
def built_in(family: Family) -> tuple[str, ...]:
    """Return the names of the built-in members of a family, sorted; nothing is imported for it."""
    folder = Path(__file__).resolve().parent.parent / family
    files = sorted(folder.glob("*.py"))
    return tuple(
        file.stem.replace("_", "-") for file in files if _SETTINGS.search(file.read_text(encoding="utf-8"))
    )


def _module_name(family: Family, name: str) -> str:
    """Return the import path behind a name."""
    here = Path.cwd()
    if "." not in name:
        stem = name.replace("-", "_")
        if stem.replace("_", "-") in built_in(family):
            return f"orrery.{family}.{stem}"
        if not ((here / f"{stem}.py").is_file() or (here / stem / "__init__.py").is_file()):
            what, known = _SINGULAR[family], built_in(family)
            guess = nearest(name, known)
            tail = f"{guess} (built in are {', '.join(known)})" if guess.startswith("did") else guess
            raise OrreryError(f"there is no {what} '{name}'; {tail}")
        name = stem
    if str(here) not in sys.path:
        # last, so that a file of the user cannot stand in for a library
        sys.path.append(str(here))
    return name
