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

import difflib
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orrery.config.errors import OrreryError
from orrery.provenance.canonical import digest, digest_bytes
from orrery.provenance.manifest import write_atomically
from orrery.provenance.purity import BUILTINS, METHODS, external_call_is_pure
from orrery.provenance.syntax import IMPORT_TIME, Definition, Reading, Summary, summarise

_MODULE_ATTRIBUTES = frozenset({"__name__", "__file__", "__package__", "__path__", "__spec__", "__doc__"})
_READER = ("canonical.py", "code.py", "purity.py", "syntax.py")


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


@dataclass
class _Module:
    """A file of ours with what was found out about it."""

    name: str
    path: Path
    summary: Summary
    statements: dict[int, bool] = field(default_factory=dict)


class CodeIndex:
    """Reads the code under some folders, each file at most once and only when reached.

    Args:
        roots: name of a package → its folder; ``""`` → a folder whose files and packages are modules by themselves
            (the folder of a user's studies).
        cache: file that keeps what was read from one start to the next, by content; ``None`` for none.
    """

    def __init__(self, roots: Mapping[str, Path], cache: Path | None = None) -> None:
        self._roots = {name: Path(folder) for name, folder in roots.items()}
        self._cache = _Cache(cache)
        self._modules: dict[tuple[str, bool, bool], _Module] = {}
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
                walk = _Walk(self, docstrings, annotations)
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
            self._closures[key] = walk.closure()
        return self._closures[key]

    def locate(self, module: str) -> Path | None:
        """Return the file of one of our modules (the folder of a package without ``__init__``), or ``None``."""
        if module not in self._paths:
            self._paths[module] = self._search(module)
        return self._paths[module]

    def _search(self, module: str) -> Path | None:
        parts = module.split(".")
        bases = []
        if parts[0] in self._roots and parts[0]:
            bases.append(self._roots[parts[0]].joinpath(*parts[1:]))
        elif "" in self._roots:
            bases.append(self._roots[""].joinpath(*parts))
        for base in bases:
            for path in (base / "__init__.py", base.parent / f"{base.name}.py"):
                if path.is_file():
                    return path
            if base.is_dir() and (len(parts) == 1 or any(base.glob("*.py"))):
                # A folder of a user that holds no Python is no package of theirs.
                return base if parts[0] in self._roots or any(base.glob("*.py")) else None
        return None

    def module(
        self, name: str, path: Path, docstrings: bool, annotations: bool, script: bool = False
    ) -> _Module:
        """Read a file of ours.

        Raises:
            OrreryError: it cannot be read or is not valid Python.
        """
        key = (f"{name}\0{path}" if script else name, docstrings, annotations)
        if key not in self._modules:
            package = path.name == "__init__.py" or path.is_dir()
            reading = Reading(name, package, script, docstrings, annotations)
            summary = Summary() if path.is_dir() else self._cache.read(path, reading)
            self._modules[key] = _Module(name, path, summary)
        return self._modules[key]

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


