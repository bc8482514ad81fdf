"""Whether importing a file does more than bind names: what registers itself, patches or prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orrery.provenance.purity import BUILTINS, METHODS, external_call_is_pure
from orrery.provenance.summary import Definition

if TYPE_CHECKING:
    from orrery.provenance.code import CodeIndex, Module


class Effects:
    """Judges definitions across files.

    Args:
        index: finds and reads the files.
        reading: whether docstrings and annotations count.
    """

    def __init__(self, index: CodeIndex, reading: tuple[bool, bool]) -> None:
        self.index = index
        self.reading = reading

    def acts(self, module: Module, definition: Definition) -> bool:
        """Whether executing a definition may do more than bind its name."""
        if any(not self.is_pure(module, called) for called in definition.calls):
            return True
        return definition.kind == "class" and any(
            self.has_hook(module, base, "subclass", set()) for base in definition.bases
        )

    def is_pure(self, module: Module, called: str) -> bool:
        """Whether a call at the top level of a module leaves nothing but its result."""
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

    def is_external(self, module: Module, called: str) -> bool:
        """Whether what is called is neither of this module nor of another of ours."""
        root = called.partition(".")[0]
        targets = module.summary.bindings.get(root, [])
        ours = any(self.index.locate(target.partition(".")[0]) is not None for target in targets)
        return root not in module.summary.names and not ours

    def is_pure_target(self, dotted: str) -> bool:
        """The same for a full dotted name."""
        if self.index.locate(dotted.partition(".")[0]) is None:
            return external_call_is_pure(dotted)
        found = self.find(dotted)
        return found is not None and self.is_plain_class(*found)

    def find(self, dotted: str, depth: int = 0) -> tuple[Module, str] | None:
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

    def is_plain_class(self, module: Module, name: str) -> bool:
        """Whether a name is a class of ours whose instances are made without running code of ours."""
        classes = all(each.kind == "class" for each in module.summary.binding(name))
        return classes and not self.has_hook(module, name, "create", set())

    def has_hook(self, module: Module, name: str, hook: str, seen: set[str]) -> bool:
        """Whether a class, or one of its bases, runs code of ours when it is subclassed or when it is created."""
        root, _, rest = name.partition(".")
        if root not in module.summary.names:
            targets = module.summary.bindings.get(root, [])
            found = (self.find(f"{target}.{rest}" if rest else target) for target in targets)
            return any(self.has_hook(*each, hook, seen) for each in found if each)
        key = f"{module.name}:{root}"
        if key in seen:
            return False
        seen.add(key)
        return any(
            hook in each.hooks or any(self.has_hook(module, base, hook, seen) for base in each.bases)
            for each in module.summary.binding(root)
        )
