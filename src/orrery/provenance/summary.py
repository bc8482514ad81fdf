"""What one Python file defines and uses: plain data, so that it can be kept from one start to the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

IMPORT_TIME = "(import)"
"""Name under which the statements that a file executes when it is imported count."""


@dataclass
class Definition:
    """One statement at the top level of a file.

    Attributes:
        kind: ``function``, ``class``, ``value`` or ``statement``.
        sha: digest of the statement without comments, docstrings, annotations of functions and formatting.
        loads: names of the file's own top level that it uses, with the attributes read from them (``m.sub.f``).
        absolute: the same for names imported inside the statement: full dotted names.
        imports: modules that it imports when it runs: ``module`` or ``module:name``.
        calls: what is called when the statement is executed at import, dotted; ``?`` where that is not a name.
        strings: string constants that look like dotted names.
        bases: base classes, of a class.
        hooks: for a class, ``subclass`` where defining a subclass runs its code, ``create`` where creating one does.
        flags: ``whole`` (reads the names of its own file), ``dynamic`` (imports by a computed name),
            ``annotations``, ``docstrings`` (reads them).
    """

    kind: str
    sha: str = ""
    loads: list[str] = field(default_factory=list)
    absolute: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


@dataclass
class Summary:
    """What a file defines.

    Attributes:
        definitions: its top-level statements, imports apart, in order.
        names: which statements (by position) bind a name.
        bindings: name → full dotted names that import statements bind it to.
        imports: modules imported when the file is: ``module``, ``module:name`` or ``module:*``.
    """

    definitions: list[Definition] = field(default_factory=list)
    names: dict[str, list[int]] = field(default_factory=dict)
    bindings: dict[str, list[str]] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)

    def binding(self, name: str) -> list[Definition]:
        """Return the statements that bind a name, in order."""
        return [self.definitions[position] for position in self.names.get(name, [])]

    def to_json(self) -> dict[str, Any]:
        """Return plain data; empty lists are left out of the definitions."""
        data = asdict(self)
        data["definitions"] = [
            {key: value for key, value in each.items() if value} for each in data["definitions"]
        ]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Summary:
        """Read what ``to_json`` wrote."""
        definitions = [Definition(**each) for each in data["definitions"]]
        return cls(definitions, data["names"], data["bindings"], data["imports"])


@dataclass(frozen=True)
class Reading:
    """How a file is read.

    Attributes:
        module: its full dotted name.
        package: whether it is the ``__init__`` of a package.
        script: whether it is run as ``__main__``.
        docstrings: whether docstrings count.
        annotations: whether annotations of functions count.
    """

    module: str
    package: bool = False
    script: bool = False
    docstrings: bool = False
    annotations: bool = False