class _Walk:
    """One walk from some entries."""

    def __init__(self, index: CodeIndex, docstrings: bool, annotations: bool) -> None:
        self.index = index
        self.reading = (docstrings, annotations)
        self.docstrings = self.annotations = False
        self.found: dict[str, str] = {}
        self.loaded: dict[str, _Module] = {}
        self.external: set[str] = set()
        self.done: set[tuple[str, str]] = set()
        self.pending: list[tuple[_Module, Definition]] = []

    def closure(self) -> Closure:
        definitions = dict(sorted(self.found.items()))
        external = frozenset(self.external - sys.stdlib_module_names)
        return Closure(digest(definitions), definitions, frozenset(self.loaded), external)

    # Entries.

    def entry(self, entry: str) -> None:
        name, _, qualified = entry.partition(":")
        module = self.load(name)
        if module is None:
            raise OrreryError(
                f"code entry '{entry}': there is no module {name} under the folders of the code"
            )
        if not qualified:
            self.whole(module)
        else:
            root = qualified.partition(".")[0]
            if not self.reach(module, root, qualified.partition(".")[2]):
                known = difflib.get_close_matches(
                    root, [*module.summary.names, *module.summary.bindings], n=1
                )
                hint = f"; did you mean '{known[0]}'?" if known else ""
                raise OrreryError(f"code entry '{entry}': {name} defines no '{root}'{hint}")
        self.drain()

    def file(self, path: Path) -> None:
        if path.is_dir():
            for inner in sorted(path.rglob("*")):
                if inner.is_file() and "__pycache__" not in inner.parts and not inner.name.startswith("."):
                    self.found[self.index.name_of(inner)] = f"file:{digest_bytes(inner.read_bytes())}"
            return
        name = self.index.name_of(path)
        if path.suffix != ".py":
            try:
                self.found[name] = f"file:{digest_bytes(path.read_bytes())}"
            except OSError as error:
                raise OrreryError(f"code entry '{path}' cannot be read: {error.strerror}") from None
            return
        script = self.index.module("__main__", path, *self.reading, script=True)
        script = _Module(name, path, script.summary)
        self.imported(script)
        self.drain()

    # Modules.

    def load(self, name: str) -> _Module | None:
        """Take in a module of ours as importing it does: its packages, what it imports, what it executes."""
        if name in self.loaded:
            return self.loaded[name]
        path = self.index.locate(name)
        if path is None:
            return None
        package = name.rpartition(".")[0]
        if package:
            self.load(package)
        module = self.index.module(name, path, *self.reading)
        self.loaded[name] = module
        self.imported(module)
        return module

    def imported(self, module: _Module) -> None:
        """Take in what importing a module imports and executes, whether or not anything of it is used."""
        for imported in module.summary.imports:
            self.follow_import(imported)
        definitions = module.summary.definitions
        effects = [each for each in definitions if each.kind == "statement" or self.acts(module, each)]
        if effects:
            shas = digest([each.sha for each in effects])
            self.found[f"{module.name}:{IMPORT_TIME}"] = f"statements:{shas}"
            self.pending += [(module, each) for each in effects]

    def follow_import(self, imported: str) -> None:
        name, _, inner = imported.partition(":")
        module = self.load(name)
        if module is None or not inner:
            return
        if inner == "*":
            self.whole(module)
        elif inner not in module.summary.names and inner not in module.summary.bindings:
            self.load(f"{name}.{inner}")

    def whole(self, module: _Module) -> None:
        """All of a module counts."""
        if (module.name, "*") in self.done:
            return
        self.done.add((module.name, "*"))
        for name in module.summary.names:
            self.reach(module, name, "")
        for name, targets in module.summary.bindings.items():
            if name not in module.summary.names and targets != [name]:
                self.found[f"{module.name}:{name}"] = f"import:{digest(targets)}"
            for target in targets:
                self.reach_absolute(target, bare_module_counts=False)

    # Definitions.

    def drain(self) -> None:
        """Follow all that waits to be followed."""
        while self.pending:
            module, definition = self.pending.pop()
            for imported in definition.imports:
                self.follow_import(imported)
            for chain in definition.loads:
                root, _, rest = chain.partition(".")
                self.reach(module, root, rest)
            for target in definition.absolute:
                self.reach_absolute(target)
            if "whole" in definition.flags:
                self.whole(module)
            if "dynamic" in definition.flags:
                self.follow_strings(module)
            self.annotations |= "annotations" in definition.flags
            self.docstrings |= "docstrings" in definition.flags

    def follow_strings(self, module: _Module) -> None:
        """A module is imported by a computed name: it may be any that stands as a string in this file."""
        for definition in module.summary.definitions:
            for string in definition.strings:
                dotted = string.replace(":", ".")
                if self.index.locate(dotted.partition(".")[0]) is not None:
                    self.reach_absolute(dotted)

    def reach(self, module: _Module, root: str, rest: str) -> bool:
        """Take in what a name at the top level of a module means; return whether it means anything."""
        summary = module.summary
        positions, targets = summary.names.get(root), summary.bindings.get(root)
        if positions is not None and (module.name, root) not in self.done:
            self.done.add((module.name, root))
            definitions = [summary.definitions[position] for position in positions]
            first, shas = definitions[0], [each.sha for each in definitions]
            sha = first.sha if len(shas) == 1 else digest(shas)
            self.found[f"{module.name}:{root}"] = f"{first.kind}:{sha}"
            self.pending += [(module, definition) for definition in definitions]
        if targets is not None:
            # The binding itself counts: two imports that swap their names change no definition. A plain
            # `import json` is left out: whatever else that name could come to mean is listed.
            if positions is not None or targets != [root]:
                shas = [summary.definitions[position].sha for position in positions or ()]
                self.found[f"{module.name}:{root}"] = f"import:{digest([*targets, *shas])}"
            for target in targets:
                self.reach_absolute(f"{target}.{rest}" if rest else target)
        return positions is not None or targets is not None

    def reach_absolute(self, dotted: str, bare_module_counts: bool = True) -> None:
        """Take in what a full dotted name means."""
        key = (dotted, "" if bare_module_counts else "loaded")
        if key in self.done:
            return
        self.done.add(key)
        parts = dotted.split(".")
        module = self.load(parts[0])
        if module is None:
            if self.index.locate(parts[0]) is None:
                self.external.add(parts[0])
            return
        for position, part in enumerate(parts[1:], start=1):
            bound = part in module.summary.names or part in module.summary.bindings
            if bound:
                self.reach(module, part, ".".join(parts[position + 1 :]))
            inner = self.load(f"{module.name}.{part}")
            if inner is None:
                if not bound and part not in _MODULE_ATTRIBUTES:
                    # Made by a module's __getattr__, a star import or setattr: not decidable.
                    self.whole(module)
                return
            module = inner
        if bare_module_counts:
            self.whole(module)

    # What an import executes.

    def acts(self, module: _Module, definition: Definition) -> bool:
        """Whether executing a definition may do more than bind its name."""
        if any(not self.is_pure(module, called) for called in definition.calls):
            return True
        return definition.kind == "class" and any(
            self.has_hook(module, base, "subclass", set()) for base in definition.bases
        )

    def is_pure(self, module: _Module, called: str) -> bool:
        if called == "?":
            return False
        last = called.rpartition(".")[2]
        if "()." in called:
            inner = called.partition("()")[0]
            return last in METHODS or (self.is_pure(module, inner) and self.is_external(module, inner))
        root, _, rest = called.partition(".")
        targets = module.summary.bindings.get(root)
        if rest and last in METHODS:
            return True
        if root in module.summary.names:
            return not rest and self.is_plain_class(module, root)
        if targets is None:
            return called in BUILTINS or root == "str"
        return all(self.is_pure_target(f"{target}.{rest}" if rest else target) for target in targets)

    def is_external(self, module: _Module, called: str) -> bool:
        root = called.partition(".")[0]
        targets = module.summary.bindings.get(root, [])
        ours = any(self.index.locate(target.partition(".")[0]) is not None for target in targets)
        return root not in module.summary.names and not ours

    def is_pure_target(self, dotted: str) -> bool:
        if self.index.locate(dotted.partition(".")[0]) is None:
            return external_call_is_pure(dotted)
        found = self.find(dotted)
        return found is not None and self.is_plain_class(*found)

    def find(self, dotted: str, depth: int = 0) -> tuple[_Module, str] | None:
        """Return the module of ours that defines what a full dotted name means, and the name there."""
        name, _, inner = dotted.rpartition(".")
        path = self.index.locate(name) if name else None
        if path is None or depth > 20:
            return None
        module = self.index.module(name, path, *self.reading)
        if inner in module.summary.names:
            return module, inner
        for target in module.summary.bindings.get(inner, []):
            found = self.find(target, depth + 1)
            if found is not None:
                return found
        return None

    def is_plain_class(self, module: _Module, name: str) -> bool:
        """Whether a name is a class of ours whose instances are made without running code of ours."""
        definitions = [module.summary.definitions[position] for position in module.summary.names[name]]
        return all(each.kind == "class" for each in definitions) and not self.has_hook(
            module, name, "create", set()
        )

    def has_hook(self, module: _Module, name: str, hook: str, seen: set[str]) -> bool:
        """Whether a class, or one of its bases, runs code of ours when it is subclassed or when it is created."""
        root, _, rest = name.partition(".")
        if root not in module.summary.names:
            targets = module.summary.bindings.get(root, [])
            found = [self.find(f"{target}.{rest}" if rest else target) for target in targets]
            return any(
                self.has_hook(inner, inner_name, hook, seen)
                for inner, inner_name in (each for each in found if each)
            )
        key = f"{module.name}:{root}"
        if key in seen:
            return False
        seen.add(key)
        definitions = [module.summary.definitions[position] for position in module.summary.names[root]]
        return any(
            hook in each.hooks or any(self.has_hook(module, base, hook, seen) for base in each.bases)
            for each in definitions
        )


