"""The digest of the code that a job runs: of the definitions that its entry reaches, and of nothing else.

From the entries the names are followed from definition to definition and from file to file, by reading syntax trees;
nothing is imported. What cannot change a result does not count: comments, docstrings, formatting, annotations of
functions, definitions that nothing reached uses. Where reach cannot be decided, the whole file counts:

- a module that is used as a value (``getattr(m, name)``, ``vars(m)``, passed to a function), star imports;
- ``globals()``, ``eval``, ``exec``, ``sys.modules`` in a reached definition;
- statements that do something at import (expressions, ``if``, ``try``, ``for``, assignments to an item or an
  attribute, calls and decorators that ``orrery.provenance.purity`` does not know) count for every file that
  is imported on the way, used or not: so whatever registers itself counts.

A class counts whole, with its base classes and the annotations of its fields (pydantic and dataclasses read them), so
methods need no resolution. A module imported by a name that is computed (``importlib.import_module(name)``) can only
be followed where the name stands as a string in the same file; otherwise the caller gives it as a further entry, as
the plan does for analyses, systems and datasets chosen by name. The closure lists the modules reached, and a test
holds that running an entry loads no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orrery.provenance.canonical import digest
from orrery.provenance.summary import IMPORT_TIME, Reading, Summary
from orrery.provenance.summary_cache import SummaryCache
from orrery.provenance.walk import Walk


@dataclass(frozen=True)
class Closure:
    """The code that entries reach.

    Attributes:
        digest: 16 hexadecimal digits over all definitions.
        definitions: ``module:definition`` → ``kind:sha``; ``module:(import)`` stands for the statements that a file
            executes at import; plain files stand under their path within their root.
        modules: our modules that running the entries may load.
        external: names of top-level packages, neither ours nor Python's own, that the definitions use.
    """

    digest: str
    definitions: dict[str, str]
    modules: frozenset[str]
    external: frozenset[str]


@dataclass(frozen=True)
class Module:
    """A file of ours, or a folder of them, with its summary."""

    name: str
    path: Path
    summary: Summary


class CodeIndex:
    """Reads the code under some folders, each file at most once and only when reached.

    Args:
        roots: name of a package → its folder; ``""`` → a folder whose files and packages are modules by themselves
            (the folder of a user's studies).
        cache: file that keeps what was read from one start to the next, by content; ``None`` for none.
    """

    def __init__(self, roots: Mapping[str, Path], cache: Path | None = None) -> None:
        self._roots = {name: Path(folder) for name, folder in roots.items()}
        self._cache = SummaryCache(cache)
        self._modules: dict[tuple[str, bool, bool], Module] = {}
        self._paths: dict[str, Path | None] = {}
        self._closures: dict[tuple[str, ...], Closure] = {}

    def digest(self, entries: Iterable[str | Path]) -> tuple[str, dict[str, str]]:
        """Return the digest of what entries reach, and the definitions it is made of; see ``closure``."""
        closure = self.closure(entries)
        return closure.digest, closure.definitions

    def closure(self, entries: Iterable[str | Path]) -> Closure:
        """Follow entries to all that they reach.

        Args:
            entries: ``"module:qualified.name"`` for a definition, ``"module"`` for a whole module, a path ending in
                ``.py`` for a script, the path of any other file or of a folder of them for its bytes.

        Raises:
            OrreryError: an entry does not exist, or a file is not valid Python.
        """
        listed = sorted({str(entry) if isinstance(entry, str) else f"\0{entry}" for entry in entries})
        key = tuple(listed)
        if key not in self._closures:
            docstrings = annotations = False
            while True:
                walk = Walk(self, docstrings, annotations)
                for entry in listed:
                    if entry.startswith("\0"):
                        walk.file(Path(entry[1:]))
                    else:
                        walk.entry(entry)
                # Code that reads docstrings or annotations makes them count: follow again with them.
                if walk.docstrings <= docstrings and walk.annotations <= annotations:
                    break
                docstrings |= walk.docstrings
                annotations |= walk.annotations
            self._cache.save()
            definitions = dict(sorted(walk.found.items()))
            modules = frozenset(walk.loaded)
            self._closures[key] = Closure(digest(definitions), definitions, modules, walk.external)
        return self._closures[key]

    def locate(self, module: str) -> Path | None:
        """Return the file of one of our modules (the folder of a package without ``__init__``), or ``None``."""
        if module not in self._paths:
            self._paths[module] = self._search(module)
        return self._paths[module]

    def _search(self, module: str) -> Path | None:
        parts = module.split(".")
        if parts[0] and parts[0] in self._roots:
            base = self._roots[parts[0]].joinpath(*parts[1:])
        elif "" in self._roots:
            base = self._roots[""].joinpath(*parts)
        else:
            return None
        for path in (base / "__init__.py", base.parent / f"{base.name}.py"):
            if path.is_file():
                return path
        # A folder without Python in it is no package, whatever its name.
        return base if base.is_dir() and next(base.rglob("*.py"), None) else None

    def module(self, name: str, path: Path, docstrings: bool, annotations: bool) -> Module:
        """Read a module of ours.

        Raises:
            OrreryError: it cannot be read or is not valid Python.
        """
        key = (name, docstrings, annotations)
        if key not in self._modules:
            package = path.name == "__init__.py" or path.is_dir()
            reading = Reading(name, package, False, docstrings, annotations)
            summary = Summary() if path.is_dir() else self._cache.read(path, reading)
            self._modules[key] = Module(name, path, summary)
        return self._modules[key]

    def script(self, name: str, path: Path, docstrings: bool, annotations: bool) -> Module:
        """Read a script, which runs as ``__main__``.

        Raises:
            OrreryError: it cannot be read or is not valid Python.
        """
        reading = Reading("__main__", False, True, docstrings, annotations)
        return Module(name, path, self._cache.read(path, reading))

    def name_of(self, path: Path) -> str:
        """Return a name for a file that is the same on every machine: its path within its root."""
        resolved = path.resolve()
        for root, folder in self._roots.items():
            try:
                inside = resolved.relative_to(folder.resolve()).as_posix()
            except ValueError:
                continue
            return f"{root}/{inside}" if root else inside
        return path.name


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Say in words how two closures differ, one part of a sentence for each module.

    Args:
        old, new: ``definitions`` of two closures.

    Returns:
        E.g. ``["orrery.analyses.koopman changed (function spectrum)", "orrery.numerics.gram is new"]``.
    """
    changed: dict[str, list[str]] = {}
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            module, _, name = key.partition(":")
            changed.setdefault(module, []).append(_part(name, old.get(key), new.get(key)))
    modules_before = {key.partition(":")[0] for key in old}
    modules_after = {key.partition(":")[0] for key in new}
    parts = []
    for module, names in changed.items():
        if module not in modules_before:
            parts.append(f"{module} is new")
        elif module not in modules_after:
            parts.append(f"{module} is no longer used")
        else:
            inner = ", ".join(name for name in names if name)
            parts.append(f"{module} changed ({inner})" if inner else f"{module} changed")
    return parts


def _part(name: str, old: str | None, new: str | None) -> str:
    if not name:
        return ""
    kind = (new or old or "").partition(":")[0]
    what = "statements at import" if name == IMPORT_TIME else f"{kind} {name}"
    if old is None:
        return f"{what} is new"
    return f"{what} is no longer used" if new is None else what
