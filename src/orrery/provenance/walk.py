"""One walk from some code entries to all that they reach."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orrery.config.errors import OrreryError
from orrery.provenance.canonical import digest, digest_bytes
from orrery.provenance.effects import Effects
from orrery.provenance.summary import IMPORT_TIME, Definition

if TYPE_CHECKING:
    from orrery.provenance.code import CodeIndex, Module

_MODULE_ATTRIBUTES = frozenset({"__name__", "__file__", "__package__", "__path__", "__spec__", "__doc__"})


class Walk:
    """Follows names from definition to definition and from file to file.

    Attributes:
        found: what was reached, ``module:definition`` → ``kind:sha``.
        loaded: the modules that were reached.
        external: top-level packages, neither ours nor Python's own, that are used.
        docstrings, annotations: whether something reached reads them.
    """

    def __init__(self, index: CodeIndex, docstrings: bool, annotations: bool) -> None:
        self.index = index
        self.reading = (docstrings, annotations)
        self.effects = Effects(index, self.reading)
        self.docstrings = self.annotations = False
        self.found: dict[str, str] = {}
        self.loaded: dict[str, Module] = {}
        self.used: set[str] = set()
        self.done: set[tuple[str, str, str]] = set()
        self.pending: list[tuple[Module, Definition]] = []

    @property
    def external(self) -> frozenset[str]:
        return frozenset(self.used - sys.stdlib_module_names)

    # Entries.

    def entry(self, entry: str) -> None:
        """Follow ``module`` or ``module:name``.

        Raises:
            OrreryError: there is no such thing.
        """
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
        """Follow a script, or take in the bytes of another file or of all files of a folder.

        Raises:
            OrreryError: it cannot be read.
        """
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
        self.imported(self.index.script(name, path, *self.reading))
        self.drain()

    def first(self, sort: str, name: str, detail: str = "") -> bool:
        """Whether this is met for the first time."""
        key = (sort, name, detail)
        if key in self.done:
            return False
        self.done.add(key)
        return True

    # Modules.

    def load(self, name: str) -> Module | None:
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

    def imported(self, module: Module) -> None:
        """Take in what importing a module imports and executes, whether or not anything of it is used."""
        for imported in module.summary.imports:
            self.follow_import(imported)
        definitions = module.summary.definitions
        effects = [
            each for each in definitions if each.kind == "statement" or self.effects.acts(module, each)
        ]
        if effects:
            shas = digest([each.sha for each in effects])
            self.found[f"{module.name}:{IMPORT_TIME}"] = f"statements:{shas}"
            self.pending += [(module, each) for each in effects]

    def follow_import(self, imported: str) -> None:
        """Take in ``module``, ``module:name`` (which may be a submodule) or ``module:*``."""
        name, _, inner = imported.partition(":")
        module = self.load(name)
        if module is None or not inner:
            return
        if inner == "*":
            self.whole(module)
        elif inner not in module.summary.names and inner not in module.summary.bindings:
            self.load(f"{name}.{inner}")

    def whole(self, module: Module) -> None:
        """All of a module counts."""
        if not self.first("module", module.name):
            return
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

    def follow_strings(self, module: Module) -> None:
        """A module is imported by a computed name: it may be any that stands as a string in this file."""
        for definition in module.summary.definitions:
            for string in definition.strings:
                dotted = string.replace(":", ".")
                if self.index.locate(dotted.partition(".")[0]) is not None:
                    self.reach_absolute(dotted)

    def reach(self, module: Module, root: str, rest: str) -> bool:
        """Take in what a name at the top level of a module means; return whether it means anything."""
        summary = module.summary
        targets = summary.bindings.get(root)
        definitions = summary.binding(root)
        if definitions and self.first("definition", module.name, root):
            first, shas = definitions[0], [each.sha for each in definitions]
            sha = first.sha if len(shas) == 1 else digest(shas)
            self.found[f"{module.name}:{root}"] = f"{first.kind}:{sha}"
            self.pending += [(module, definition) for definition in definitions]
        if targets is not None:
            # The binding itself counts: two imports that swap their names change no definition. A plain
            # `import json` is left out: whatever else that name could come to mean is listed.
            if definitions or targets != [root]:
                shas = [each.sha for each in definitions]
                self.found[f"{module.name}:{root}"] = f"import:{digest([*targets, *shas])}"
            for target in targets:
                self.reach_absolute(f"{target}.{rest}" if rest else target)
        return bool(definitions) or targets is not None

    def reach_absolute(self, dotted: str, bare_module_counts: bool = True) -> None:
        """Take in what a full dotted name means."""
        if not self.first("name", dotted, "whole" if bare_module_counts else "loaded"):
            return
        parts = dotted.split(".")
        module = self.load(parts[0])
        if module is None:
            if self.index.locate(parts[0]) is None:
                self.used.add(parts[0])
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