class _Cache:
    """Summaries by content, kept in one file; a cache that cannot be read or written is none."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.changed = False
        self.entries: dict[str, dict[str, object]] = {}
        self.version = ""
        if path is not None:
            # What the reader itself finds out may change with its code and with Python's syntax tree.
            here = Path(__file__).parent
            code = b"".join((here / name).read_bytes() for name in _READER)
            self.version = hashlib.sha256(code + sys.version.encode()).hexdigest()[:16]
            try:
                content = json.loads(path.read_bytes())
                if content["version"] == self.version:
                    self.entries = content["entries"]
            except (OSError, ValueError, KeyError, TypeError):
                pass

    def read(self, path: Path, reading: Reading) -> Summary:
        try:
            source = path.read_bytes()
        except OSError as error:
            raise OrreryError(f"code file {path} cannot be read: {error.strerror}") from None
        key = f"{reading} {hashlib.sha256(source).hexdigest()}"
        if key in self.entries:
            try:
                return Summary.from_json(self.entries[key])
            except (KeyError, TypeError):
                pass
        try:
            summary = summarise(source, reading)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            place = f"{path}:{line}" if line else str(path)
            raise OrreryError(f"{place} is not valid Python: {getattr(error, 'msg', error)}") from None
        if self.path is not None:
            self.entries[key] = summary.to_json()
            self.changed = True
        return summary

    def save(self) -> None:
        if self.path is None or not self.changed:
            return
        self.changed = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = json.dumps({"version": self.version, "entries": self.entries}, separators=(",", ":"))
            write_atomically(self.path, content.encode("ascii"))
        except OSError:
            pass


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
